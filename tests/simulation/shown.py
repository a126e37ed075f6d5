"""What the judge is shown: what was sent, and what the book, the events and the logs hold in the end, as plain values."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.faults.checker import Seen

APPLIED = frozenset({"applied", "settling", "settled", "settlement_failed"})


class Message(NamedTuple):
    """A record of the three topics, as it lies there."""

    place: tuple[str, int, int]
    order: str
    message_id: str
    kind: str
    about: str
    author: str = ""


@dataclass
class Told:
    """What was sent, and what was the matter with it."""

    messages: list[Message] = field(default_factory=list)
    forbidden: set[str] = field(default_factory=set)
    hopeless: set[str] = field(default_factory=set)
    """Messages that end as discarded dead letters: they kill, or the tables refuse them (unless a later one of their batch mends that)."""
    repaired: dict[str, int] = field(default_factory=dict)
    """Messages that a person has repaired, and perhaps sent back, and the quantity they set then."""
    excused: set[str] = field(default_factory=set)
    """Messages that may have been ended by a person."""
    troubled: set[tuple[str, int, int]] = field(default_factory=set)
    """Places of messages that may become dead letters."""
    twisted: set[tuple[str, int, int]] = field(default_factory=set)
    """Places of messages that come under the id of another."""
    max_depth: int = 200
    reviews: dict[str, tuple[str, str, str | None]] = field(default_factory=dict)
    """Review -> ticket, decision and the effects it names (None: whatever they are)."""
    reports: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Report -> whom it is of, its ticket and its outcome."""
    paid: dict[str, int] = field(default_factory=dict)
    """Movements of money that were reported, and their amounts."""


@dataclass
class Found:
    """What is there in the end."""

    seen: Seen = field(default_factory=Seen)
    inbox: dict[tuple[str, str], str] = field(default_factory=dict)
    """(order, message) -> outcome."""
    tickets: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """Ticket -> state and code."""
    causes: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """Order -> event number and the message that caused it."""
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    first_documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    letters: dict[str, tuple[str, tuple[str, int, int]]] = field(default_factory=dict)
    """Letter -> status, and the place of its message."""
    repeats: set[tuple[str, int, int]] = field(default_factory=set)
    """Places of what counted as received before."""
    rest_after_hours: float = 0.0
    """How long after everything was mended nothing was left to do."""
    fetches: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """Fetch -> state and reason."""
    items: list[str] = field(default_factory=list)
    """Work items that still ask for a fetch."""
    jobs: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Bulk job -> mode and state."""
    job_items: list[tuple[str, str, str, str]] = field(default_factory=list)
    """Job, order, ticket and state of each order of a job."""
    job_tags: dict[str, str] = field(default_factory=dict)
    """Job -> what it puts on its orders, as JSON."""
    repairs: set[str] = field(default_factory=set)
    """Messages of which a repair is kept."""
    copies: set[str] = field(default_factory=set)
    """Letters of which a copy lies on a dead-letter topic."""
    parked: list[tuple[str, str]] = field(default_factory=list)
    """Message and status."""
    lanes: list[str] = field(default_factory=list)
    depths: dict[str, int] = field(default_factory=dict)
    unsent: int = 0
    deepest: int = 0
    """The most tickets that ever waited in one lane."""
    recall_lines: set[str] = field(default_factory=set)
    """Lines of which the warehouse takes units in hand, and gives them back."""
    awaited: dict[tuple[str, str], str] = field(default_factory=dict)
    """(ticket, hash of its effects) -> what was ordered before, when it began to wait for an approval of them."""
    asked: dict[tuple[str, str], int] = field(default_factory=dict)
    """(ticket, hash of its effects) -> the order's version when an approval of them was asked for, by its event."""
    heard_in_vain: list[str] = field(default_factory=list)
    """Reviews that count as heard, and changed nothing."""
    stale_writes: list[str] = field(default_factory=list)
    """Transactions that a process committed over a partition which another had claimed by then."""
    ever_parked: dict[str, int] = field(default_factory=dict)
    """Order -> how many messages of its ever waited."""


def firsts(messages: Iterable[Message]) -> list[Message]:
    """Return each message once, where it came first."""
    firsts: dict[tuple[str, str], Message] = {}
    for message in messages:
        firsts.setdefault((message.order, message.message_id), message)
    return list(firsts.values())


def is_excused(told: Told, found: Found, message: Message) -> bool:
    """Whether a message may have come to nothing: nobody could handle it, or a person ended it."""
    if message.message_id in told.hopeless:
        return True
    return message.message_id in told.excused and found.inbox.get((message.order, message.message_id)) == "discarded"
