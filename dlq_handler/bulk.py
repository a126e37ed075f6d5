"""Sends the letters of one cause back together: membership frozen, canaries first, stopped where too many fail.

One letter, then ten, then never more than a tenth of what was sent so far; after each step every outcome is awaited and
the share of failures looked at. What arrives later is of another bulk. All of it stands in the database: a runner that
is killed leaves nothing half done, and the next one goes on; one that is paused sends nothing more until it is run again. A letter that somebody works on, or that has failed anew
since, is skipped and says why.

Whoever runs it says so while they do (`replays.beat`). One whose runner died or was cut off is paused by the retrier, and shown so: nothing goes
on in the name of somebody who is not there. A runner that comes back sees the pause before its next letter.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from uuid import UUID

from dlq_handler import patch
from dlq_handler.desk import APPROVER, Desk, DeskRefused
from dlq_handler.repair import NEEDS, NEEDS_EDITED
from dlq_handler.rules import bulk_four_eyes, must_stop, next_step
from schemas.assertion import Actor
from schemas.failures import OrdermendError
from schemas.repair import SentBack
from store import replays
from store.database import Connection, Cursor
from store.letters import Letter
from store.replays import Bulk, Member

MAX_LETTERS = 10_000
POLL_SECONDS = 0.2
SILENT_SECONDS = 15.0
"""A runner that has said nothing for so long is gone: many rounds of a slow database, few moments of a person."""


@dataclass(frozen=True)
class Progress:
    """Where a bulk stands: letters by state, and why it stopped or what it waits for."""

    bulk_id: UUID
    state: str
    frozen: int
    sent: int
    done: int
    failed: int
    skipped: int
    reason: str | None


def prepare(desk: Desk, bulk_id: UUID, fingerprint: str, actor: Actor, patch_text: str | None = None, limit: int = MAX_LETTERS) -> Progress:
    """Freeze the unresolved letters of a cause; nothing is sent. The same id again answers with the bulk as it stands."""
    desk.permit(actor, NEEDS_EDITED if patch_text else NEEDS, "bulk_replay", bulk_id)
    if patch_text is not None:
        patch.read_patch(patch_text)
    with desk.connection.transaction(), desk.connection.cursor() as cursor:
        made = Bulk(bulk_id, actor.user_id, fingerprint, patch_text, "running", None, None)
        count, highest = replays.create(cursor, made, min(limit, MAX_LETTERS))
        if not count:
            raise DeskRefused(f"no unresolved letter has the fingerprint {fingerprint[:40]!r}; see `ordermend letters groups`")
        needed = bulk_four_eyes(count, highest, edited=patch_text is not None, rules=desk.rules)
        standing = replays.find(cursor, bulk_id)
        assert standing is not None
        if needed and standing.state == "running" and standing.approved_by is None:
            replays.set_state(cursor, bulk_id, "awaiting_approval", reason=f"a second person has to approve it: {', '.join(needed)}")
        desk.note(cursor, bulk_id, actor, "bulk_replay_prepared", f"{count} letters of {fingerprint}")
    return progress(desk, bulk_id)


def approve(desk: Desk, bulk_id: UUID, actor: Actor) -> Progress:
    """Approve a bulk that somebody else has prepared."""
    desk.permit(actor, APPROVER, "bulk_approve", bulk_id)
    with desk.connection.transaction(), desk.connection.cursor() as cursor:
        standing = _found(replays.find(cursor, bulk_id), bulk_id)
        if actor.user_id == standing.actor:
            raise DeskRefused("nobody approves an act of their own")
        if standing.state == "awaiting_approval":
            replays.set_state(cursor, bulk_id, "running", approved_by=actor.user_id)
            desk.note(cursor, bulk_id, actor, "bulk_replay_approved", "")
    return progress(desk, bulk_id)


def run(desk: Desk, bulk_id: UUID, actor: Actor, stop: Event, tell: Callable[[Progress], None] = lambda _: None) -> Progress:
    """Go on with a bulk until it is done or stopped, or `stop` is set; return where it stands then.

    Whoever runs it needs the roles that its letters need, now; they are sent back in the runner's name.
    """
    desk.permit(actor, NEEDS, "bulk_run", bulk_id)
    with desk.connection.transaction(), desk.connection.cursor() as cursor:
        standing = _found(replays.find(cursor, bulk_id), bulk_id)
        if not replays.lead(cursor, bulk_id):
            raise DeskRefused(f"bulk {bulk_id} is being run already")
        if standing.state == "paused":
            replays.set_state(cursor, bulk_id, "running")
            desk.note(cursor, bulk_id, actor, "bulk_replay_resumed", "")
        if standing.state in ("running", "paused"):
            replays.beat(cursor, bulk_id)
    if standing.patch is not None:
        desk.permit(actor, NEEDS_EDITED, "bulk_run", bulk_id)
    if standing.state == "awaiting_approval":
        raise DeskRefused(f"bulk {bulk_id} awaits approval: {standing.reason}")
    while not stop.is_set():
        found = advance(desk, bulk_id, actor)
        tell(found)
        if found.state != "running" and not found.sent:
            return found
        if found.sent:
            stop.wait(POLL_SECONDS)
    return progress(desk, bulk_id)


def advance(desk: Desk, bulk_id: UUID, actor: Actor) -> Progress:
    """Take over outcomes; once all of a step are there, stop or send the next step back."""
    with desk.connection.transaction(), desk.connection.cursor() as cursor:
        replays.beat(cursor, bulk_id)
        replays.settle(cursor, bulk_id)
        standing, counts = _found(replays.find(cursor, bulk_id), bulk_id), replays.counts(cursor, bulk_id)
        done, failed = counts.get("done", 0), counts.get("failed", 0)
        if standing.state != "running" or counts.get("sent", 0):
            members: list[Member] = []
        elif must_stop(done + failed, failed, desk.rules):
            reason = f"{failed} of {done + failed} failed, more than {desk.rules.stop_above_percent} %"
            replays.set_state(cursor, bulk_id, "stopped", reason=reason)
            members = []
        else:
            members = replays.upcoming(cursor, bulk_id, next_step(done + failed, desk.rules))
            if not members:
                replays.set_state(cursor, bulk_id, "done")
    for member in members:
        if _beaten(desk, bulk_id).state != "running":
            break  # paused meanwhile: what was not sent stays as it was frozen
        _send(desk, standing, member, actor)
    return progress(desk, bulk_id)


def _beaten(desk: Desk, bulk_id: UUID) -> Progress:
    """Say that it is being run, and return where it stands: a step of many letters is longer than a silence may be."""
    with desk.connection.transaction(), desk.connection.cursor() as cursor:
        replays.beat(cursor, bulk_id)
    return progress(desk, bulk_id)


def pause_abandoned(connection: Connection) -> int:
    """Pause bulks whose runner is gone; return how many."""
    with connection.transaction(), connection.cursor() as cursor:
        return len(replays.pause_abandoned(cursor, SILENT_SECONDS))


def pause(desk: Desk, bulk_id: UUID, actor: Actor) -> Progress:
    """Send no more letters of a bulk until somebody runs it again; what was sent goes on and its outcome is taken over."""
    desk.permit(actor, NEEDS, "bulk_pause", bulk_id)
    with desk.connection.transaction(), desk.connection.cursor() as cursor:
        standing = _found(replays.find(cursor, bulk_id), bulk_id)
        if standing.state not in ("running", "paused"):
            raise DeskRefused(f"bulk {bulk_id} is {standing.state}: there is nothing to pause")
        if standing.state == "running":
            replays.set_state(cursor, bulk_id, "paused", reason=f"paused by {actor.user_id}")
            desk.note(cursor, bulk_id, actor, "bulk_replay_paused", "")
    return progress(desk, bulk_id)


def progress(desk: Desk, bulk_id: UUID) -> Progress:
    """Return where a bulk stands."""
    with desk.connection.transaction(), desk.connection.cursor() as cursor:
        standing, counts = _found(replays.find(cursor, bulk_id), bulk_id), replays.counts(cursor, bulk_id)
    frozen, sent, done, failed, skipped = (counts.get(state, 0) for state in ("frozen", "sent", "done", "failed", "skipped"))
    return Progress(bulk_id, standing.state, frozen, sent, done, failed, skipped, standing.reason)


def _send(desk: Desk, standing: Bulk, member: Member, actor: Actor) -> None:
    """Send one letter back, and say so in the same transaction; what cannot be sent is skipped, and says why."""

    def mark(cursor: Cursor, letter: Letter, sent: SentBack) -> None:
        if letter.attempts != member.attempts:
            raise DeskRefused("it has failed anew since the bulk was made")
        replays.mark(cursor, standing.bulk_id, member, "sent", sent.text, (sent.target_order_id, sent.target_message_id))

    try:
        if desk.replay_of_bulk(member.letter_id, actor, standing.patch, mark):
            return
        state, detail = "skipped", "it was sent back before"
    except OrdermendError as refusal:
        # What the patch itself cannot do to a letter is a failure of the fix; what others do with the letter is not.
        state, detail = ("failed" if isinstance(refusal, patch.PatchRefused) else "skipped"), refusal.message[:300]
    with desk.connection.transaction(), desk.connection.cursor() as cursor:
        replays.mark(cursor, standing.bulk_id, member, state, detail)


def _found(standing: Bulk | None, bulk_id: UUID) -> Bulk:
    if standing is None:
        raise DeskRefused(f"there is no bulk replay {bulk_id}")
    return standing
