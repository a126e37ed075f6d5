"""Tickets, in sets. Only the processor writes them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

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


def insert(cursor: Cursor, rows: Sequence[TicketRow]) -> None:
    """Add tickets seen for the first time."""
    columns = ", ".join(TicketRow._fields)
    with cursor.copy(f"copy ticket ({columns}) from stdin (format binary)") as copy:
        copy.set_types(
            (
                "uuid", "uuid", "text", "text", "text", "text", "text", "text", "int4", "int4", "text", "bytea", "int8",
                "text", "text", "text", "text", "timestamptz", "timestamptz", "timestamptz",
            )
        )  # fmt: skip
        for row in rows:
            copy.write_row(row)


def decide(cursor: Cursor, rows: Sequence[TicketRow]) -> None:
    """Set state and result of tickets that had waited."""
    cursor.executemany(
        """update ticket set state = %s, new_version = %s, money_delta_minor = %s, code = %s, rule_id = %s, path = %s, message = %s,
                  decided_at = %s where order_id = %s and ticket_id = %s""",
        [
            (r.state, r.new_version, r.money_delta_minor, r.code, r.rule_id, r.path, r.message, r.decided_at, r.order_id, r.ticket_id)
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
    cursor.execute("update ticket set state = %s, decided_at = %s where order_id = %s and ticket_id = %s", (state, at, order_id, ticket_id))
