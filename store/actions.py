"""What has to be asked of the world after an edit: payment steps, channel actions, notices; in sets.

A row is written in the transaction that applied its edit. The settlement worker claims due rows under their orders'
heads, asks outside of any transaction, and puts what came of it into the outbox. `planned` was never sent and can be
cancelled; `sent` may have had an effect. A claimed row is due again after a while, so a worker that died is replaced.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from store.database import Cursor


class ActionRow(NamedTuple):
    """One request. `transaction` names the tender of a payment step (empty until the step `after_id` has made it), or a recall's line.

    Of a reservation: its line; `provider` is its location, `method` its SKU, `amount_minor` its units and `step` its revision.
    """

    order_id: UUID
    action_id: UUID
    ticket_id: UUID
    step: int
    port: str
    kind: str
    provider: str
    transaction: str
    method: str | None
    amount_minor: int
    currency: str
    after_id: UUID | None
    state: str
    attempts: int
    next_attempt_at: datetime | None
    due_at: datetime
    created_at: datetime


class Ended(NamedTuple):
    """How a request ended: `done`, `failed` or `cancelled`, and in which words."""

    order_id: UUID
    action_id: UUID
    state: str
    result: str | None


class Aimed(NamedTuple):
    """The tender that a waiting step goes to, now that it exists."""

    order_id: UUID
    action_id: UUID
    transaction: str


class Lowered(NamedTuple):
    """A payment request that asks for less now: for so much."""

    order_id: UUID
    action_id: UUID
    amount_minor: int


COLUMNS = ", ".join(ActionRow._fields)


def insert(cursor: Cursor, rows: Sequence[ActionRow]) -> None:
    """Add requests."""
    with cursor.copy(f"copy action ({COLUMNS}) from stdin (format binary)") as copy:
        copy.set_types(
            (
                "uuid", "uuid", "uuid", "int4", "text", "text", "text", "text", "text", "int8", "text", "uuid", "text", "int4",
                "timestamptz", "timestamptz", "timestamptz",
            )
        )  # fmt: skip
        for row in rows:
            copy.write_row(row)


def pending(cursor: Cursor, order_ids: Sequence[UUID]) -> dict[UUID, list[ActionRow]]:
    """Return payment steps and recalls whose outcome is not known, in the order in which they were planned."""
    cursor.execute(
        f"""select {COLUMNS} from action where order_id = any(%b) and state in ('planned', 'sent') and port in ('payment', 'warehouse')
             order by order_id, created_at, step""",
        (list(order_ids),),
        binary=True,
    )
    found: dict[UUID, list[ActionRow]] = {}
    for row in cursor.fetchall():
        found.setdefault(row[0], []).append(ActionRow(*row))
    return found


def recalled_lines(cursor: Cursor, order_id: UUID, ticket_id: UUID) -> list[str]:
    """Return the lines that the warehouse gave back for a ticket."""
    cursor.execute(
        """select transaction from action where order_id = %s and ticket_id = %s and port = 'warehouse' and state = 'done'
            order by created_at, step desc""",
        (order_id, ticket_id),
    )
    return [row[0] for row in cursor.fetchall()]


def cancel_recalls(cursor: Cursor, order_id: UUID, ticket_id: UUID) -> list[UUID]:
    """Cancel a ticket's recalls that nobody was asked for yet; return their ids."""
    cursor.execute(
        """update action set state = 'cancelled', result = 'not needed any more', next_attempt_at = null, ended_at = now()
            where order_id = %s and ticket_id = %s and port = 'warehouse' and state = 'planned' returning action_id""",
        (order_id, ticket_id),
    )
    return [row[0] for row in cursor.fetchall()]


def end(cursor: Cursor, rows: Sequence[Ended]) -> None:
    """Say how requests ended."""
    cursor.execute(
        """update action a set state = u.state, result = u.result, next_attempt_at = null, ended_at = now()
             from unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[]) u(order_id, action_id, state, result)
            where a.order_id = u.order_id and a.action_id = u.action_id and a.state in ('planned', 'sent')""",
        tuple([row[index] for row in rows] for index in range(4)),
    )


def aim(cursor: Cursor, rows: Sequence[Aimed]) -> None:
    """Name the tender of steps that waited for it."""
    cursor.execute(
        """update action a set transaction = u.transaction from unnest(%b::uuid[], %b::uuid[], %b::text[]) u(order_id, action_id, transaction)
            where a.order_id = u.order_id and a.action_id = u.action_id""",
        tuple([row[index] for row in rows] for index in range(3)),
    )


def lower(cursor: Cursor, rows: Sequence[Lowered]) -> None:
    """Say for how much payment requests ask now."""
    cursor.execute(
        """update action a set amount_minor = u.amount from unnest(%b::uuid[], %b::uuid[], %b::int8[]) u(order_id, action_id, amount)
            where a.order_id = u.order_id and a.action_id = u.action_id""",
        tuple([row[index] for row in rows] for index in range(3)),
    )


def with_requests_taken_back(cursor: Cursor, order_ids: Sequence[UUID]) -> list[UUID]:
    """Return those of the orders that had a payment request taken back: money for it may come all the same."""
    cursor.execute(
        "select distinct order_id from action where order_id = any(%b) and kind = 'take_back' and state = 'done'",
        (list(order_ids),),
        binary=True,
    )
    return [row[0] for row in cursor.fetchall()]


_DEPENDENCY = """'port:' || a.port || case a.port when 'payment' then ':' || a.provider
    when 'channel' then ':' || coalesce((select o.channel from orders o where o.order_id = a.order_id), '') else '' end"""
"""Whom a request depends on: a gateway by its provider, a channel by its name, the notifier, the warehouse."""
_READY = """a.state in ('planned', 'sent') and a.next_attempt_at <= now()
    and not exists (select 1 from action b where b.order_id = a.order_id and b.state in ('planned', 'sent')
                       and ((b.action_id = a.after_id and a.kind <> 'take_back') or (b.after_id = a.action_id and b.kind = 'take_back')))"""
"""A step waits for the one it follows, but for one that takes it back; a payment request that is being taken back is not sent again."""


class Due(NamedTuple):
    """A request that is to be sent now, and whom it depends on."""

    order_id: UUID
    action_id: UUID
    dependency: str


def due(cursor: Cursor, limit: int, quotas: Mapping[str, int] | None = None) -> list[Due]:
    """Return requests that are to be sent now (see `_READY`).

    `quotas`: at most so many of a dependency. What is past its deadline is returned whatever they say: it is not sent any more.
    """
    if not quotas:
        cursor.execute(
            f"select a.order_id, a.action_id, {_DEPENDENCY} from action a where {_READY} order by a.next_attempt_at limit %s", (limit,)
        )
    else:
        cursor.execute(
            f"""with ready as (select a.order_id, a.action_id, {_DEPENDENCY} as dependency, a.next_attempt_at, a.due_at <= now() as overdue
                                 from action a where {_READY}),
                     numbered as (select *, row_number() over (partition by dependency, overdue order by next_attempt_at) as n from ready)
                select order_id, action_id, dependency from numbered
                  left join unnest(%b::text[], %b::int[]) q(name, most) on q.name = dependency
                 where overdue or q.most is null or n <= q.most order by next_attempt_at limit %s""",
            (list(quotas), list(quotas.values()), limit),
        )
    return [Due(*row) for row in cursor.fetchall()]


def rates(cursor: Cursor, over: timedelta) -> dict[str, float]:
    """Return how many requests a second came for each dependency over the time given, or since the first came if that is shorter."""
    cursor.execute(
        f"""select {_DEPENDENCY}, count(*) / greatest(extract(epoch from now() - min(a.created_at)), 1)
              from action a where a.created_at > now() - %s group by 1""",
        (over,),
    )
    return {name: float(rate) for name, rate in cursor.fetchall()}


_FIRST_AMOUNT = """a.amount_minor + (select coalesce(sum(b.amount_minor), 0)::int8 from action b
    where b.order_id = a.order_id and b.after_id = a.action_id and b.kind = 'take_back' and b.state = 'done')"""


def claim(cursor: Cursor, keys: Sequence[tuple[UUID, UUID]], again_after: timedelta) -> list[ActionRow]:
    """Mark requests as sent, their orders' heads being locked; return those that were still due.

    A payment request that was lowered is returned with its first amount: under one key, one and the same thing is asked for.
    """
    columns = ", ".join(_FIRST_AMOUNT if name == "amount_minor" else f"a.{name}" for name in ActionRow._fields)
    cursor.execute(
        f"""update action a set state = 'sent', attempts = a.attempts + 1,
                   next_attempt_at = least(now() + %s * least(power(2, a.attempts), 64) * (0.8 + 0.4 * random()), greatest(a.due_at, now() + interval '1 second'))
              from unnest(%b::uuid[], %b::uuid[]) u(order_id, action_id)
             where a.order_id = u.order_id and a.action_id = u.action_id and a.state in ('planned', 'sent') and a.next_attempt_at <= now()
         returning {columns}""",
        (again_after, [key[0] for key in keys], [key[1] for key in keys]),
        binary=True,
    )
    return [ActionRow(*row) for row in cursor.fetchall()]


def answered(cursor: Cursor, keys: Sequence[tuple[UUID, UUID]]) -> None:
    """Say that the answer is on its way to the processor: nobody asks again."""
    cursor.execute(
        """update action a set next_attempt_at = null from unnest(%b::uuid[], %b::uuid[]) u(order_id, action_id)
            where a.order_id = u.order_id and a.action_id = u.action_id""",
        ([key[0] for key in keys], [key[1] for key in keys]),
    )


def wait_until_due(cursor: Cursor, keys: Sequence[tuple[UUID, UUID]]) -> None:
    """Leave requests that were delivered and are answered by somebody else's act until their deadline."""
    cursor.execute(
        """update action a set next_attempt_at = a.due_at from unnest(%b::uuid[], %b::uuid[]) u(order_id, action_id)
            where a.order_id = u.order_id and a.action_id = u.action_id""",
        ([key[0] for key in keys], [key[1] for key in keys]),
    )
