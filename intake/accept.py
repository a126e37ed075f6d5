"""THE FLOW of intake: read, normalise, judge, encode, sign.

Pure: one raw record in, the records for `orders.canonical.v1` out. Nothing here raises for what a channel can do
wrong: whatever cannot be normalised becomes an `IntakeFailed`, so every dead letter has one home, and one bad
document never stops the others. The same input gives the same statements, but for the signature's time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

from intake.rules.rule import Rule, judge, with_holds
from intake.rules.tuning import SHIPPED, Tuning
from normalizers.channel import Channel, Result, StatedChange, StatedOrder, StatedPart, Unreadable
from normalizers.parts import documents_of
from schemas.assertion import HEADER, Signer, Unsigned
from schemas.codec import encode
from schemas.failures import ErrorClass, OrdermendError
from schemas.fingerprint import frame_of
from schemas.statement import ChangeStated, FetchNeeded, Finding, IntakeFailed, OrderStated, RawDocument, Statement, Verdict
from schemas.topics import MAX_HEADER_BYTES, MAX_VALUE_BYTES, within

EVENT_ID_HEADERS = ("message_id", "x-shopify-webhook-id", "x-wc-webhook-delivery-id")
"""Where a channel's or client's own event id travels; without one, the record's coordinates are the id."""
ACTOR = "intake"
CUT_BYTES = 1024 * 1024
"""What is kept of a document that no record has room for; its hash is that of the whole, and it lies on its raw topic for 30 days."""
UNKEPT = frozenset({"authorization", "cookie", HEADER})
REFUSING = frozenset({"quarantine", "reject", "dead_letter"})
ERROR_OF_VERDICT: Mapping[Verdict, tuple[ErrorClass, str]] = {
    "quarantine": ("SEMANTIC", "quarantined_by_rule"),
    "reject": ("BUSINESS_REJECT", "rejected_by_rule"),
    "dead_letter": ("SEMANTIC", "refused_by_rule"),
}
NAMES_NO_ORDER = Unreadable(
    None, "dead_letter", "names_no_order", (Finding(path="", rule="names_an_order", message="the document names no order"),)
)
"""What an answer without any order becomes: nothing that came is dropped without a row."""


class RawRecord(NamedTuple):
    """A record of a raw topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: Mapping[str, str]


class Accepted(NamedTuple):
    """A record for the canonical topic, with what the metrics count. `actor` is empty until it is signed."""

    key: bytes
    value: bytes
    message_id: str
    verdict: str
    actor: bytes = b""
    spoke: tuple[tuple[str, str], ...] = ()
    """Rules that had something to say, and in which mode."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """By what a record's orders are judged, and what was said."""

    rules: Sequence[Rule]
    tuning: Tuning
    spoke: list[tuple[str, str]]


def accept(record: RawRecord, channel: Channel, rules: Sequence[Rule], tuning: Tuning = SHIPPED) -> list[Accepted]:
    """Return what the record becomes, still unsigned."""
    spoke: list[tuple[str, str]] = []
    found = [_publishable(statement, key) for key, statement in statements(record, channel, rules, tuning, spoke)]
    return [found[0]._replace(spoke=tuple(spoke)), *found[1:]] if spoke else found


def signed(accepted: Sequence[Accepted], signer: Signer) -> list[Accepted]:
    """Return a batch's records signed, many under one signature."""
    unsigned = [Unsigned(item.value, item.message_id, item.key.decode()) for item in accepted]
    tokens = signer.sign_batch(unsigned, sub=ACTOR)
    return [
        Accepted(item.key, item.value, item.message_id, item.verdict, token, item.spoke)
        for item, token in zip(accepted, tokens, strict=True)
    ]


def statements(
    record: RawRecord, channel: Channel, rules: Sequence[Rule], tuning: Tuning = SHIPPED, spoke: list[tuple[str, str]] | None = None
) -> list[tuple[str, Statement]]:
    """Return (record key, statement) for every order the record names, at least one; `spoke` gets the rules that had something to say."""
    judged = _Judged(rules, tuning, [] if spoke is None else spoke)
    raw = RawDocument.of(
        body=record.value,
        sha256=sha256(record.value).hexdigest(),
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        content_type=record.headers.get("content-type"),
        key=record.key,
        headers=kept(record.headers) if record.headers else {},
    )
    message_id = _message_id(record)
    try:
        results: Iterable[Result] = channel.normalize(documents_of(record.value, record.headers)) or (NAMES_NO_ORDER,)
    except OrdermendError as error:
        finding = Finding(path=error.field or "", rule=error.rule or error.code, message=error.message, value=error.value)
        verdict: Verdict = "quarantine" if error.error_class == "SECURITY" else "dead_letter"
        results = (Unreadable(None, verdict, error.code, (finding,), error_class=error.error_class),)
    except Exception as error:  # noqa: BLE001 -- a channel's document must not stop the others; the letter says BUG
        name, frame = type(error).__name__, frame_of(error)
        finding = Finding(path="", rule=name, message=f"normalising failed unexpectedly: {name} in {frame}", value=frame)
        results = (Unreadable(None, "dead_letter", "unexpected", (finding,), error_class="BUG"),)
    found = [_statement(result, channel, judged, record, raw, message_id) for result in results]
    return [_numbered(key, statement, index) for index, (key, statement) in enumerate(found)]


def kept(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers worth keeping: no credentials, none that is ours, as many as 8 KiB hold."""
    return within({name: text for name, text in headers.items() if name not in UNKEPT and not name.startswith("dlq.")}, MAX_HEADER_BYTES)


def _message_id(record: RawRecord) -> str:
    named = next((record.headers[name] for name in EVENT_ID_HEADERS if record.headers.get(name)), None) if record.headers else None
    return f"{record.topic}:{record.partition}:{record.offset}" if named is None else named[:200]


def _numbered(key: str, statement: Statement, index: int) -> tuple[str, Statement]:
    """Tell several orders of one document apart; the first keeps the document's id."""
    return (key, statement) if index == 0 else (key, statement.with_(message_id=f"{statement.message_id}#{index}"))


def _statement(
    result: Result, channel: Channel, judged: "_Judged", record: RawRecord, raw: RawDocument, message_id: str
) -> tuple[str, Statement]:
    if isinstance(result, StatedOrder):
        return _order_stated(_for_account(result, channel, record), channel, judged, raw, message_id)
    account = record.headers.get("account") or result.account
    if isinstance(result, Unreadable):
        order_id = _order_id_of_failure(result, channel, record, account)
        return _failed(order_id, channel, result, raw, message_id)
    order_id = channel.order_id(account, result.channel_order_id)
    shared: dict[str, Any] = {
        "message_id": message_id,
        "order_id": order_id,
        "channel": channel.name,
        "account": account,
        "channel_order_id": result.channel_order_id,
        "event": result.event,
        "findings": result.findings,
        "raw": raw,
    }
    if isinstance(result, StatedPart):
        return str(order_id), FetchNeeded(missing=result.missing, **shared)
    assert isinstance(result, StatedChange)
    stated = {name: getattr(result, name) for name in ("changed_at", "line_changes", "ship_to", "delivery_window")}
    return str(order_id), ChangeStated(**stated, **shared)


def _for_account(result: StatedOrder, channel: Channel, record: RawRecord) -> StatedOrder:
    """Put the order under the account that the record's header names, where it names one."""
    account = record.headers.get("account")
    order = result.order
    if not account or account == order.source.account:
        return result
    source = order.source.with_(account=account)
    return replace(result, order=order.with_(order_id=channel.order_id(account, source.channel_order_id), source=source))


def _order_stated(stated: StatedOrder, channel: Channel, judged: "_Judged", raw: RawDocument, message_id: str) -> tuple[str, Statement]:
    verdict, findings, spoke = judge(stated, judged.rules, judged.tuning.mode_of if judged.tuning.version else None)
    judged.spoke.extend(spoke)
    if verdict in REFUSING:
        error_class, code = ERROR_OF_VERDICT[verdict]
        # The first finding is the letter's reason: the rule's, not what the channel's module had to say before it.
        refusing = {name for name, mode in spoke if mode == "enforce"}
        findings = tuple(sorted(findings, key=lambda finding: finding.rule not in refusing))
        refused = Unreadable(stated.order.source.channel_order_id, verdict, code, findings, error_class=error_class)
        return _failed(stated.order.order_id, channel, refused, raw, message_id)
    order, version = stated.order, judged.tuning.version
    source = order.source
    if (source.mapping_version, source.rules_version) != (channel.mapping_version, version):
        order = order.with_(source=source.with_(mapping_version=channel.mapping_version, rules_version=version))
    order = with_holds(order, judged.rules, findings, spoke)
    statement = OrderStated.of(
        message_id=message_id,
        order=order,
        event=stated.event,
        verdict=verdict,
        cancelled_at=stated.cancelled_at,
        findings=findings,
        raw=raw,
    )
    return str(order.order_id), statement


def _order_id_of_failure(result: Unreadable, channel: Channel, record: RawRecord, account: str) -> UUID | None:
    """Return the order an unreadable document is about: by its own word, else by the record's key."""
    name = result.channel_order_id
    if name is None and record.key:
        name = record.key.decode("utf-8", "replace")[:200]
    return channel.order_id(account, name) if name else None


def _failed(order_id: UUID | None, channel: Channel, result: Unreadable, raw: RawDocument, message_id: str) -> tuple[str, Statement]:
    key = str(order_id) if order_id else f"raw:{raw.topic}:{raw.partition}"
    return key, IntakeFailed(
        message_id=message_id,
        order_id=order_id,
        channel=channel.name,
        verdict=result.verdict,
        error_class=result.error_class,
        code=result.code,
        findings=result.findings,
        raw=raw,
    )


def _publishable(statement: Statement, key: str) -> Accepted:
    value = encode(statement)
    if len(key) + len(value) > MAX_VALUE_BYTES:
        statement = _cut(statement)
        value = encode(statement)
    verdict = getattr(statement, "verdict", None) or ("incomplete" if isinstance(statement, FetchNeeded) else "accept")
    return Accepted(key.encode(), value, statement.message_id, verdict)


def _cut(statement: Statement) -> IntakeFailed:
    """Return what is said of a document whose statement is larger than a record may be: that it is, and how it begins."""
    raw = statement.raw
    finding = Finding(
        path="",
        rule="max_bytes",
        message=f"its statement has more than {MAX_VALUE_BYTES} bytes; kept are {min(len(raw.body), CUT_BYTES)} of {len(raw.body)} bytes",
        value=str(len(raw.body)),
    )
    return IntakeFailed(
        message_id=statement.message_id,
        order_id=getattr(statement, "order_id", None) or (statement.order.order_id if isinstance(statement, OrderStated) else None),
        channel=statement.order.source.channel if isinstance(statement, OrderStated) else statement.channel,
        verdict="dead_letter",
        error_class="LIMIT",
        code="limit_exceeded",
        findings=(finding,),
        raw=raw.with_(body=raw.body[:CUT_BYTES]),
    )


def headers_of(accepted: Accepted) -> list[tuple[str, str | bytes | None]]:
    """Return the record headers."""
    return [(HEADER, accepted.actor)]
