"""What a person does with dead letters, at the pages and by the API: found by cause and impact, looked at, worked on.

Every act is the desk's own, with the desk's own checks and words; the door asks beforehand whether the person may come in at all.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, TypeVar
from uuid import UUID

from console import submitting
from console.access import Action, User
from console.api import letter_models as lm
from console.api import models as m
from console.api.problems import Problem
from console.asked import now
from console.desks import Desks
from console.queries import letters
from console.queries.letters import Around, BulkMember
from console.services import NO_ORDER, Services
from dlq_handler import (
    Desk,
    Progress,
    View,
    approve_bulk,
    bulk_progress,
    impact_of,
    impact_rules,
    pause_bulk,
    prepare_bulk,
    priority,
    run_bulk,
)
from schemas.assertion import Actor
from schemas.failures import OrdermendError
from schemas.repair import Rehearsed
from store import triage
from store.claims import Claim
from store.triage import Filter, Group, Listed
from telemetry.logs import logger

T = TypeVar("T")
DOOR = "console"
MOST = 100
MOST_RUNS = 4
"""Bulk replays that one process runs at a time."""
STARTABLE = frozenset({"running", "paused"})


class Part(NamedTuple):
    """A part of an impact score: its points, of at most so many."""

    name: str
    points: Decimal
    most: Decimal


class Shown(NamedTuple):
    """All that a letter's page shows without its payload. `score` is the impact as it is now."""

    letter: m.LetterView
    around: Around
    score: int
    priority: str
    parts: tuple[Part, ...]


class BulkShown(NamedTuple):
    """Where a bulk replay stands, whose it is, and its letters: what failed or was skipped first."""

    progress: Progress
    cause: str
    actor: str
    approved_by: str | None
    edited: bool
    members: tuple[BulkMember, ...]


@dataclass(frozen=True)
class LetterWork:
    """The letters' part of the services."""

    services: Services
    desks: Desks

    # --- reading -------------------------------------------------------------------------------------------------

    def groups(self) -> list[Group]:
        """Return the causes of unresolved letters, the one with the worst letter first."""
        with self.services.book.read() as cursor:
            return triage.groups(cursor, MOST)

    def listed(self, cause: str | None, after: UUID | None = None, limit: int = MOST) -> list[Listed]:
        """Return unresolved letters, of one cause where one is named; those that cost most first. `after`: the last of the page before."""
        with self.services.book.read() as cursor:
            return triage.page(cursor, Filter(fingerprint=cause), limit, after)

    def shown(self, letter_id: UUID) -> Shown:
        """Return a letter with its score as it is now, its attempts, its claim and its log."""
        with self.services.book.read() as cursor:
            row = letters.one(cursor, letter_id)
            now = impact_of(cursor, letter_id)
            if row is None or now is None:
                raise Problem("no_such_letter")
            around = letters.around(cursor, letter_id)
        most = impact_rules().points
        parts = tuple(Part(name, points, most[name]) for name, points in now.parts.items())
        return Shown(m.LetterView.model_validate(row), around, now.score, priority(now.score), parts)

    def outline(self, user: User, letter_id: UUID) -> str:
        """Return the message's shape, its values hidden."""
        return self._do(user, letter_id, "letters.work", lambda desk, actor: desk.outline(letter_id, actor))

    def payload(self, user: User, letter_id: UUID) -> View:
        """Return the message itself; that somebody looked is written down."""
        return self._do(user, letter_id, "letters.payload", lambda desk, actor: desk.view(letter_id, actor))

    def dry_run(self, user: User, letter_id: UUID) -> Rehearsed:
        """Return what a replay would do now."""
        return self._do(user, letter_id, "letters.work", lambda desk, actor: desk.dry_run(letter_id, actor))

    def must_know(self, letter_id: UUID) -> None:
        """Raise where there is no such letter."""
        self.services.letter(letter_id)

    # --- acting --------------------------------------------------------------------------------------------------

    def claim(self, user: User, letter_id: UUID) -> str:
        """Take or renew the claim."""
        return _until(self._do(user, letter_id, "letters.work", lambda desk, actor: desk.claim(letter_id, actor)))

    def assign(self, user: User, letter_id: UUID, to: str) -> str:
        """Give the letter to somebody."""
        return _until(self._do(user, letter_id, "letters.work", lambda desk, actor: desk.assign(letter_id, actor, to)))

    def release(self, user: User, letter_id: UUID) -> str:
        """Give the claim back."""
        return self._do(user, letter_id, "letters.work", lambda desk, actor: desk.release(letter_id, actor))

    def remark(self, user: User, letter_id: UUID, text: str, once: str | None = None) -> str:
        """Write a note; under the same `once` it is written once."""
        return self._do(user, letter_id, "letters.work", lambda desk, actor: desk.remark(letter_id, actor, text, once))

    def keep_patch(self, user: User, letter_id: UUID, patch: str) -> str:
        """Keep a JSON Patch for the replay."""
        return _until(self._do(user, letter_id, "letters.repair", lambda desk, actor: desk.edit(letter_id, actor, patch)))

    def keep_text(self, user: User, letter_id: UUID, text: str) -> str:
        """Keep what was typed over the payload for the replay; only who may see a payload edits it."""
        return _until(self._do(user, letter_id, "letters.payload", lambda desk, actor: desk.edit_text(letter_id, actor, text)))

    def approve(self, user: User, letter_id: UUID, act: str) -> str:
        """Approve what somebody else has claimed the letter for."""
        return self._do(user, letter_id, "letters.approve", lambda desk, actor: desk.approve(letter_id, actor, act))

    def replay(self, user: User, letter_id: UUID) -> str:
        """Send the letter back, once."""
        return self._do(user, letter_id, "letters.work", lambda desk, actor: desk.replay(letter_id, actor))

    def discard(self, user: User, letter_id: UUID, reason: str) -> str:
        """End the letter without effect."""
        return self._do(user, letter_id, "letters.work", lambda desk, actor: desk.discard(letter_id, actor, reason))

    def once(self, user: User, letter_id: UUID, asked: tuple[str, str, bytes], act: Callable[..., str], *values: object) -> lm.DoneView:
        """Do an act under an idempotency key: `asked` is its name, the key, and the request byte for byte.

        The desk does the same act of the same person on the same failure once, so a request that is sent again finishes what was begun.
        """
        name, key, request = asked
        self.must_know(letter_id)
        message = f"letter-{name}:{submitting.id_of(f'letter-{name}', letter_id, user, key)}"
        with self.services.book.write() as cursor:
            submitting.remember(cursor, user, letter_id, message, request, now(cursor))
        return self.done(letter_id, act(user, letter_id, *values))

    def done(self, letter_id: UUID, said: str) -> lm.DoneView:
        """Return what an act answered and the letter as it is then."""
        return lm.DoneView(said=said, letter=self.services.letter(letter_id))

    # --- many at once --------------------------------------------------------------------------------------------

    def prepare(self, user: User, bulk_id: UUID, cause: str, patch: str | None) -> Progress:
        """Freeze the letters of a cause for a bulk replay; nothing is sent."""
        right: Action = "letters.work" if patch is None else "letters.repair"
        return self._bulk(user, bulk_id, right, lambda desk, actor: prepare_bulk(desk, bulk_id, cause, actor, patch))

    def prepare_once(self, user: User, key: str, cause: str, patch: str | None, request: bytes) -> BulkShown:
        """Freeze the letters of a cause under an idempotency key, which is the bulk's id where it is a UUID."""
        bulk_id = submitting.id_of("bulk-replay", NO_ORDER, user, key)
        with self.services.book.write() as cursor:
            submitting.remember(cursor, user, NO_ORDER, f"bulk-replay:{bulk_id}", request, now(cursor))
        self.prepare(user, bulk_id, cause, patch)
        return self.progress(user, bulk_id)

    def then(self, act: Callable[[User, UUID], object], user: User, bulk_id: UUID) -> BulkShown:
        """Do an act on a bulk replay that is there, and return where it stands then."""
        self._must_have(bulk_id)
        act(user, bulk_id)
        return self.progress(user, bulk_id)

    def replays(self, after: str | None, limit: int) -> lm.ReplayPage:
        """Return bulk replays, newest first."""
        with self.services.book.read() as cursor:
            rows, more = letters.bulks(cursor, after, limit)
        return lm.ReplayPage(
            items=[
                lm.ReplayRow(
                    replay_id=row.bulk_id,
                    state=row.state,
                    reason=row.reason,
                    fingerprint=row.fingerprint,
                    actor=row.actor,
                    approved_by=row.approved_by,
                    edited=row.patch is not None,
                    created_at=at,
                )
                for row, at in rows
            ],
            next=more,
        )

    def progress(self, user: User, bulk_id: UUID) -> BulkShown:
        """Return where a bulk replay stands, letter by letter."""
        self.services.check(user, "letters.work", f"bulk {bulk_id}")
        self._must_have(bulk_id)
        found = self._bulk(user, bulk_id, "letters.work", lambda desk, _: bulk_progress(desk, bulk_id))
        with self.services.book.read() as cursor:
            return BulkShown(found, *letters.bulk(cursor, bulk_id))

    def approve_bulk(self, user: User, bulk_id: UUID) -> Progress:
        """Approve a bulk replay that somebody else has prepared."""
        return self._bulk(user, bulk_id, "letters.approve", lambda desk, actor: approve_bulk(desk, bulk_id, actor))

    def pause(self, user: User, bulk_id: UUID) -> Progress:
        """Send no more of a bulk replay until it is run again."""
        return self._bulk(user, bulk_id, "letters.work", lambda desk, actor: pause_bulk(desk, bulk_id, actor))

    def start(self, user: User, bulk_id: UUID) -> Progress:
        """Run a bulk replay in a thread of its own, from where it stands, and say where that is."""
        found = self._bulk(user, bulk_id, "letters.work", lambda desk, _: bulk_progress(desk, bulk_id))
        if found.state not in STARTABLE:
            raise Problem(
                "letter_act_refused", f"bulk {bulk_id} is {found.state.replace('_', ' ')}" + (f": {found.reason}" if found.reason else "")
            )
        if self.desks.busy >= MOST_RUNS:
            raise Problem("unavailable", f"this console runs {MOST_RUNS} bulk replays already")
        threading.Thread(target=self._carry_on, args=(user, bulk_id), name=f"bulk-{bulk_id}", daemon=True).start()
        return found

    def _carry_on(self, user: User, bulk_id: UUID) -> None:
        try:
            self.run(user, bulk_id)
        except (Problem, OrdermendError) as refusal:
            logger("console").warning("bulk_replay_not_run", bulk=str(bulk_id), code=refusal.code)

    def run(self, user: User, bulk_id: UUID) -> Progress:
        """Carry a bulk replay on until it is done, stopped, or this process ends; canaries go first."""
        self.services.check(user, "letters.work", f"bulk {bulk_id}")
        with self.desks.own() as (desk, stop):
            return run_bulk(desk, bulk_id, _actor(user), stop)

    def _must_have(self, bulk_id: UUID) -> None:
        with self.services.book.read() as cursor:
            if not letters.bulk_exists(cursor, bulk_id):
                raise Problem("no_such_bulk_replay", f"there is no bulk replay {bulk_id}")

    def _bulk(self, user: User, bulk_id: UUID, action: Action, act: Callable[[Desk, Actor], T]) -> T:
        self.services.check(user, action, f"bulk {bulk_id}")
        with self.desks.lent() as desk:
            return act(desk, _actor(user))

    def _do(self, user: User, letter_id: UUID, action: Action, act: Callable[[Desk, Actor], T]) -> T:
        self.services.check(user, action, f"letter {letter_id}")
        with self.desks.lent() as desk:
            return act(desk, _actor(user))


def _actor(user: User) -> Actor:
    return Actor(user.sub, user.roles, DOOR)


def _until(claim: Claim) -> str:
    return f"claimed by {claim.actor} until {claim.expires_at:%H:%M:%S} UTC"
