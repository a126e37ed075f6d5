"""What the judge is shown: the book's tables and the broker's logs in the end, as plain values. Both kinds of books are read alike."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

from modification_processor.edit import BULK_DOOR
from schemas.codec import decode
from schemas.events import ModificationAwaitsApproval, OrderEvent
from tests.faults.checker import Row, Stored
from tests.faults.observer import _minor
from tests.simulation.broker import Broker
from tests.simulation.posts import LARGE, RECALLED, SOURCES, TOPICS, UNDONE, Post, of_a_job
from tests.simulation.shown import Found, Message, Told
from tests.simulation.workload import Plan

Rows = Callable[[str], Iterable[Any]]
"""Table -> its committed rows, whose columns are attributes."""


def told(plan: Plan, answers: Iterable[Post], broker: Broker, ended_by_people: set[str], max_depth: int) -> Told:
    """Return what was sent, as planned and in answer to what was found, at the places where it lies."""
    by_value = {post.value: post for post in (*(post for _, post in plan.posts), *answers)}
    seen = Told(forbidden=plan.forbidden, hopeless=plan.killers | plan.unstorable.keys(), max_depth=max_depth)
    for (topic, _), log in sorted(broker.logs.items()):
        if topic not in SOURCES:
            continue
        for entry in log:
            post = by_value.get(entry.value) or of_a_job(entry.value)
            place, twisted = (entry.topic, entry.part, entry.off), sha256(post.value).digest() in plan.twisted
            if twisted:
                seen.twisted.add(place)
            else:
                seen.messages.append(_message(post, place))
            if twisted or post.kind == "garbage" or post.message_id in plan.transient.keys() | plan.poison | seen.hopeless:
                seen.troubled.add(place)
    seen.excused = ended_by_people | {post.about for _, post in plan.posts if post.kind == "TicketCancelled"}
    return seen


def _message(post: Post, place: tuple[str, int, int]) -> Message:
    return Message(place, post.order_id, post.message_id, post.kind, post.about, post.author)


def found(rows: Rows, broker: Broker) -> Found:
    """Return what is there."""
    there = Found()
    _book(rows, there)
    _events(rows, there)
    seen = there.seen
    for (topic, part), log in broker.logs.items():
        if topic in SOURCES:
            seen.log_ends[topic, part] = len(log)
        elif topic == TOPICS.events:
            seen.events += [((e.key or b"").decode(), int(dict(e.headers)["event_seq"]), sha256(e.value).digest()) for e in log]
        elif topic.endswith(".dlt"):
            there.copies |= {dict(e.headers)["dlq.id"].decode() for e in log}
    return there


def _book(rows: Rows, there: Found) -> None:
    seen = there.seen
    seen.offsets = {(row.topic, row.part): row.next_offset or 0 for row in rows("partition_owner")}
    for table in ("inbox", "repeat"):
        # A ticket of a job that is all or nothing lies on no topic.
        seen.outcomes += [(row.topic, row.part, row.off) for row in rows(table) if row.topic != BULK_DOOR]
    there.inbox = {(str(row.order_id), row.message_id): row.outcome for row in rows("inbox")}
    seen.facts = {row.message_id.removeprefix("fact:") for row in rows("inbox") if row.outcome == "recorded"}
    for row in rows("orders"):
        document = json.loads(row.doc) if isinstance(row.doc, str) else row.doc
        lines = tuple((line["ordered"], _minor(line["unit_price"])) for line in document["lines"])
        seen.orders[str(row.order_id)] = Stored(lines, document["totals"]["grand_total_minor"])
        there.documents[str(row.order_id)] = document
        there.recall_lines.add(document["lines"][RECALLED]["line_id"])
        seen.others |= {f"/lines/{document['lines'][index]['line_id']}/ordered" for index in OTHERS}
    seen.origins = {str(row.order_id): bytes(row.sha256) for row in rows("order_origin")}
    for row in sorted(rows("history"), key=lambda row: (row.order_id, row.seq)):
        seen.history.setdefault(str(row.order_id), []).append(Row._make(getattr(row, name) for name in HISTORY))
    seen.tickets = {str(row.ticket_id): row.state for row in rows("ticket")}
    there.tickets = {str(row.ticket_id): (row.state, row.code) for row in rows("ticket")}
    seen.heads = {str(row.order_id): row.event_seq for row in rows("order_head") if row.event_seq}
    there.depths = {str(row.order_id): row.depth for row in rows("order_head")}
    there.lanes = [f"{row.order_id} {row.topic}: {row.state}" for row in rows("lane")]
    there.ever_parked = dict(Counter(str(row.order_id) for row in rows("parked")))
    there.parked = [(row.message_id, row.status) for row in rows("parked")]
    there.letters = {str(row.letter_id): (row.status, (row.topic, row.part, row.off)) for row in rows("dead_letter")}
    there.fetches = {f"{row.channel_order_id} ({row.fetch_id})": (row.state, row.reason) for row in rows("order_fetch")}
    there.items = [row.detail for row in rows("work_item") if row.kind == "fetch_order" and row.status == "open"]
    there.jobs = {str(row.job_id): (row.mode, row.state) for row in rows("bulk_job")}
    there.job_items = [(str(row.job_id), str(row.order_id), str(row.ticket_id), row.state) for row in rows("bulk_item")]
    there.job_tags = {str(row.job_id): json.loads(row.operations)[0]["arguments"] for row in rows("bulk_job")}
    there.repairs = {row.target_message_id for row in rows("repair")}
    there.repeats = {(row.topic, row.part, row.off) for row in rows("repeat")}


OTHERS = (LARGE, UNDONE, RECALLED)
"""Lines whose tickets are judged by themselves."""
HISTORY = (
    "seq", "version", "cause_kind", "cause_id", "path", "old", "new", "sealed", "derived", "user_id", "role", "on_behalf_of", "reason_code",
    "at", "hash",
)  # fmt: skip


def _events(rows: Rows, there: Found) -> None:
    for row in rows("outbox"):
        if row.sent_at is None:
            there.unsent += 1
        if row.event_seq is None:
            continue
        order = str(row.order_id)
        there.seen.outbox[order, row.event_seq] = sha256(row.value).digest()
        event = decode(bytes(row.value))
        assert isinstance(event, OrderEvent)
        there.causes.setdefault(order, []).append((row.event_seq, event.caused_by))
        if isinstance(event, ModificationAwaitsApproval):
            there.asked[str(event.ticket_id), event.preview_hash or ""] = event.version
