"""The simulation's judge: what was sent against what the book, the events and the logs hold. Pure; shares no code with the product.

It begins with the fault ring's judge (`tests/faults/checker.py`) and knows more, because it sees every offset: effects of one
order come in the order of their topic, the history's rows connect and end at the stored order, nothing waits any more, no lane
was ever deeper than it may be, each dead letter has its copy.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from tests.faults.checker import Edit, Row, Seen, Sent, Violation, check

KINDS = (
    "effect_reordered", "fact_doubled", "change_lost", "change_wrong", "restatement_lost", "refused_without_cause", "history_torn",
    "history_misses_the_order", "letter_without_copy", "letter_left", "message_left", "lane_left", "lane_too_deep", "outbox_left",
    "copy_without_letter", "letter_without_cause", "conflict_swallowed", "late", "service_ended", "no_rest", "stale_write",
)  # fmt: skip
ORDERED = ("ModificationTicket", "FulfillmentFact", "ChangeStated")
"""Which messages take effect in the order in which they were sent."""
TELLING = ("OrderStated", "FetchNeeded")
"""Which messages tell that the channel has a version, whether they say what is in it or not."""
SCHEDULE_HOURS = 10.5
"""The whole retry schedule, stretched as far as it may be, and what a message that fails once more after a replay takes on top.

Messages of one order go through it one after the other: each that becomes a dead letter keeps those behind it that long.
"""
DAY_HOURS = 24
"""So long messages may wait for their order, where its statement fails and is tried again."""
APPLIED = frozenset({"applied", "settling", "settled", "settlement_failed"})
ENDS = {
    "LargeTicket": APPLIED | {"refused", "cancelled", "declined", "expired"},
    "UndoableTicket": APPLIED | {"refused", "cancelled", "undone"},
    "UndoTicket": APPLIED | {"refused", "cancelled", "conflicted"},
    "RecallTicket": APPLIED | {"refused", "cancelled", "expired"},
}
"""How tickets may end that others act on, or that act on others."""
REFUSALS = {
    "LargeTicket": ("lane_full",),
    "UndoableTicket": ("lane_full",),
    "UndoTicket": ("lane_full", "not_applied", "not_the_inverse"),
    "RecallTicket": ("lane_full", "recall_refused"),
}
"""Why they may be refused."""
NOTHING: tuple[Any, ...] = (None, 0, False, "", [], {})


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
    heard_in_vain: list[str] = field(default_factory=list)
    """Reviews that count as heard, and changed nothing."""
    stale_writes: list[str] = field(default_factory=list)
    """Transactions that a process committed over a partition which another had claimed by then."""
    ever_parked: dict[str, int] = field(default_factory=dict)
    """Order -> how many messages of its ever waited."""


def judge(told: Told, found: Found) -> list[Violation]:
    """Return every violation."""
    return [
        *check(_sent(told, found), found.seen),
        *_refusals(told, found),
        *_order_of_effects(told, found),
        *_facts(found),
        *_answered_tickets(told, found),
        *_undone(told, found),
        *_recalled(told, found),
        *_repaired(told, found),
        *_fetched(found),
        *_money(told, found),
        *_channels(told, found),
        *_history(found),
        *_letters(told, found),
        *_rest(told, found),
        *_bounds(told, found),
    ]


def _sent(told: Told, found: Found) -> Sent:
    """Return what the fault ring's judge compares with: without what a person ended, or nobody could handle."""
    sent = Sent()
    for message in _firsts(told.messages):
        if message.kind == "OrderStated":
            sent.orders.setdefault(message.order, PLACED_QUANTITY)
            sent.edits.setdefault(message.order, [])
        if message.kind == "ModificationTicket":
            name = message.message_id.removeprefix("ticket:")
            state, code = found.tickets.get(name, (None, None))
            if message.message_id in told.hopeless and state not in APPLIED:
                continue
            if code == "lane_full" or (state == "cancelled" and message.message_id in told.excused):
                continue
            quantity = _repaired_to(told, found, message) or int(message.about)
            sent.edits.setdefault(message.order, []).append(Edit(name, quantity, message.message_id not in told.forbidden))
        if message.kind == "FulfillmentFact" and not _is_excused(told, found, message):
            sent.facts.add(message.message_id.removeprefix("fact:"))
    return sent


PLACED_QUANTITY = 2


def _is_excused(told: Told, found: Found, message: Message) -> bool:
    if message.message_id in told.hopeless:
        return True
    return message.message_id in told.excused and found.inbox.get((message.order, message.message_id)) == "discarded"


def _firsts(messages: Iterable[Message]) -> list[Message]:
    """Return each message once, where it came first."""
    firsts: dict[tuple[str, str], Message] = {}
    for message in messages:
        firsts.setdefault((message.order, message.message_id), message)
    return list(firsts.values())


def _refusals(told: Told, found: Found) -> Iterator[Violation]:
    for message in _firsts(told.messages):
        state, code = found.tickets.get(message.message_id.removeprefix("ticket:"), (None, None))
        if state == "cancelled" and message.message_id not in told.excused:
            yield Violation("refused_without_cause", message.message_id, "it is cancelled, and nobody withdrew it")
        if code == "lane_full" and found.ever_parked.get(message.order, 0) < told.max_depth:
            yield Violation("refused_without_cause", message.message_id, "its lane was full, and never so many messages waited")
        if state in ("conflicted", "expired", "awaiting_approval") and message.kind not in ENDS:
            yield Violation("refused_without_cause", message.message_id, f"it is {state}")


def _order_of_effects(told: Told, found: Found) -> Iterator[Violation]:
    places = {
        (m.order, m.message_id): m.place
        for m in _firsts(told.messages)
        if m.kind in ORDERED and m.message_id not in told.hopeless - told.repaired.keys()
    }
    for order, causes in found.causes.items():
        newest: dict[str, tuple[int, str]] = {}
        met: set[str] = set()
        for _, cause in sorted(causes):
            place = places.get((order, cause))
            state = found.tickets.get(cause.removeprefix("ticket:"), (None, None))
            if place is None or cause in met or state[1] == "lane_full":
                continue
            met.add(cause)
            topic, _, off = place
            last = newest.get(topic, (-1, ""))
            if off < last[0]:
                yield Violation("effect_reordered", f"{order} {topic}", f"{cause} (offset {off}) took effect behind {last[1]} ({last[0]})")
            newest[topic] = max(last, (off, cause))


def _facts(found: Found) -> Iterator[Violation]:
    for order, rows in found.seen.history.items():
        versions: dict[str, set[int]] = defaultdict(set)
        for row in rows:
            versions[row.cause].add(row.version)
        for cause, made in versions.items():
            if cause.startswith("fact:") and len(made) > 1:
                yield Violation("fact_doubled", order, f"{cause} made the versions {sorted(made)}")


def _answered_tickets(told: Told, found: Found) -> Iterator[Violation]:
    """Tickets that others act on: each takes effect at most once, and where it waits for an approval, by one of exactly its effects."""
    for message in _firsts(told.messages):
        if message.kind not in ENDS:
            continue
        name = message.message_id.removeprefix("ticket:")
        state, code = found.tickets.get(name, (None, None))
        if state is None and message.message_id in told.hopeless:
            continue
        if state not in ENDS[message.kind]:
            yield Violation("ticket_left", name, f"it is {state}")
        if state == "refused" and code not in REFUSALS.get(message.kind, ()) and message.message_id not in told.hopeless:
            yield Violation("refused_without_cause", name, f"{message.kind}: {code}")
        rows = [
            row for row in found.seen.history.get(message.order, ()) if row.cause == message.message_id and row.path.endswith("/ordered")
        ]
        if len({row.version for row in rows}) > 1:
            yield Violation("ticket_doubled", name, f"it made the versions {sorted({row.version for row in rows})}")
        if message.kind == "LargeTicket":
            yield from _approval(told, found, message, state, rows)
    for what in found.heard_in_vain:
        yield Violation("review_in_vain", "reviews", what)


def _approval(told: Told, found: Found, message: Message, state: str | None, rows: list[Row]) -> Iterator[Violation]:
    """Whoever approved or declined was somebody else, and the effects were those that waited for it."""
    name = message.message_id.removeprefix("ticket:")
    authors = {other.message_id: other.author for other in told.messages if other.kind == "TicketReviewed"}
    mine = {review: (decision, effects) for review, (ticket, decision, effects) in told.reviews.items() if ticket == name}
    of_others = {review: said for review, said in mine.items() if authors.get(review) not in (None, message.author)}
    if state == "declined" and "decline" not in {decision for decision, _ in of_others.values()}:
        yield Violation("declined_by_nobody", name, "it is declined")
    if state not in APPLIED:
        return
    approvals = [effects for decision, effects in of_others.values() if decision == "approve"]
    if not approvals:
        by_author = any(decision == "approve" for decision, _ in mine.values())
        yield Violation("approved_by_its_author" if by_author else "approved_by_nobody", name, f"it is {state}")
        return
    shown = {
        before for (ticket, effects), before in found.awaited.items() if ticket == name and (effects in approvals or None in approvals)
    }
    for row in rows:
        if (row.old or b"").decode() not in shown:
            yield Violation("approved_otherwise", name, f"it was approved over {sorted(shown)} ordered, and applied over {row.old!r}")


def _undone(told: Told, found: Found) -> Iterator[Violation]:
    """A ticket is taken back once, by one that sets what was there before it."""
    by_target: dict[tuple[str, str], list[str]] = defaultdict(list)
    for message in _firsts(told.messages):
        if message.kind == "UndoTicket" and found.tickets.get(message.message_id.removeprefix("ticket:"), (None,))[0] in APPLIED:
            by_target[message.order, message.about].append(message.message_id)
    for (order, target), undoing in by_target.items():
        if len(undoing) > 1:
            yield Violation("undo_doubled", target, f"taken back by {undoing}")
        if found.tickets.get(target, (None,))[0] != "undone":
            yield Violation("undo_wrong", target, f"taken back, and {found.tickets.get(target)}")
        rows = found.seen.history.get(order, ())
        before = {row.old for row in rows if row.cause == f"ticket:{target}" and row.path.endswith("/ordered")}
        after = {row.new for row in rows if row.cause in undoing and row.path.endswith("/ordered")}
        if not after <= before:
            yield Violation("undo_wrong", target, f"it found {before}, and was taken back to {after}")


def _recalled(told: Told, found: Found) -> Iterator[Violation]:
    """No ticket takes units out of the warehouse's hands, and what it gives back it has said."""
    done = {report for report, (port, _, outcome) in told.reports.items() if (port, outcome) == ("warehouse", "done")}
    for order, rows in found.seen.history.items():
        in_hand: dict[str, int] = {}
        for row in rows:
            _, _, line, leaf = (*row.path.split("/"), "", "", "")[:4]
            if line not in found.recall_lines:
                continue
            if leaf == "released":
                before, in_hand[line] = in_hand.get(line, 0), int(json.loads(row.new or b"0"))
                if in_hand[line] < before and row.cause not in done:
                    yield Violation("given_back_by_nobody", order, f"{row.cause} takes {before} units back")
            if leaf == "ordered" and row.cause.startswith("ticket:") and in_hand.get(line, 0):
                yield Violation("taken_from_the_warehouse", order, f"{row.cause} is applied with {in_hand[line]} units in hand")


def _repaired_to(told: Told, found: Found, message: Message) -> int | None:
    """Return what a message set that was applied as a person had repaired it; None where it was not."""
    quantity = told.repaired.get(message.message_id)
    rows = (row for row in found.seen.history.get(message.order, ()) if row.cause == message.message_id and row.path.endswith("/ordered"))
    return quantity if quantity is not None and any(row.new == str(quantity).encode() for row in rows) else None


def _repaired(told: Told, found: Found) -> Iterator[Violation]:
    """What a person repaired is their act, on behalf of whoever sent it; and how they did it is kept."""
    for message in _firsts(told.messages):
        if _repaired_to(told, found, message) is None:
            continue
        if message.message_id not in found.repairs:
            yield Violation("repair_not_kept", message.message_id, "it was applied as repaired, and no repair is kept")
        for row in found.seen.history[message.order]:
            if row.cause == message.message_id and (row.user == message.author or row.on_behalf_of != message.author):
                yield Violation("repair_of_nobody", message.message_id, f"row {row.seq} is by {row.user} on behalf of {row.on_behalf_of}")


def _fetched(found: Found) -> Iterator[Violation]:
    """What was only named is in the book, and nobody is asked for it any more."""
    for fetch, (state, reason) in found.fetches.items():
        if state != "stored":
            yield Violation("fetch_left", fetch, f"it is {state}: {reason}")
    for detail in found.items:
        yield Violation("fetch_left", "work items", f"one still says: {detail}")


def _money(told: Told, found: Found) -> Iterator[Violation]:
    """The ledger has every movement that was reported, once, and no other; nothing is settling when nothing moves."""
    facts = {f"pay:T{m.about.removeprefix('paid-')}:capture" for m in told.messages if m.message_id.startswith("fact:paid-")}
    there: set[str] = set()
    for order, document in found.documents.items():
        ledger = [(row["payment_id"], row["amount_minor"]) for row in document.get("payments", [])]
        there |= {name for name, _ in ledger}
        for name, count in Counter(name for name, _ in ledger).items():
            if count > 1:
                yield Violation("payment_doubled", order, f"{name} is there {count} times")
        for name, amount in ledger:
            if name not in facts and told.paid.get(name) != amount:
                yield Violation("payment_unasked", order, f"{name} of {amount}")
    for name in told.paid.keys() - there:
        yield Violation("payment_lost", name, f"{told.paid[name]} was reported")
    for ticket, (state, _) in found.tickets.items():
        if state == "settling":
            yield Violation("settling_left", ticket, "it is settling when nothing moves any more")


def _channels(told: Told, found: Found) -> Iterator[Violation]:
    """What channels stated and changed: the newest statement stands, and every change, in its order."""
    by_order: dict[str, list[Message]] = defaultdict(list)
    for message in _firsts(told.messages):
        by_order[message.order].append(message)
    for order, messages in by_order.items():
        lines = found.documents.get(order, {}).get("lines", [])
        stated = [int(m.about) for m in messages if m.kind in TELLING and not _is_excused(told, found, m)]
        if stated and lines and lines[1].get("ordered", 0) != max(stated):
            yield Violation("restatement_lost", order, f"it was stated with {max(stated)}, the book says {lines[1].get('ordered')}")
        wanted = [m for m in messages if m.kind == "ChangeStated" and not _is_excused(told, found, m)]
        for message in wanted:
            outcome = found.inbox.get((order, message.message_id))
            if outcome != "accepted":
                yield Violation("change_lost", message.message_id, f"it is {outcome}")
        if wanted and lines and lines[2].get("ordered", 0) != int(wanted[-1].about):
            detail = f"the channel changed it to {wanted[-1].about}, the book says {lines[2].get('ordered')}"
            yield Violation("change_wrong", order, detail)


def _history(found: Found) -> Iterator[Violation]:
    for order, rows in found.seen.history.items():
        last: dict[str, Row] = {}
        for row in rows:
            before = last.get(row.path)
            if not row.sealed and before is not None and before.new != row.old:
                yield Violation("history_torn", order, f"row {row.seq} goes on from {row.old!r}, row {before.seq} ended at {before.new!r}")
            last[row.path] = row
        if any(after.version < before.version for before, after in pairwise(rows)):
            yield Violation("history_torn", order, "its versions go back")
        for path, row in last.items():
            if not row.sealed and not _agrees(found.documents.get(order, {}), path, row.new):
                yield Violation("history_misses_the_order", order, f"{path} ends at {row.new!r}, the book says otherwise")


def _agrees(document: dict[str, Any], path: str, new: bytes | None) -> bool:
    """Whether a leaf of a stored order is what its history ends at; what is at its default is not stored."""
    stored: Any = document
    for part in path.strip("/").split("/"):
        if isinstance(stored, dict):
            stored = stored.get(part)
        elif isinstance(stored, list):
            stored = next((row for row in stored if part in (row.get(name) for name in row if name.endswith("_id"))), None)
        else:
            stored = None
    wanted = None if new is None else json.loads(new)
    if isinstance(stored, str) and isinstance(wanted, str) and stored.endswith("Z"):
        stored = stored.removesuffix("Z") + "+00:00"
    return bool(stored == wanted or (stored in NOTHING and wanted in NOTHING))


def _letters(told: Told, found: Found) -> Iterator[Violation]:
    for letter, (status, place) in found.letters.items():
        if place not in told.troubled:
            yield Violation("letter_without_cause", letter, "nothing is the matter with the message at {}[{}]@{}".format(*place))
        if status in ("unresolved", "replaying"):
            yield Violation("letter_left", letter, f"it is {status} when nothing comes any more")
        if letter not in found.copies:
            yield Violation("letter_without_copy", letter, "no dead-letter topic has a copy")
    for letter in found.copies - found.letters.keys():
        yield Violation("copy_without_letter", letter, "the book has no such letter")


def _rest(told: Told, found: Found) -> Iterator[Violation]:
    """What is left though nothing comes any more."""
    for message, status in found.parked:
        if status in ("waiting", "dead"):
            yield Violation("message_left", message, f"it is {status} when nothing comes any more")
    for (order, message), outcome in found.inbox.items():
        if outcome == "waiting":
            yield Violation("message_left", f"{order} {message}", "its outcome is that it waits")
    for lane in found.lanes:
        yield Violation("lane_left", lane, "it is closed when nothing comes any more")
    for order, depth in found.depths.items():
        if depth:
            yield Violation("lane_left", order, f"its head counts {depth} messages that wait")
    if found.unsent:
        yield Violation("outbox_left", "outbox", f"{found.unsent} rows were never sent")
    failing = any(message.kind == "OrderStated" and message.place in told.troubled for message in told.messages)
    most = (DAY_HOURS if failing else 0) + SCHEDULE_HOURS * (1 + _letters_in_a_row(told, found))
    most += DAY_HOURS * bool(found.awaited)
    if found.rest_after_hours > most:
        yield Violation("late", "world", f"it took {found.rest_after_hours:.1f} h until nothing was left to do, where {most:g} h suffice")


def _letters_in_a_row(told: Told, found: Found) -> int:
    """Return how many messages of one order became dead letters, at most."""
    orders = {message.place: message.order for message in told.messages}
    return max(Counter(orders.get(place) for _, place in found.letters.values()).values(), default=0)


def _bounds(told: Told, found: Found) -> Iterator[Violation]:
    if found.deepest > told.max_depth:
        yield Violation("lane_too_deep", "lanes", f"{found.deepest} tickets waited in one, {told.max_depth} may")
    for write in found.stale_writes:
        # The offset alone would keep effects right; that a process of the past stores nothing is promised besides: it may be of another version.
        yield Violation("stale_write", "partition_owner", write)
    for place in told.twisted & found.repeats:
        yield Violation("conflict_swallowed", "{}[{}]@{}".format(*place), "it has other content under its id, and counts as a repeat")
