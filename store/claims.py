"""Who works on a dead letter, what they want to change, who approved it; and every repair that was sent.

A claim is one row per letter. Whoever inserts it, or finds it expired, has it; there is no second winner. The patch and
a repair's input are sealed under the order's key: forgetting a person forgets them here too.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from store.database import Cursor
from store.inbox import goes_by


class Claim(NamedTuple):
    """A claim on a letter. `attempts`: the failure it is about; `approved_act`: what exactly was approved."""

    order_id: UUID
    letter_id: UUID
    actor: str
    attempts: int
    claimed_at: datetime
    expires_at: datetime
    patch_sealed: bytes | None = None
    patch_sha256: str | None = None
    approved_by: str | None = None
    approved_act: str | None = None


class Repair(NamedTuple):
    """A human repair: what failed, the patch, and the message whose outcome tells whether it helped."""

    order_id: UUID
    repair_id: UUID
    letter_id: UUID
    attempts: int
    fingerprint: str
    message: str
    channel: str | None
    error_class: str
    code: str
    field: str | None
    input_sealed: bytes
    patch_sealed: bytes
    actor: str
    approved_by: str | None
    at: datetime
    target_order_id: UUID
    target_message_id: str
    outcome: str = "pending"


_CLAIM = ", ".join(Claim._fields)


def take(cursor: Cursor, order_id: UUID, letter_id: UUID, actor: str, attempts: int, minutes: int) -> Claim:
    """Take or renew the claim; return the one that stands now, which is somebody else's where they were first."""
    cursor.execute(
        f"""insert into edit_claim as c (order_id, letter_id, actor, attempts, claimed_at, expires_at)
            values (%s, %s, %s, %s, now(), now() + make_interval(mins => %s))
            on conflict (order_id, letter_id) do update set expires_at = excluded.expires_at, attempts = excluded.attempts,
               claimed_at = case when c.actor = excluded.actor and c.expires_at > now() then c.claimed_at else now() end,
               patch_sealed = case when c.actor = excluded.actor and c.attempts = excluded.attempts then c.patch_sealed end,
               patch_sha256 = case when c.actor = excluded.actor and c.attempts = excluded.attempts then c.patch_sha256 end,
               approved_by = case when c.actor = excluded.actor and c.attempts = excluded.attempts then c.approved_by end,
               approved_act = case when c.actor = excluded.actor and c.attempts = excluded.attempts then c.approved_act end,
               actor = excluded.actor
             where c.actor = excluded.actor or c.expires_at <= now() or c.attempts <> excluded.attempts
            returning {_CLAIM}""",
        (order_id, letter_id, actor, attempts, minutes),
    )
    row = cursor.fetchone()
    if row is not None:
        return Claim(*row)
    standing = find(cursor, order_id, letter_id)
    assert standing is not None
    return standing


def find(cursor: Cursor, order_id: UUID, letter_id: UUID) -> Claim | None:
    """Return the claim that stands; an expired one does not."""
    cursor.execute(f"select {_CLAIM} from edit_claim where order_id = %s and letter_id = %s and expires_at > now()", (order_id, letter_id))
    row = cursor.fetchone()
    return Claim(*row) if row else None


def drop(cursor: Cursor, order_id: UUID, letter_id: UUID) -> None:
    """End the claim."""
    cursor.execute("delete from edit_claim where order_id = %s and letter_id = %s", (order_id, letter_id))


def set_patch(cursor: Cursor, claim: Claim, patch_sealed: bytes, sha256: str) -> None:
    """Keep the patch; another one than was approved is not approved."""
    cursor.execute(
        """update edit_claim set patch_sealed = %s, patch_sha256 = %s, approved_by = null, approved_act = null, approved_at = null
            where order_id = %s and letter_id = %s""",
        (patch_sealed, sha256, claim.order_id, claim.letter_id),
    )


def approve(cursor: Cursor, claim: Claim, approver: str, act: str) -> None:
    """Record an approval of exactly `act`."""
    cursor.execute(
        "update edit_claim set approved_by = %s, approved_act = %s, approved_at = now() where order_id = %s and letter_id = %s",
        (approver, act, claim.order_id, claim.letter_id),
    )


def keep(cursor: Cursor, repairs: Sequence[Repair]) -> None:
    """Keep repairs."""
    cursor.executemany(
        f"insert into repair ({', '.join(Repair._fields)}) values ({', '.join(['%s'] * len(Repair._fields))}) on conflict do nothing",
        repairs,
    )


def settle_repairs(cursor: Cursor) -> int:
    """Say of repairs how they ended: the message's outcome, or that the letter failed again. Returns how many ended."""
    cursor.execute(
        f"""update repair r set outcome = e.outcome, settled_at = now() from (
             select p.order_id, p.repair_id, case when d.attempts > p.attempts then 'failed_again'
                      when d.status in ('discarded', 'superseded') then d.status else i.outcome end as outcome
               from repair p join dead_letter d on d.order_id = p.order_id and d.letter_id = p.letter_id
               left join inbox i on i.order_id = p.target_order_id and {goes_by("p.target_message_id")}
              where p.outcome = 'pending' and (d.attempts > p.attempts or d.status in ('discarded', 'superseded')
                 or (d.status in ('resolved', 'resent') and i.outcome is not null and i.outcome <> 'waiting'))) e
            where r.order_id = e.order_id and r.repair_id = e.repair_id"""
    )
    return cursor.rowcount
