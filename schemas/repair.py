"""A dead letter on its way back: the repaired message, and what a dry run says would become of it.

Here because the desk (`dlq_handler`) and the writer of orders (`modification_processor`) both speak of them, and
neither imports the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from schemas.assertion import Actor
from schemas.events import Change
from schemas.statement import Statement

DOOR = "letters"
"""The door of a repaired message: who sends it now is the operator who repaired it."""
DOCUMENTS = frozenset({"IntakeFailed", "OrderStated", "ChangeStated", "FetchNeeded"})
"""Records that carry a channel's document: what is repaired is the document, which is then normalised again."""


@dataclass(frozen=True)
class Repaired:
    """A message after its repair: a record of ours, or a channel's document. `actor` names the operator."""

    value: bytes
    actor: Actor
    statements: Sequence[tuple[str, Statement]] = ()
    """(record key, statement) that a document now becomes."""


@dataclass(frozen=True)
class SentBack:
    """What sending a letter back did, and the message whose outcome says how it ended."""

    text: str
    target_order_id: UUID
    target_message_id: str


@dataclass(frozen=True)
class Step:
    """What becomes of one message of the lane. `outcome` is the word the inbox would say."""

    message_id: str
    message: str
    order_id: UUID
    outcome: str
    code: str | None
    detail: str | None
    version: int
    money_delta_minor: int
    currency: str | None
    changes: tuple[Change, ...]
    """Leaf by leaf; personal values are left out."""


@dataclass(frozen=True)
class Rehearsed:
    """A dry run: the letter's own message first, then every follower it lets go on, in their order."""

    steps: tuple[Step, ...]
    waiting: int
    """Followers that would go on waiting behind a message that fails."""
