"""Tickets: one, an order's, those that await approval."""

from uuid import UUID

from console import cursors
from store.database import Cursor
from store.tickets import TicketRow

_COLUMNS = ", ".join(f"t.{name}" for name in TicketRow._fields)
MOST = 500


def of_order(cursor: Cursor, order_id: UUID) -> list[TicketRow]:
    """Return an order's tickets, newest first, at most `MOST`."""
    cursor.execute(f"select {_COLUMNS} from ticket t where t.order_id = %s order by t.submitted_at desc limit %s", (order_id, MOST))
    return [TicketRow(*row) for row in cursor.fetchall()]


def awaiting(cursor: Cursor, after: str | None, limit: int) -> tuple[list[tuple[str, str, TicketRow]], str | None]:
    """Return (order number, currency, ticket) of tickets that await approval, longest waiting first, and where the next page begins."""
    place = ""
    values: list[object] = []
    if after:
        place = "and (t.submitted_at, t.ticket_id) > (%s, %s)"
        values = list(cursors.place(after) or ())
    cursor.execute(
        f"""select o.order_number, o.currency, {_COLUMNS} from ticket t join orders o using (order_id)
             where t.state = 'awaiting_approval' {place} order by t.submitted_at, t.ticket_id limit %s""",
        [*values, limit + 1],
    )
    rows = [(row[0], row[1], TicketRow(*row[2:])) for row in cursor.fetchall()]
    more = rows[limit - 1][2] if len(rows) > limit else None
    return rows[:limit], cursors.encode(more.submitted_at.isoformat(), str(more.ticket_id)) if more else None


def states(cursor: Cursor, order_id: UUID) -> dict[str, str]:
    """Return the state of each of an order's tickets."""
    cursor.execute("select ticket_id::text, state from ticket where order_id = %s", (order_id,))
    return dict(cursor.fetchall())


def pulse(cursor: Cursor, order_id: UUID) -> tuple[int, int] | None:
    """Return (version, event number) of an order: whether anything happened to it."""
    row = cursor.execute("select version, event_seq from order_head where order_id = %s", (order_id,)).fetchone()
    return (row[0], row[1]) if row and row[0] else None
