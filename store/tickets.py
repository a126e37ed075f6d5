"""Tickets, in sets. Only the processor writes them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from schemas.ticket import APPLIED_STATES
from store.database import Cursor


class TicketRow(NamedTuple):
    """A ticket and where it stands. The request itself is sealed: addresses are personal."""

    order_id: UUID
    ticket_id: UUID
    state: str
    user_id: str
    roles: str
    door: str
    on_behalf_of: str | None
    reason_code: str
    base_version: int | None
    new_version: int | None
    operations: str
    request_sealed: bytes
    money_delta_minor: int | None
    code: str | None
    rule_id: str | None
    path: str | None
    message: str | None
    opened_at: datetime
    submitted_at: datetime
    decided_at: datetime | None
    effects_hash: str | None = None
    """What the ticket would do, as the reviewer has to see it (`awaiting_approval`)."""
    due_at: datetime | None = None
    """When a ticket that waits ends by itself."""
    approved_by: str | None = None
    undoes: UUID | None = None


def insert(cursor: Cursor, rows: Sequence[TicketRow]) -> None:
    """Add tickets seen for the first time."""
    columns = ", ".join(TicketRow._fields)
    with cursor.copy(f"copy ticket ({columns}) from stdin (format binary)") as copy:
        copy.set_types(
            (
                "uuid", "uuid", "text", "text", "text", "text", "text", "text", "int4", "int4", "text", "bytea", "int8",
                "text", "text", "text", "text", "timestamptz", "timestamptz", "timestamptz", "text", "timestamptz", "text", "uuid",
            )
        )  # fmt: skip
        for row in rows:
            copy.write_row(row)


def decide(cursor: Cursor, rows: Sequence[TicketRow]) -> None:
    """Set state and result of tickets that had waited; one whose row was refused when it came is added now."""
    marks = ", ".join(["%s"] * len(TicketRow._fields))
    cursor.executemany(f"insert into ticket ({', '.join(TicketRow._fields)}) values ({marks}) on conflict do nothing", rows)
    cursor.executemany(
        """update ticket set state = %s, new_version = %s, money_delta_minor = %s, code = %s, rule_id = %s, path = %s, message = %s,
                  decided_at = %s, effects_hash = %s, due_at = %s, approved_by = %s where order_id = %s and ticket_id = %s""",
        [
            (
                r.state,
                r.new_version,
                r.money_delta_minor,
                r.code,
                r.rule_id,
                r.path,
                r.message,
                r.decided_at,
                r.effects_hash,
                r.due_at,
                r.approved_by,
                r.order_id,
                r.ticket_id,
            )
            for r in rows
        ],
    )


def states(cursor: Cursor, keys: Sequence[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], str]:
    """Return the state of the named tickets."""
    cursor.execute(
        "select t.order_id, t.ticket_id, t.state from unnest(%b::uuid[], %b::uuid[]) u(order_id, ticket_id) join ticket t using (order_id, ticket_id)",
        ([k[0] for k in keys], [k[1] for k in keys]),
    )
    return {(row[0], row[1]): row[2] for row in cursor.fetchall()}


def close(cursor: Cursor, order_id: UUID, ticket_id: UUID, state: str, at: datetime) -> None:
    """End a ticket without effect."""
    cursor.execute(
        "update ticket set state = %s, decided_at = %s, due_at = null where order_id = %s and ticket_id = %s",
        (state, at, order_id, ticket_id),
    )


def bury(cursor: Cursor, order_id: UUID, ticket_id: UUID) -> None:
    """Say that a ticket's message is a dead letter: it waits for a person."""
    cursor.execute("update ticket set state = 'dead' where order_id = %s and ticket_id = %s", (order_id, ticket_id))


def find(cursor: Cursor, order_id: UUID, ticket_id: UUID) -> TicketRow | None:
    """Return a ticket whose order's head is locked."""
    columns = ", ".join(TicketRow._fields)
    cursor.execute(f"select {columns} from ticket where order_id = %s and ticket_id = %s", (order_id, ticket_id))
    row = cursor.fetchone()
    return TicketRow(*row) if row else None


def operations_of(cursor: Cursor, order_id: UUID) -> dict[str, str]:
    """Return the operations of an order's tickets, by the cause that history names."""
    cursor.execute("select 'ticket:' || ticket_id, operations from ticket where order_id = %s", (order_id,))
    return dict(cursor.fetchall())


def due(cursor: Cursor, limit: int) -> list[tuple[UUID, UUID]]:
    """Return (order id, ticket id) of tickets that have waited until their deadline."""
    cursor.execute(
        """select order_id, ticket_id from ticket where due_at <= now() and state in ('waiting', 'awaiting_approval', 'compensating')
            order by due_at limit %s""",
        (limit,),
    )
    return cursor.fetchall()


def mark_undone(cursor: Cursor, keys: Sequence[tuple[UUID, UUID]]) -> None:
    """Say of applied tickets that another one took them back."""
    cursor.execute(
        """update ticket t set state = 'undone' from unnest(%b::uuid[], %b::uuid[]) u(order_id, ticket_id)
            where t.order_id = u.order_id and t.ticket_id = u.ticket_id and t.state = any(%b::text[])""",
        ([k[0] for k in keys], [k[1] for k in keys], list(APPLIED_STATES)),
    )


def settle(cursor: Cursor, rows: Sequence[tuple[UUID, UUID, str]]) -> None:
    """Say of tickets (order id, ticket id, state) that their money moved, or did not; the first word of a ticket counts."""
    first = {row[:2]: row for row in reversed(rows)}
    cursor.execute(
        """update ticket t set state = u.state from unnest(%b::uuid[], %b::uuid[], %b::text[]) u(order_id, ticket_id, state)
            where t.order_id = u.order_id and t.ticket_id = u.ticket_id and t.state = 'settling'""",
        tuple([row[index] for row in first.values()] for index in range(3)),
    )


def reauthor(cursor: Cursor, row: TicketRow) -> None:
    """Store a waiting ticket as somebody repaired it: its author, its request and what it asks."""
    cursor.execute(
        """update ticket set user_id = %s, roles = %s, door = %s, on_behalf_of = %s, reason_code = %s, base_version = %s, operations = %s,
                  request_sealed = %s, state = 'waiting' where order_id = %s and ticket_id = %s and state in ('dead', 'waiting')""",
        (
            row.user_id,
            row.roles,
            row.door,
            row.on_behalf_of,
            row.reason_code,
            row.base_version,
            row.operations,
            row.request_sealed,
            row.order_id,
            row.ticket_id,
        ),
    )
