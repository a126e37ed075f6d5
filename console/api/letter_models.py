"""What the API takes and gives of work on dead letters. Times are UTC; payloads are in `PayloadView` alone."""

from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from console.api.models import Amount, Body, LetterView, View
from schemas.model import Instant

ReplayState = Literal["awaiting_approval", "running", "paused", "done", "stopped"]
REPLAY_STATES: tuple[ReplayState, ...] = get_args(ReplayState)
MAX_PATCH: int = 200_000
Line = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f]*$")]
PatchText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_PATCH, pattern=r"^[^\x00]*$")]


class CauseView(View):
    """Unresolved letters of one cause, and what is known of it."""

    fingerprint: str
    letters: int
    last_hour: int
    score: int
    error_class: str
    code: str
    stage: str
    field: str | None
    channels: list[str]
    first_failed_at: Instant
    last_failed_at: Instant
    repairs: int = Field(description="Letters of this cause that people have repaired so that they were applied.")


class CausesView(View):
    """Causes, the one with the worst letter first, at most a hundred."""

    items: list[CauseView]


class PartView(View):
    """A part of an impact score: its points, of at most so many."""

    name: str
    points: str
    most: str


class ClaimView(View):
    """Who works on a letter."""

    actor: str
    expires_at: Instant
    repair_kept: bool
    approved_by: str | None


class AttemptView(View):
    """One failed attempt."""

    n: int
    at: Instant
    error_class: str
    code: str
    detail: str


class ActView(View):
    """What somebody did with a letter."""

    at: Instant
    actor: str
    action: str
    detail: str


class RepairView(View):
    """A repair that was sent, and what became of it."""

    at: Instant
    actor: str
    approved_by: str | None
    outcome: str


class WorkView(View):
    """A letter as work: its impact as it is now, who has it, and everything that happened to it."""

    letter: LetterView
    order_number: str | None = Field(description="Null: the order is not in the book.")
    score: int
    priority: str
    parts: list[PartView]
    waiting: int = Field(description="Messages that wait behind it.")
    claim: ClaimView | None
    attempts: list[AttemptView]
    acts: list[ActView]
    repairs: list[RepairView]


class OutlineView(View):
    """The shape of a message: values hidden, and keys that may be values."""

    outline: str


class PayloadView(View):
    """The message itself, and the patch that whoever has claimed it proposes. That somebody looked is in the audit log."""

    text: str
    locked: list[str] = Field(description="Fields that no repair changes, as JSON pointers.")
    patch: str | None


class PatchOperation(Body):
    """One operation of a JSON Patch (RFC 6902)."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    op: Literal["add", "remove", "replace", "move", "copy", "test"]
    path: Annotated[str, StringConstraints(max_length=1000)]
    value: Any = None
    from_: Annotated[str, StringConstraints(max_length=1000)] | None = Field(None, alias="from")


class AssignBody(Body):
    """Gives a letter to somebody."""

    to: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")]


class NoteBody(Body):
    """A note for the letter's log, without personal data."""

    text: Line


class ApproveBody(Body):
    """Approves what somebody else has claimed a letter for."""

    act: Literal["replay", "discard"] = "replay"


class DiscardBody(Body):
    """Ends a letter without effect."""

    reason: Line


class DoneView(View):
    """What an act answered, in words, and the letter as it is then."""

    said: str
    letter: LetterView


class LeafView(View):
    """A leaf that would change; both null where it is personal."""

    path: str
    old: str | None
    new: str | None
    personal: bool


class StepView(View):
    """What would become of one message of the lane."""

    message: str
    message_id: str
    order_id: UUID
    outcome: str
    code: str | None
    detail: str | None
    version: int
    money_moves: Amount | None
    changes: list[LeafView]


class RehearsedView(View):
    """A dry run: the letter's own message first, then every follower it lets go on. Nothing was changed."""

    steps: list[StepView]
    waiting: int = Field(description="Followers that would go on waiting.")


class ReplayBody(Body):
    """Freezes the unresolved letters of one cause for a bulk replay."""

    fingerprint: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[!-~]+$")]
    patch: PatchText | None = Field(None, description="A JSON Patch for every letter, as text: its numbers keep their digits.")


class ReplayView(View):
    """A bulk replay: where it stands, whose it is."""

    replay_id: UUID
    state: ReplayState
    reason: str | None
    fingerprint: str
    actor: str
    approved_by: str | None
    edited: bool
    letters: dict[str, int] = Field(description="Letters by state: frozen, sent, done, failed, skipped.")


class MemberView(View):
    """A letter of a bulk replay."""

    letter_id: UUID
    state: str
    detail: str | None


class ReplayDetails(ReplayView):
    """A bulk replay with its letters, troubles first, at most two hundred."""

    members: list[MemberView]


class ReplayRow(View):
    """A bulk replay in a list."""

    replay_id: UUID
    state: str
    reason: str | None
    fingerprint: str
    actor: str
    approved_by: str | None
    edited: bool
    created_at: Instant


class ReplayPage(View):
    """Bulk replays, newest first."""

    items: list[ReplayRow]
    next: str | None
