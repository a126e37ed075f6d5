"""THE FLOW of a dead letter as work: claim, edit, dry run, approve, replay or discard. Console and command line call this.

Every act is checked against the roles of whoever acts, done in one transaction under the order's lock, idempotent (the
same act by the same person on the same failure answers the same and does nothing more), and written to the audit log;
so is every refusal for a missing role. The processing itself belongs to the writer of orders and is handed over.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Protocol
from uuid import UUID, uuid4

from dlq_handler import impact, patch, repair
from dlq_handler.repair import NEEDS, NEEDS_EDITED, NEEDS_PAYLOAD, Normalise, View
from dlq_handler.rules import Rules, default_rules, four_eyes
from dlq_handler.triage import impact_of
from schemas.assertion import Actor
from schemas.codec import decode
from schemas.failures import OrdermendError
from schemas.order import id_of
from schemas.repair import DOCUMENTS, DOOR, Rehearsed, Repaired, SentBack, Step
from schemas.statement import IntakeFailed, Statement
from store import claims, heads, letters, orders
from store.claims import Claim, Repair
from store.database import Connection, Cursor, now
from store.letters import Audit, Letter
from store.sealing import KeyVault, OrderKey, Unsealable
from telemetry import failpoints

_ERASED = "letter {} was erased with its order's key: it can only be discarded"
MAX_NAME = 200
MAX_NOTE = 500
APPROVER = frozenset({"DLQ_Operate", "Order_Approve"})


class DeskRefused(OrdermendError):
    """The act is not possible now."""

    code = "letter_act_refused"
    error_class = "BUSINESS_REJECT"


class NotPermitted(OrdermendError):
    """Whoever acts does not hold the role."""

    code = "letter_role_missing"
    error_class = "AUTHZ"


class LetterTaken(OrdermendError):
    """Somebody else works on the letter, or has sent it back."""

    code = "letter_taken"
    error_class = "BUSINESS_REJECT"


class ApprovalNeeded(OrdermendError):
    """A second person has to approve exactly this act."""

    code = "letter_approval_needed"
    error_class = "BUSINESS_REJECT"


class Rehearse(Protocol):
    """Handles a letter, and its followers where that is wanted, without writing anything."""

    def __call__(
        self, letter: Letter, repaired: Repaired | None, statements: Sequence[tuple[str, Statement]], *, followers: bool = True
    ) -> Rehearsed:
        """Return what was done, step by step."""
        ...


@dataclass(frozen=True)
class Handler:
    """The processing, which belongs to the writer of orders and to intake: handed over by the composition root."""

    send_back: Callable[[Cursor, Letter, Repaired | None], SentBack]
    rehearse: Rehearse
    discard: Callable[[Cursor, Letter, Actor], None]
    normalise: Normalise
    close: Callable[[], None]


@dataclass(frozen=True)
class Work:
    """A letter under its order's lock, in the transaction of one act."""

    cursor: Cursor
    letter: Letter
    key: OrderKey | None
    claim: Claim | None
    at: datetime


@dataclass(frozen=True)
class Effects:
    """What a repair does: about how many EUR it moves, and a hash of all it changes."""

    moved_eur: Decimal
    digest: str


NO_EFFECTS = Effects(Decimal(0), "")


class Desk:
    """The desk of the operators. One instance, one thread."""

    def __init__(self, connect: Callable[[], Connection], vault: KeyVault, handler: Handler, rules: Rules | None = None) -> None:
        self._connect = connect
        self._connection: Connection | None = None
        self._vault = vault
        self._handler = handler
        self.rules = rules or default_rules()

    @property
    def connection(self) -> Connection:
        """The open connection; opened again after a fault."""
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return self._connection

    def close(self) -> None:
        """Give the connections back."""
        self._handler.close()
        if self._connection is not None:
            self._connection.close()

    def claim(self, letter_id: UUID, actor: Actor) -> Claim:
        """Take or renew the claim on an unresolved letter; `LetterTaken` names who has it."""
        self.permit(actor, NEEDS, "claim", letter_id)
        with self._at(letter_id) as work:
            return self._claimed(work, actor)

    def release(self, letter_id: UUID, actor: Actor) -> str:
        """Give an own claim back; its patch is dropped."""
        self.permit(actor, NEEDS, "release", letter_id)
        with self._at(letter_id) as work:
            if work.claim is None:
                return "nobody had claimed it"
            self._mine(work, actor)
            claims.drop(work.cursor, work.letter.order_id, letter_id)
            _audit(work, actor, "letter_released", "", f"release:{work.claim.claimed_at}")
            return "released"

    def assign(self, letter_id: UUID, actor: Actor, to: str) -> Claim:
        """Give a letter that nobody has, or an own one, to somebody else; a patch of one's own is dropped, for nobody proposes in another's name."""
        self.permit(actor, NEEDS, "assign", letter_id)
        if not to.strip() or len(to) > MAX_NAME:
            raise DeskRefused(
                f"a letter is assigned to somebody, by a name of 1 to {MAX_NAME} characters", field="to", rule="assignee_given"
            )
        with self._at(letter_id) as work:
            _unresolved(work.letter, self._last_act(work))
            self._mine(work, actor)
            letter, name = work.letter, to.strip()
            if work.claim is not None and work.claim.actor != name:
                claims.drop(work.cursor, letter.order_id, letter_id)
            claim = claims.take(work.cursor, letter.order_id, letter_id, name, letter.attempts, self.rules.claim_minutes)
            _audit(work, actor, "letter_assigned", name, f"assign:{name}:{claim.claimed_at}")
            return claim

    def remark(self, letter_id: UUID, actor: Actor, text: str, once: str | None = None) -> str:
        """Write a note to the letter's log, whatever its state; nobody changes it later. The same `once` again writes nothing more."""
        self.permit(actor, NEEDS, "remark", letter_id)
        if not text.strip() or len(text) > MAX_NOTE:
            raise DeskRefused(f"a note has 1 to {MAX_NOTE} characters", field="note", rule="note_given")
        with self._at(letter_id) as work:
            _audit(work, actor, "letter_noted", text.strip(), f"note:{once or uuid4()}")
        return "noted"

    def view(self, letter_id: UUID, actor: Actor) -> View:
        """Return the message as it may be edited, and the patch proposed for it; the look is audited, for it may be personal."""
        self.permit(actor, NEEDS_PAYLOAD, "view", letter_id)
        with self._at(letter_id) as work:
            _audit(work, actor, "letter_payload_viewed", "", str(uuid4()))
            found = repair.view(work.letter.message, self._value(work)[0])
            return found._replace(patch=self._patch_text(work), text=repair.text_of(work.letter.message, found.document))

    def outline(self, letter_id: UUID, actor: Actor) -> str:
        """Return the shape of the message with every value hidden: what is seen of a payload that nobody asked to see."""
        self.permit(actor, NEEDS, "outline", letter_id)
        with self._at(letter_id) as work:
            return repair.outline(work.letter.message, self._value(work)[0])

    def edit(self, letter_id: UUID, actor: Actor, patch_text: str) -> Claim:
        """Keep a JSON Patch on an own claim (which it takes or renews), checked against the message; nothing is sent."""
        return self._edit(letter_id, actor, lambda _: patch_text)

    def edit_text(self, letter_id: UUID, actor: Actor, text: str) -> Claim:
        """Keep what was typed over the text of `view`, as the JSON Patch that it comes to."""
        return self._edit(letter_id, actor, lambda work: repair.patch_of(work.letter.message, self._value(work)[0], text))

    def _edit(self, letter_id: UUID, actor: Actor, proposed: Callable[[Work], str]) -> Claim:
        self.permit(actor, NEEDS_EDITED, "edit", letter_id)
        with self._at(letter_id) as work:
            claim = self._claimed(work, actor)
            patch_text = proposed(work)
            self._repaired(work, patch.read_patch(patch_text), actor)
            digest = sha256(patch_text.encode()).hexdigest()
            if claim.patch_sha256 != digest:
                assert work.key is not None
                claims.set_patch(work.cursor, claim, work.key.seal(patch_text.encode(), f"patch:{letter_id}"), digest)
                _audit(work, actor, "letter_edited", digest, f"edit:{work.letter.attempts}:{digest}:{claim.claimed_at}")
            return claims.find(work.cursor, work.letter.order_id, letter_id) or claim

    def dry_run(self, letter_id: UUID, actor: Actor) -> Rehearsed:
        """Return what a replay would do now, with every follower; nothing is written.

        By whoever has claimed the letter, with their patch: so a second person sees what they are asked to approve.
        """
        self.permit(actor, NEEDS, "dry_run", letter_id)
        with self._at(letter_id) as work:
            letter, repaired, statements = self._prepared(work, actor)
        return self._handler.rehearse(letter, repaired, statements)

    def approve(self, letter_id: UUID, actor: Actor, act: str = "replay") -> str:
        """Approve the replay (or the discard) that somebody else has claimed the letter for, with its patch and its effects."""
        self.permit(actor, APPROVER, "approve", letter_id)
        if act not in ("replay", "discard"):
            raise DeskRefused(f"{act[:40]} is nothing to approve: replay or discard")
        effects = self._effects(letter_id)
        with self._at(letter_id) as work:
            _unresolved(work.letter)
            if work.claim is None:
                raise DeskRefused(f"nobody has claimed letter {letter_id}: there is nothing to approve")
            first = _first_author(work)
            if actor.user_id in (work.claim.actor, first.user_id if first else None):
                raise DeskRefused("nobody approves an act of their own, nor one for a message of their own")
            what = _act(act, work.letter, work.claim, effects)
            claims.approve(work.cursor, work.claim, actor.user_id, what)
            _audit(work, actor, "letter_approved", act, f"approve:{what}")
            return f"{act} by {work.claim.actor} approved"

    def replay(self, letter_id: UUID, actor: Actor) -> str:
        """Send the letter back once, with the patch of the own claim if there is one; return what was done."""
        self.permit(actor, NEEDS, "replay", letter_id)
        effects = self._effects(letter_id)
        with self._at(letter_id) as work:
            done = _done_before(work, actor, "letter_replayed", "replay")
            if done is not None:
                return done
            _unresolved(work.letter, self._last_act(work))
            self._mine(work, actor)
            self._second_person(work, "replay", four_eyes("replay", _score(work), self.rules, moved_eur=effects.moved_eur), effects)
            said = self._send_back(work, actor, self._patch_text(work)).text
        failpoints.hit("replay.committed")
        return said

    def replay_of_bulk(
        self, letter_id: UUID, actor: Actor, patch_text: str | None, also: Callable[[Cursor, Letter, SentBack], None]
    ) -> bool:
        """Send a letter back as part of a bulk that was approved as a whole; False where this very act was done before.

        `also` joins the transaction.
        """
        self.permit(actor, NEEDS, "replay", letter_id)
        with self._at(letter_id) as work:
            if _done_before(work, actor, "letter_replayed", "replay") is not None:
                return False
            _unresolved(work.letter, self._last_act(work))
            self._mine(work, actor)
            also(work.cursor, work.letter, self._send_back(work, actor, patch_text))
        return True

    def _send_back(self, work: Work, actor: Actor, patch_text: str | None) -> SentBack:
        """Send back, keep the repair, end the claim, and say who did it."""
        letter, repaired, before = work.letter, None, b""
        if work.key is None:
            raise DeskRefused(_ERASED.format(letter.letter_id))
        if patch_text is not None:
            self._allow(actor, NEEDS_EDITED)
            repaired, before = self._repaired(work, patch.read_patch(patch_text), actor), self._value(work)[0]
        sent = self._handler.send_back(work.cursor, letter, repaired)
        if patch_text is not None:
            self._keep(work, actor, before, patch_text, sent)
        claims.drop(work.cursor, letter.order_id, letter.letter_id)
        _audit(work, actor, "letter_replayed", sent.text, f"replay:{letter.attempts}")
        failpoints.hit("replay.written")
        return sent

    def discard(self, letter_id: UUID, actor: Actor, reason: str) -> str:
        """End the letter without effect, for a reason; its followers go on."""
        self.permit(actor, NEEDS, "discard", letter_id)
        if not reason.strip():
            raise DeskRefused("a discard has a reason", field="reason", rule="reason_given")
        effects = self._effects(letter_id)
        with self._at(letter_id) as work:
            done = _done_before(work, actor, "letter_discarded", "discard")
            if done is not None:
                return f"discarded: {done}"
            _unresolved(work.letter, self._last_act(work))
            self._mine(work, actor)
            self._second_person(work, "discard", four_eyes("discard", _score(work), self.rules, paid=_is_paid(work)), effects)
            self._handler.discard(work.cursor, work.letter, actor)
            claims.drop(work.cursor, work.letter.order_id, letter_id)
            _audit(work, actor, "letter_discarded", reason.strip()[:500], f"discard:{work.letter.attempts}")
            return f"discarded: {reason.strip()[:500]}"

    def permit(self, actor: Actor, roles: frozenset[str], act: str, letter_id: UUID) -> None:
        """Raise `NotPermitted` where a role is missing, after writing so to the audit log."""
        try:
            self._allow(actor, roles)
        except NotPermitted as refusal:
            with self.connection.transaction(), self.connection.cursor() as cursor:
                letter = letters.find(cursor, letter_id)
                row = Audit(
                    letter.order_id if letter else letter_id, uuid4(), now(cursor), actor.user_id, "letter_act_refused",
                    str(letter_id), f"{act}: {refusal.message}",
                )  # fmt: skip
                letters.record(cursor, [row])
            raise

    @staticmethod
    def note(cursor: Cursor, subject: UUID, actor: Actor, action: str, detail: str) -> None:
        """Append to the audit log an act on what is no single letter."""
        letters.record(cursor, [Audit(subject, uuid4(), now(cursor), actor.user_id, action, str(subject), detail[:500])])

    @staticmethod
    def _allow(actor: Actor, roles: frozenset[str]) -> None:
        missing = sorted(roles - actor.roles)
        if missing:
            raise NotPermitted(f"{actor.user_id} lacks the role {', '.join(missing)}", rule="letters.role")

    @contextmanager
    def _at(self, letter_id: UUID) -> Iterator[Work]:
        """Open a transaction with the letter's order locked; commit at the end, roll back on any error."""
        with self.connection.transaction(), self.connection.cursor() as cursor:
            found = letters.find(cursor, letter_id)
            if found is None:
                raise DeskRefused(f"there is no letter {letter_id}; see `ordermend letters list --status all`")
            head = heads.lock(cursor, [found.order_id])[found.order_id]
            letter = letters.find(cursor, letter_id)
            assert letter is not None
            try:
                key = self._vault.unwrap(letter.order_id, bytes(head.wrapped_key or b""))
            except Unsealable:
                key = None
            yield Work(cursor, letter, key, claims.find(cursor, letter.order_id, letter_id), now(cursor))

    def _claimed(self, work: Work, actor: Actor) -> Claim:
        _unresolved(work.letter, self._last_act(work))
        letter = work.letter
        claim = claims.take(work.cursor, letter.order_id, letter.letter_id, actor.user_id, letter.attempts, self.rules.claim_minutes)
        if claim.actor != actor.user_id:
            raise LetterTaken(_taken(claim))
        _audit(work, actor, "letter_claimed", f"until {claim.expires_at:%Y-%m-%d %H:%M:%S} UTC", f"claim:{claim.claimed_at}")
        return claim

    @staticmethod
    def _mine(work: Work, actor: Actor) -> None:
        if work.claim is not None and work.claim.actor != actor.user_id:
            raise LetterTaken(_taken(work.claim))

    @staticmethod
    def _second_person(work: Work, act: str, needed: tuple[str, ...], effects: Effects) -> None:
        claim = work.claim
        if needed and (claim is None or claim.approved_act != _act(act, work.letter, claim, effects)):
            raise ApprovalNeeded(
                f"a second person has to approve this {act} ({', '.join(needed)}): claim it, then they approve it in the console or by"
                f" `ordermend letters approve {work.letter.letter_id}{' --act discard' if act == 'discard' else ''}`",
                rule=needed[0],
            )

    def _effects(self, letter_id: UUID) -> Effects:
        """Return what the claimed repair would do to the order now; nothing without a patch."""
        with self._at(letter_id) as work:
            if work.letter.status != "unresolved" or work.claim is None or self._patch_text(work) is None:
                return NO_EFFECTS
            letter, repaired, statements = self._prepared(work, Actor(work.claim.actor, NEEDS_EDITED, DOOR))
        rehearsed = self._handler.rehearse(letter, repaired, statements, followers=False)
        return effects_of(rehearsed.steps[: max(1, len(statements))])

    def _prepared(self, work: Work, actor: Actor) -> tuple[Letter, Repaired | None, Sequence[tuple[str, Statement]]]:
        """Return the letter, the repair proposed for it, and what its document becomes."""
        letter, text = work.letter, self._patch_text(work)
        if work.claim is not None and work.claim.actor != actor.user_id:
            actor = Actor(work.claim.actor, NEEDS_EDITED, DOOR)
        _unresolved(letter, self._last_act(work))
        _answerable(letter)
        if text is not None:
            repaired = self._repaired(work, patch.read_patch(text), actor)
            return letter, repaired, repaired.statements
        if letter.message == "IntakeFailed":
            body = decode(self._value(work)[0])
            assert isinstance(body, IntakeFailed)
            return letter, None, self._handler.normalise(letter.channel or body.channel, body.raw)
        return letter, None, ()

    def _repaired(self, work: Work, operations: Sequence[patch.Json], actor: Actor) -> Repaired:
        letter = work.letter
        _answerable(letter)
        value, first = self._value(work)
        return repair.repaired(letter.message, letter.channel, value, first, operations, actor, self._handler.normalise)

    def _value(self, work: Work) -> tuple[bytes, Actor | None]:
        """Return the message as it waits now (repaired before, perhaps), and who sent it."""
        letter = work.letter
        if work.key is None:
            raise DeskRefused(_ERASED.format(letter.letter_id))
        if letter.seq is not None and letter.message not in DOCUMENTS:
            parked = letters.parked_at(work.cursor, letter.order_id, letter.topic, letter.seq)
            if parked is not None:
                return work.key.open(bytes(parked.value_sealed), f"parked:{letter.topic}:{letter.seq}"), _first_author(work)
        return work.key.open(bytes(letter.value_sealed), f"letter:{letter.letter_id}"), None

    def _patch_text(self, work: Work) -> str | None:
        claim = work.claim
        if claim is None or claim.patch_sealed is None or claim.attempts != work.letter.attempts:
            return None
        assert work.key is not None
        return work.key.open(bytes(claim.patch_sealed), f"patch:{work.letter.letter_id}").decode()

    @staticmethod
    def _keep(work: Work, actor: Actor, before: bytes, text: str, sent: SentBack) -> None:
        """Keep the repair: what failed, what a person changed, and where its outcome will be."""
        letter = work.letter
        assert work.key is not None
        repair_id = id_of(f"repair:{letter.letter_id}:{letter.attempts}")
        row = Repair(
            letter.order_id, repair_id, letter.letter_id, letter.attempts, letter.fingerprint, letter.message, letter.channel,
            letter.error_class, letter.code, letter.field, work.key.seal(before, f"repair:{repair_id}:input"),
            work.key.seal(text.encode(), f"repair:{repair_id}:patch"), actor.user_id, work.claim.approved_by if work.claim else None,
            work.at, sent.target_order_id, sent.target_message_id,
        )  # fmt: skip
        claims.keep(work.cursor, [row])

    @staticmethod
    def _last_act(work: Work) -> str:
        """Return who ended the letter, for those who come too late."""
        done = letters.last_recorded(work.cursor, work.letter.order_id, str(work.letter.letter_id), ("letter_replayed", "letter_discarded"))
        return f": {done.action.removeprefix('letter_')} by {done.actor} at {done.at:%Y-%m-%d %H:%M:%S} UTC" if done else ""


def effects_of(steps: Sequence[Step]) -> Effects:
    """Return the effects of a rehearsal's own messages. The moment of a change is no effect: no two rehearsals agree on it."""
    rates = impact.default_rules()
    moved = sum((impact.eur(abs(step.money_delta_minor), step.currency or "EUR", rates) for step in steps), Decimal(0))
    did = [
        (step.outcome, step.code, step.money_delta_minor, [(c.path, c.old, c.new) for c in step.changes if not c.path.endswith("_at")])
        for step in steps
    ]
    return Effects(moved, sha256(repr(did).encode()).hexdigest())


def _act(act: str, letter: Letter, claim: Claim, effects: Effects) -> str:
    """Name exactly what is approved: the act, the failure, the patch, whose it is, and what it would do."""
    return f"{act}:{letter.attempts}:{claim.patch_sha256 or ''}:{claim.actor}:{effects.digest}"


def _unresolved(letter: Letter, by: str = "") -> None:
    if letter.status != "unresolved":
        raise LetterTaken(f"letter {letter.letter_id} is {letter.status}{by}")


def _answerable(letter: Letter) -> None:
    if letter.error_class == "AUTHZ" or (letter.seq is None and letter.message not in DOCUMENTS):
        raise DeskRefused("nobody answers for it, or its id belongs to other content: its sender has to send it again, or discard it")


def _score(work: Work) -> int:
    """Return the impact as it is now: the stored one may be a first estimate, and must not let anything through."""
    now = impact_of(work.cursor, work.letter.letter_id)
    return max(work.letter.score, now.score if now else 0)


def _taken(claim: Claim) -> str:
    return f"letter {claim.letter_id} is claimed by {claim.actor} until {claim.expires_at:%Y-%m-%d %H:%M:%S} UTC"


def _first_author(work: Work) -> Actor | None:
    letter = work.letter
    parked = letters.parked_at(work.cursor, letter.order_id, letter.topic, letter.seq) if letter.seq is not None else None
    if parked is None or parked.actor is None:
        return None
    one = parked.actor
    return Actor(one["user_id"], frozenset(one["roles"]), one["door"], one.get("on_behalf_of"))


def _is_paid(work: Work) -> bool:
    return any(kind in ("authorization", "capture") for kind in orders.payment_kinds(work.cursor, work.letter.order_id))


def _audit(work: Work, actor: Actor, action: str, detail: str, once: str) -> None:
    """Append to the audit log; the same act by the same person is one row."""
    audit_id, letter = _audit_id(work, actor, once), work.letter
    letters.record_once(work.cursor, Audit(letter.order_id, audit_id, work.at, actor.user_id, action, str(letter.letter_id), detail[:500]))


def _audit_id(work: Work, actor: Actor, once: str) -> UUID:
    return id_of(f"desk:{work.letter.letter_id}:{actor.user_id}:{once}")


def _done_before(work: Work, actor: Actor, action: str, act: str) -> str | None:
    return letters.recorded(work.cursor, work.letter.order_id, _audit_id(work, actor, f"{act}:{work.letter.attempts}"), action)
