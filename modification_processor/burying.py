"""What a failure leaves that a person has to look at: a dead letter in the book, and its copy on the dead-letter topic.

Input:      the failed message, its failure, and the order it is of. Output: rows of `writes`.
Guarantee:  the letter's row keeps the whole message, sealed under its order's key; the copy holds what a record may hold, and says in
            its headers how many of the sender's it had to leave out.
"""

import math

from modification_processor.incoming import Read
from modification_processor.outcomes import Failed
from modification_processor.work import OrderWork, Writes
from schemas.order import id_of
from schemas.statement import IntakeFailed, OrderStated
from schemas.topics import MAX_HEADER_BYTES, MAX_VALUE_BYTES, within
from store.letters import Letter
from store.outbox import Outgoing

DROPPED = "dlq.headers_dropped"


def bury(work: OrderWork, read: Read, failure: Failed, seq: int | None, attempts: int, writes: Writes, prefix: str) -> None:
    """Make a dead letter and its copy for the dead-letter topic."""
    at = read.incoming
    body = read.body
    raw = body.raw if isinstance(body, IntakeFailed) else None
    letter_id = id_of(f"{read.order_id}:{read.message_id}:{at.topic}:{at.part}:{at.off}")
    channel = channel_of(work, read)
    score = impact(work, failure)
    writes.letters.append(
        Letter(
            read.order_id, letter_id, at.topic, at.part, at.off, seq, read.message_id, read.message, channel,
            failure.error_class, failure.code, failure.stage, failure.field, failure.rule, failure.detail[:500],
            failure.fingerprint, score, attempts, "unresolved", at.key,
            writes.key_of(work).seal(at.value, f"letter:{letter_id}"), writes.at, writes.at, None,
        )
    )  # fmt: skip
    source = prefix + raw.topic.removeprefix(prefix) if raw else at.topic
    ours = {
        "dlq.schema": "1", "dlq.id": str(letter_id), "dlq.source.topic": raw.topic if raw else at.topic,
        "dlq.source.partition": str(raw.partition if raw else at.part), "dlq.source.offset": str(raw.offset if raw else at.off),
        "dlq.error.class": failure.error_class, "dlq.error.code": failure.code, "dlq.error.stage": failure.stage,
        "dlq.error.field": (failure.field or "")[:200], "dlq.error.rule": (failure.rule or "")[:100],
        "dlq.error.fingerprint": failure.fingerprint, "dlq.attempts": str(attempts), "dlq.score": str(score),
        "dlq.payload.bytes": str(len(raw.body if raw else at.value)), "dlq.msg.type": read.message, "dlq.channel": (channel or "")[:80], "dlq.last_failed_at": writes.at.isoformat(),
    }  # fmt: skip
    theirs = {name: text for name, text in (raw.headers if raw else {}).items() if name not in ours}
    # Ours first: what does not fit is the sender's, and stands in the letter's row.
    fitting = within({**ours, **theirs}, MAX_HEADER_BYTES - len(DROPPED) - 6)
    headers = fitting | ({DROPPED: str(len(ours) + len(theirs) - len(fitting))} if len(fitting) < len(ours) + len(theirs) else {})
    key, value = (raw.key, raw.body) if raw else (at.key, at.value)
    # The letter's row has all of it; the copy has what a record holds.
    copied = value[: max(MAX_VALUE_BYTES - len(key or b""), 0)]
    writes.outgoing.append(Outgoing(read.order_id, None, letter_id, f"{source}.dlt", key, copied, headers))


def channel_of(work: OrderWork, read: Read) -> str | None:
    """Return the channel a message is of: its own, else its order's."""
    if isinstance(read.body, OrderStated):
        return read.body.order.source.channel
    return getattr(read.body, "channel", None) or (work.order.source.channel if work.order else None)


def impact(work: OrderWork, failure: Failed) -> int:
    """Return a first impact score, 0 to 100: money at risk and followers (the whole formula joins with triage)."""
    value = work.order.totals.grand_total_minor / 100 if work.order else 0.0
    money = 35 * min(1.0, math.log10(1 + max(value, 0)) / 4)
    followers = 15 * min(1.0, work.head.depth / 10)
    return round(money + followers + (10 if failure.blocks else 0))
