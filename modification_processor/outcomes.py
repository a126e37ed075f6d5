"""What may become of a message: a closed union, matched to `assert_never` where rows are written."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from modification_processor.recalls import OpenRecall, Recall
from schemas.events import Conflict
from schemas.failures import ErrorClass, OrdermendError
from schemas.fingerprint import fingerprint, frame_of
from schemas.order import Order

if TYPE_CHECKING:
    from modification_processor.followup import Followup
    from modification_processor.incoming import Read
    from modification_processor.payment_plan import Step
    from modification_processor.preview import Preview


@dataclass(frozen=True)
class WorkItem:
    """Something a person has to look at."""

    kind: str
    detail: str


@dataclass(frozen=True)
class EditWarning:
    """What the author of an edit should know and nothing forbids."""

    code: str
    message: str
    path: str


@dataclass(frozen=True)
class Stored:
    """A channel's order becomes version 1."""

    order: Order


@dataclass(frozen=True)
class Said:
    """What of a change is told as an edit: `read` is the ticket that is kept of it; the paths it says, and those that follow."""

    read: "Read"
    paths: tuple[str, ...]
    follows: tuple[str, ...]


@dataclass(frozen=True)
class Restated:
    """The channel's newer statement was merged; `order` is the same object where nothing changed."""

    order: Order
    work_items: tuple[WorkItem, ...] = ()
    said: Said | None = None
    says: Order | None = None
    """What the mapping made of the statement, before the merge."""


@dataclass(frozen=True)
class Noted:
    """A statement changed nothing in the order: stale, a duplicate, or a part to be completed.

    `fetch`: the how-manieth fetch in a row completes it; 0: none does.
    """

    outcome: str
    work_items: tuple[WorkItem, ...] = ()
    fetch: int = 0


@dataclass(frozen=True)
class Applied:
    """A ticket was applied. `requested` are the paths its operations write; the rest is derived."""

    order: Order
    requested: tuple[str, ...]
    followup: "Followup"
    approved_by: str | None = None
    warnings: tuple[EditWarning, ...] = ()


@dataclass(frozen=True)
class Asked:
    """A channel's change became a ticket: `read` is that ticket, and `outcome` what became of it.

    `order` is the order where the ticket was not applied: held, until somebody has dealt with the change.
    """

    read: "Read"
    outcome: "Applied | AwaitsApproval | AwaitsRecalls | Refused | Conflicted"
    order: Order | None = None
    work_items: tuple[WorkItem, ...] = ()


@dataclass(frozen=True)
class Refused:
    """A ticket was refused: an answer, not a failure."""

    code: str
    message: str
    path: str | None = None
    rule_id: str | None = None
    preview: "Preview | None" = None
    """What the ticket would do now, where what it showed has gone stale."""
    alternatives: tuple[EditWarning, ...] = ()
    """What could be done instead."""

    @property
    def told(self) -> str:
        """The message with what could be done instead, for who reads it later."""
        return "; ".join((self.message, *(one.message for one in self.alternatives)))[:500]


@dataclass(frozen=True)
class Conflicted:
    """Somebody else changed what the ticket reads or writes."""

    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True)
class AwaitsApproval:
    """The ticket is fine and needs somebody's approval of exactly these effects."""

    rule_ids: tuple[str, ...]
    effects_hash: str = ""
    money_delta_minor: int = 0


@dataclass(frozen=True)
class AwaitsRecalls:
    """The ticket is fine, approved where it must be, and the warehouse has to give something back first."""

    recalls: tuple[Recall, ...]
    effects_hash: str
    money_delta_minor: int = 0
    approved_by: str | None = None


@dataclass(frozen=True)
class Recalled:
    """The warehouse answered a recall; `order` is as it is now. `refusal` None: it gave back what was asked for."""

    recall: OpenRecall
    order: Order
    refusal: str | None = None


@dataclass(frozen=True)
class Withdrawn:
    """A ticket message cancels another ticket."""

    ticket_id: str


@dataclass(frozen=True)
class Reviewed:
    """A message approves or declines another ticket."""

    ticket_id: str
    decision: str


@dataclass(frozen=True)
class StepEnded:
    """How a payment step ended, and what that means for its ticket (None: nothing yet)."""

    action_id: UUID
    ticket_id: UUID
    state: str
    result: str | None
    ticket_state: str | None = None


@dataclass(frozen=True)
class Instead:
    """A payment step that takes the place of one that ended, for the same ticket."""

    ended_id: UUID
    ticket_id: UUID
    step: "Step"


@dataclass(frozen=True)
class Recorded:
    """A fact was taken over. `ended` are payment steps it settles, `aimed` the steps that now know their tender.

    `lowered` are payment requests that ask for less now, `instead` the steps that take the place of ended ones.
    """

    order: Order
    work_items: tuple[WorkItem, ...] = ()
    ended: tuple[StepEnded, ...] = ()
    aimed: tuple[tuple[UUID, str], ...] = ()
    lowered: tuple[tuple[UUID, int], ...] = ()
    instead: tuple[Instead, ...] = ()


@dataclass(frozen=True)
class Granted:
    """The warehouse may pick; `lines` are (line id, quantity)."""

    order: Order
    lines: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class NotGranted:
    """The warehouse may not pick: an answer, not a failure."""

    code: str
    message: str


@dataclass(frozen=True)
class Failed:
    """The message could not be handled. `blocks`: later messages of its lane wait behind it."""

    error_class: ErrorClass
    code: str
    stage: str
    detail: str
    field: str | None = None
    rule: str | None = None
    blocks: bool = True
    outcome: str = "dead"
    where: str = ""

    @classmethod
    def of(cls, error: OrdermendError, stage: str, *, blocks: bool = True) -> "Failed":
        """Return what an error of ours means for its message."""
        return cls(error.error_class, error.code, stage, error.message, error.field, error.rule, blocks, where=frame_of(error))

    @property
    def fingerprint(self) -> str:
        """Group key: the cause without what varies from message to message."""
        exception = f"{self.code} {self.rule or ''}"
        return fingerprint(error_class=self.error_class, stage=self.stage, exception=exception, frame=self.where, path=self.field or "")


def unexpected(error: Exception, stage: str) -> Failed:
    """Return what a defect of ours means for the message that met it: its exception and its place are the cause."""
    name, frame = type(error).__name__, frame_of(error)
    return Failed("BUG", "unexpected", stage, f"{name} in {frame}", rule=name, where=frame)


Outcome = (
    Stored
    | Restated
    | Noted
    | Applied
    | Asked
    | Refused
    | Conflicted
    | AwaitsApproval
    | AwaitsRecalls
    | Recalled
    | Withdrawn
    | Reviewed
    | Recorded
    | Granted
    | NotGranted
    | Failed
)
