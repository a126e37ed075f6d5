"""The simulation's judge of what people and the world outside do: approvals, undo, recalls, repairs, fetches, jobs and money. Pure."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.faults.checker import Row, Violation
from tests.simulation.shown import APPLIED, Found, Message, Told, firsts

ENDS = {
    "LargeTicket": APPLIED | {"refused", "cancelled", "declined", "expired"},
    "UndoableTicket": APPLIED | {"refused", "cancelled", "undone"},
    "UndoTicket": APPLIED | {"refused", "cancelled", "conflicted"},
    "RecallTicket": APPLIED | {"refused", "cancelled", "expired"},
    "BulkTicket": APPLIED | {"refused"},
}
"""How tickets may end that others act on, or that act on others."""
REFUSALS = {
    "LargeTicket": ("lane_full",),
    "UndoableTicket": ("lane_full",),
    "UndoTicket": ("lane_full", "not_applied", "not_the_inverse"),
    "RecallTicket": ("lane_full", "recall_refused"),
    "BulkTicket": ("lane_full",),
}
"""Why they may be refused."""


def acts(told: Told, found: Found) -> Iterator[Violation]:
    """Yield every violation of what such acts promise."""
    yield from _answered_tickets(told, found)
    yield from _undone(told, found)
    yield from _recalled(told, found)
    yield from _repaired(told, found)
    yield from _fetched(found)
    yield from _bulk(found)
    yield from _money(told, found)


def _answered_tickets(told: Told, found: Found) -> Iterator[Violation]:
    """Tickets that others act on: each takes effect at most once, and where it waits for an approval, by one of exactly its effects."""
    for message in firsts(told.messages):
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
        # A transaction may ask anew, and hear the approval of whatever is asked: nobody saw what it waited with in between, but its event says it.
        between = {
            _quantity_at(version, found.seen.history[message.order], row.path)
            for (ticket, effects), version in found.asked.items()
            if ticket == name and (ticket, effects) not in found.awaited and (effects in approvals or None in approvals)
        }
        if (row.old or b"").decode() not in shown | between:
            yield Violation("approved_otherwise", name, f"it was approved over {sorted(shown)} ordered, and applied over {row.old!r}")


def _quantity_at(version: int, rows: list[Row], path: str) -> str:
    """Return what a version of an order says at a path that a ticket changed some time."""
    changes = [row for row in rows if row.path == path]
    said = [changes[0].old, *(row.new for row in changes if row.version <= version)]
    return (said[-1] or b"").decode()


def _undone(told: Told, found: Found) -> Iterator[Violation]:
    """A ticket is taken back once, by one that sets what was there before it."""
    by_target: dict[tuple[str, str], list[str]] = defaultdict(list)
    for message in firsts(told.messages):
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


def repaired_to(told: Told, found: Found, message: Message) -> int | None:
    """Return what a message set that was applied as a person had repaired it; None where it was not."""
    quantity = told.repaired.get(message.message_id)
    rows = (row for row in found.seen.history.get(message.order, ()) if row.cause == message.message_id and row.path.endswith("/ordered"))
    return quantity if quantity is not None and any(row.new == str(quantity).encode() for row in rows) else None


def _repaired(told: Told, found: Found) -> Iterator[Violation]:
    """What a person repaired is their act, on behalf of whoever sent it; and how they did it is kept."""
    for message in firsts(told.messages):
        if repaired_to(told, found, message) is None:
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


def _bulk(found: Found) -> Iterator[Violation]:
    """A job has an outcome for each of its orders, once, and what was asked for as a whole is done as a whole."""
    applied: dict[str, set[bool]] = defaultdict(set)
    for job, order, ticket, state in found.job_items:
        there = found.tickets.get(ticket, ("missing", None))[0]
        tagged = bool(set(json.loads(found.job_tags[job])["add"]) & set(found.documents.get(order, {}).get("tags", ())))
        applied[job].add(tagged)
        if (state == "sent") != (there != "missing") or tagged != (there in APPLIED):
            yield Violation(
                "bulk_wrong",
                f"{job} {order}",
                f"its item is {state}, its ticket {there}, and the order is {'' if tagged else 'not '}tagged",
            )
        versions = {row.version for row in found.seen.history.get(order, ()) if row.cause == f"ticket:{ticket}"}
        if len(versions) > 1:
            yield Violation("ticket_doubled", ticket, f"it made the versions {sorted(versions)}")
    for job, (mode, state) in found.jobs.items():
        if state == "running":
            yield Violation("bulk_left", job, "it is running when nothing moves any more")
        if mode == "all_or_nothing" and applied[job] != {state == "done"}:
            yield Violation("bulk_halved", job, f"it is {state}, and applied to some, others, or all: {sorted(applied[job])}")


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
