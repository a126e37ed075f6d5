"""The fault ring's judge: what was sent against what the book and the topics hold. Pure; shares no code with the product.

`check(sent, seen)` returns violations, each of a kind in `KINDS`. It knows the tables' and records' meaning from the
documentation alone: another implementation of the same promises would have to pass it too. That it finds what it
looks for is shown in tests/unit/test_the_fault_rings_judge_finds_what_is_planted.py.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import pairwise
from typing import NamedTuple

KINDS = (
    "order_lost", "order_unasked", "edit_lost", "edit_doubled", "edit_reordered", "edit_unasked", "forbidden_edit_applied",
    "ticket_without_end", "quantity_wrong", "total_wrong", "fact_lost", "offset_unexplained", "offset_doubled", "offset_beyond_log",
    "backlog_left", "event_missing", "event_altered", "event_foreign", "event_inverted", "event_gap", "chain_broken", "chain_gap",
    "poison_lost", "poison_unasked", "left_waiting",
)  # fmt: skip


class Edit(NamedTuple):
    """A ticket that sets the first line's quantity. Not `allowed`: its author lacks the role."""

    ticket: str
    quantity: int
    allowed: bool


class Row(NamedTuple):
    """A row of the history, as its hash covers it (docs/architecture.md)."""

    seq: int
    version: int
    cause_kind: str
    cause: str
    path: str
    old: bytes | None
    new: bytes | None
    sealed: bool
    derived: bool
    user: str
    role: str
    on_behalf_of: str | None
    reason: str | None
    at: datetime
    hash: bytes


class Stored(NamedTuple):
    """An order of the book: (ordered, unit price in minor units) of each line, and the total it names."""

    lines: tuple[tuple[int, int], ...]
    total: int


@dataclass
class Sent:
    """What the workload sent, in its order per order."""

    orders: dict[str, int] = field(default_factory=dict)
    """Order -> quantity of its first line as placed."""
    edits: dict[str, list[Edit]] = field(default_factory=dict)
    facts: set[str] = field(default_factory=set)
    poison: set[bytes] = field(default_factory=set)
    """SHA-256 of documents nobody can read."""


@dataclass
class Seen:
    """What the book and the topics hold when nothing moves any more."""

    log_ends: dict[tuple[str, int], int] = field(default_factory=dict)
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)
    """Where the book says each consumed partition is."""
    outcomes: list[tuple[str, int, int]] = field(default_factory=list)
    """Topic, partition, offset of every outcome on record."""
    orders: dict[str, Stored] = field(default_factory=dict)
    origins: dict[str, bytes] = field(default_factory=dict)
    """The hash that each order's chain starts with."""
    history: dict[str, list[Row]] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    """Paths of quantities that belong to tickets beside the workload's edits."""
    tickets: dict[str, str] = field(default_factory=dict)
    facts: set[str] = field(default_factory=set)
    heads: dict[str, int] = field(default_factory=dict)
    """Order -> the last event number given out."""
    outbox: dict[tuple[str, int], bytes] = field(default_factory=dict)
    """(order, event number) -> SHA-256 of the event's bytes."""
    events: list[tuple[str, int, bytes]] = field(default_factory=list)
    """The same from the topic, in its order, repeats included."""
    poison: set[bytes] = field(default_factory=set)
    """SHA-256 of what lies on the dead-letter topics."""
    waiting: int = 0
    """Messages that still wait in a lane."""


class Violation(NamedTuple):
    """A promise that does not hold."""

    kind: str
    where: str
    detail: str


ENDED = frozenset({"applied", "settling", "settled", "settlement_failed", "refused", "conflicted"})


def check(sent: Sent, seen: Seen) -> list[Violation]:
    """Return every violation; an empty list is what the ring wants to see."""
    return [
        *_orders(sent, seen),
        *_edits(sent, seen),
        *_facts_and_poison(sent, seen),
        *_offsets(seen),
        *_events(seen),
        *_chains(seen),
    ]


def counts(violations: Sequence[Violation]) -> dict[str, int]:
    """Return violations summed up as people ask for them: lost, doubled, reordered, other."""
    by_kind = Counter(_word(violation.kind) for violation in violations)
    return {word: by_kind.get(word, 0) for word in ("lost", "doubled", "reordered", "other")}


def _word(kind: str) -> str:
    for end, word in (
        ("_lost", "lost"),
        ("_missing", "lost"),
        ("_doubled", "doubled"),
        ("_reordered", "reordered"),
        ("_inverted", "reordered"),
    ):
        if kind.endswith(end):
            return word
    return "other"


def _orders(sent: Sent, seen: Seen) -> Iterator[Violation]:
    for order in sent.orders.keys() - seen.orders.keys():
        yield Violation("order_lost", order, "it was stated and is not in the book")
    for order in seen.orders.keys() - sent.orders.keys():
        yield Violation("order_unasked", order, "nobody stated it")
    for order, document in seen.orders.items():
        total = sum(ordered * price for ordered, price in document.lines)
        if total != document.total:
            yield Violation("total_wrong", order, f"its lines cost {total}, its total is {document.total}")


def _edits(sent: Sent, seen: Seen) -> Iterator[Violation]:
    for order, edits in sent.edits.items():
        wanted = [edit.quantity for edit in edits if edit.allowed]
        done = [json.loads(row.new or b"0") for row in seen.history.get(order, ()) if _is_quantity(row) and row.path not in seen.others]
        yield from _compared(order, wanted, done, {edit.quantity for edit in edits if not edit.allowed})
        if order in seen.orders:
            last = wanted[-1] if wanted else sent.orders.get(order)
            stored = seen.orders[order].lines[0][0]
            if stored != last:
                yield Violation("quantity_wrong", order, f"the last edit asked for {last}, the book says {stored}")
        for edit in edits:
            state = seen.tickets.get(edit.ticket)
            if state not in ENDED:
                yield Violation("ticket_without_end", edit.ticket, f"it is {state}")
            elif edit.allowed == (state == "refused"):
                yield Violation("edit_lost" if edit.allowed else "forbidden_edit_applied", edit.ticket, f"it is {state}")
    if seen.waiting:
        yield Violation("left_waiting", "lanes", f"{seen.waiting} messages wait and nothing comes any more")


def _is_quantity(row: Row) -> bool:
    """Whether an edit of the workload's made the row: what a channel changes is a ticket of its own."""
    is_quantity = row.path.startswith("/lines/") and row.path.endswith("/ordered") and row.cause.startswith("ticket:")
    return is_quantity and not row.user.startswith("channel:")


def _compared(order: str, wanted: list[int], done: list[int], forbidden: set[int]) -> Iterator[Violation]:
    times = Counter(done)
    for quantity in wanted:
        if not times[quantity]:
            yield Violation("edit_lost", order, f"quantity {quantity} was never set")
    for quantity, count in times.items():
        if quantity in forbidden:
            yield Violation("forbidden_edit_applied", order, f"quantity {quantity} was set without the role")
        elif quantity not in wanted:
            yield Violation("edit_unasked", order, f"nobody asked for quantity {quantity}")
        elif count > 1:
            yield Violation("edit_doubled", order, f"quantity {quantity} was set {count} times")
    firsts = [quantity for quantity in dict.fromkeys(done) if quantity in wanted]
    if firsts != [quantity for quantity in wanted if quantity in times]:
        yield Violation("edit_reordered", order, f"set as {firsts}, asked as {wanted}")


def _facts_and_poison(sent: Sent, seen: Seen) -> Iterator[Violation]:
    for fact in sent.facts - seen.facts:
        yield Violation("fact_lost", fact, "it was sent and is not recorded")
    for digest in sent.poison - seen.poison:
        yield Violation("poison_lost", digest.hex(), "it could not be read, and lies on no dead-letter topic")
    for digest in seen.poison - sent.poison:
        yield Violation("poison_unasked", digest.hex(), "a dead letter of something that was sent whole")


def _offsets(seen: Seen) -> Iterator[Violation]:
    times = Counter(seen.outcomes)
    for (topic, part), end in seen.log_ends.items():
        read = seen.offsets.get((topic, part), 0)
        if read < end:
            yield Violation("backlog_left", f"{topic}[{part}]", f"read to {read} of {end}")
        if read > end:
            yield Violation("offset_beyond_log", f"{topic}[{part}]", f"read to {read}, the log ends at {end}")
        for off in range(min(read, end)):
            if not times[topic, part, off]:
                yield Violation("offset_unexplained", f"{topic}[{part}]@{off}", "it was passed and has no outcome")
    for place, count in times.items():
        if count > 1:
            yield Violation("offset_doubled", "{}[{}]@{}".format(*place), f"it has {count} outcomes")


def _events(seen: Seen) -> Iterator[Violation]:
    newest: dict[str, int] = {}
    found: set[tuple[str, int]] = set()
    for order, number, digest in seen.events:
        stored = seen.outbox.get((order, number))
        if stored is None:
            yield Violation("event_foreign", f"{order}#{number}", "the book never sent it")
        elif stored != digest:
            yield Violation("event_altered", f"{order}#{number}", "its bytes are not those of the book")
        # A repeat of what was heard is dropped by every consumer; what comes late for the first time is an inversion.
        if number < newest.get(order, 0) and (order, number) not in found:
            yield Violation("event_inverted", f"{order}#{number}", f"it came behind #{newest[order]}")
        newest[order] = max(number, newest.get(order, 0))
        found.add((order, number))
    for order, number in seen.outbox.keys() - found:
        yield Violation("event_missing", f"{order}#{number}", "the book says it was sent")
    numbers: dict[str, set[int]] = defaultdict(set)
    for order, number in seen.outbox:
        numbers[order].add(number)
    for order, last in seen.heads.items():
        if numbers[order] != set(range(1, last + 1)):
            yield Violation("event_gap", order, f"{last} numbers were given out, {len(numbers[order])} events are there")


def _chains(seen: Seen) -> Iterator[Violation]:
    for order, rows in seen.history.items():
        if any(after.seq != before.seq + 1 for before, after in pairwise(rows)) or (rows and rows[0].seq != 1):
            yield Violation("chain_gap", order, "the history's numbers have a gap")
        previous = seen.origins.get(order, b"")
        for row in rows:
            if _hash(previous, order, row) != row.hash:
                yield Violation("chain_broken", order, f"row {row.seq} is not what its hash says")
                break
            previous = row.hash


def _hash(previous: bytes, order: str, row: Row) -> bytes:
    old, new = (None if value is None else len(value) for value in (row.old, row.new))
    fields = [
        order.replace("-", ""), row.seq, row.version, row.cause_kind, row.cause, row.path, old, new, row.sealed, row.derived,
        row.user, row.role, row.on_behalf_of, row.reason, round(row.at.timestamp() * 1_000_000),
    ]  # fmt: skip
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    return sha256(previous + text + (row.old or b"") + (row.new or b"")).digest()
