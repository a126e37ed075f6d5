"""The simulation's judge: what was sent against what the book, the events and the logs hold. Pure; shares no code with the product.

It begins with the fault ring's judge (`tests/faults/checker.py`) and knows more, because it sees every offset: effects of one
order come in the order of their topic, the history's rows connect and end at the stored order, nothing waits any more, no lane
was ever deeper than it may be, each dead letter has its copy.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from tests.faults.checker import Edit, Row, Sent, Violation, check
from tests.simulation.judge_of_acts import ENDS, acts, repaired_to
from tests.simulation.shown import APPLIED, Found, Message, Told, firsts, is_excused

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
NOTHING: tuple[Any, ...] = (None, 0, False, "", [], {})
PLACED_QUANTITY = 2


def judge(told: Told, found: Found) -> list[Violation]:
    """Return every violation."""
    return [
        *check(_sent(told, found), found.seen),
        *_refusals(told, found),
        *_order_of_effects(told, found),
        *_facts(found),
        *acts(told, found),
        *_channels(told, found),
        *_history(found),
        *_letters(told, found),
        *_rest(told, found),
        *_bounds(told, found),
    ]


def _sent(told: Told, found: Found) -> Sent:
    """Return what the fault ring's judge compares with: without what a person ended, or nobody could handle."""
    sent = Sent()
    for message in firsts(told.messages):
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
            quantity = repaired_to(told, found, message) or int(message.about)
            sent.edits.setdefault(message.order, []).append(Edit(name, quantity, message.message_id not in told.forbidden))
        if message.kind == "FulfillmentFact" and not is_excused(told, found, message):
            sent.facts.add(message.message_id.removeprefix("fact:"))
    return sent


def _refusals(told: Told, found: Found) -> Iterator[Violation]:
    for message in firsts(told.messages):
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
        for m in firsts(told.messages)
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


def _channels(told: Told, found: Found) -> Iterator[Violation]:
    """What channels stated and changed: the newest statement stands, and every change, in its order."""
    by_order: dict[str, list[Message]] = defaultdict(list)
    for message in firsts(told.messages):
        by_order[message.order].append(message)
    for order, messages in by_order.items():
        lines = found.documents.get(order, {}).get("lines", [])
        stated = [int(m.about) for m in messages if m.kind in TELLING and not is_excused(told, found, m)]
        if stated and lines and lines[1].get("ordered", 0) != max(stated):
            yield Violation("restatement_lost", order, f"it was stated with {max(stated)}, the book says {lines[1].get('ordered')}")
        wanted = [m for m in messages if m.kind == "ChangeStated" and not is_excused(told, found, m)]
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
