"""Bytes of a JSON message -> plain values, exactly and within bounds, before any channel looks at them.

Input:   one UTF-8 JSON document (a byte order mark is tolerated) and the record's headers.
Output:  dicts, lists, text, exact `int`, exact `Decimal`, bool and None; no float ever.
Bounds:  5 MiB, depth 64, 5,000 rows in a list, numbers within 64 powers of ten. Refused: duplicate keys, NaN and
         Infinity, NUL, lone surrogates, bytes that are not UTF-8.
Fails:   UndecodableMessage (no JSON), LimitExceeded (a bound), UnsafeDocument (a refused construct); each names the
         JSON pointer (or the character), the rule and the value.
Source:  RFC 8259 sections 4 and 8, RFC 6901 (JSON pointer), RFC 7493 section 2 (I-JSON), read 2026-11-23.

The typed readers below take (object, key, pointer of the object): the pointer is only joined when something is
wrong, so that the happy path pays nothing for a precise error.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NoReturn

import orjson

from normalizers.channel import Document
from normalizers.deliveries import Delivered, delivered
from schemas.failures import LimitExceeded, NormalizationFailed, OrdermendError, UndecodableMessage, UnsafeDocument
from schemas.money import AmountError, decimal_of
from schemas.statement import Finding, StatedEvent

Json = dict[str, Any]
"""A JSON object."""

MAX_BYTES = 5 * 1024 * 1024
MAX_DEPTH = 64
MAX_ROWS = 5_000
MAX_EXPONENT = 64
MAX_NUMBER = 400

_BOM = b"\xef\xbb\xbf"
_NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise _DuplicateKey(next(key for key in keys if keys.count(key) > 1))
    return found


@lru_cache(maxsize=8192)
def _exact(text: str) -> Decimal:
    if len(text) > MAX_NUMBER:
        raise LimitExceeded("a number has too many digits", field="", rule="number_digits", value=text)
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("Infinity")  # an exponent beyond what `Decimal` itself can hold
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or not -MAX_EXPONENT <= exponent <= MAX_EXPONENT:
        raise LimitExceeded("a number is beyond what we read", field="", rule="number_exponent", value=text)
    return number


def _no_constant(text: str) -> NoReturn:
    raise UnsafeDocument(f"{text} is no JSON number", field="", rule="not_a_number", value=text)


class _DuplicateKey(Exception):  # carries a key from the hook to `read_json`, never seen outside
    """A key stands twice in one object."""


class _Twice(Json):
    """An object in which `key` stands twice, kept to say where."""

    key: str


def _marked(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    keys = [key for key, _ in pairs]
    twice = _Twice(found)
    twice.key = next(key for key in keys if keys.count(key) > 1)
    return twice


_TOLERANT = json.JSONDecoder(object_pairs_hook=_marked, parse_float=_exact, parse_constant=_no_constant)
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_exact, parse_constant=_no_constant)
_LAST_WINS = json.JSONDecoder(parse_float=_exact, parse_constant=_no_constant)
_SUSPECT = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


def read_json(body: bytes) -> Any:
    """Read one JSON document; see the module for bounds and failures."""
    if len(body) > MAX_BYTES:
        raise LimitExceeded(f"{len(body)} bytes are more than {MAX_BYTES}", field="", rule="max_bytes", value=str(len(body)))
    _check_depth(body)
    text = _text_of(body)
    try:
        value = _decoded(text, body)
    except _DuplicateKey as found:
        raise UnsafeDocument("a key stands twice", field=_pointer_of_duplicate(text), rule="duplicate_key", value=found.args[0]) from None
    except json.JSONDecodeError as error:
        raise UndecodableMessage(
            f"no JSON: {error.msg} at character {error.pos}",
            field=f"@{error.pos}",
            rule="json",
            value=text[max(0, error.pos - 20) : error.pos + 20],
        ) from None
    except RecursionError:
        raise LimitExceeded(f"nested deeper than {MAX_DEPTH}", field="", rule="max_depth") from None
    except ValueError:
        raise LimitExceeded("a number has too many digits", field="", rule="number_digits") from None
    if "\\u" in text and _SUSPECT.search(text):
        _check_escapes(value)
    return value


def _decoded(text: str, body: bytes) -> Any:
    try:
        value = _LAST_WINS.decode(text)
    except (ValueError, UnsafeDocument, LimitExceeded):
        return _DECODER.decode(text)  # which fails too, and tells the fault that stands first
    return value if _has_all_keys(value, body) else _DECODER.decode(text)


def _has_all_keys(value: Any, body: bytes) -> bool:
    """Whether every key of the document is in what was read of it; False too where that cannot be told so.

    Where a key stands twice, reading keeps the last: written again, the value has a colon less. Each key of a document has one, and those within
    texts are the same in both, unless one was written as an escape. So one count does what a look at each object would.
    """
    if b"\\" in body and b"\\u003" in body:
        return False
    try:
        return orjson.dumps(value, default=fragment_of).count(b":") == body.count(b":")
    except TypeError:  # half a character, or an integer beyond 64 bits
        return False


def _text_of(body: bytes) -> str:
    try:
        text = (body[3:] if body.startswith(_BOM) else body).decode()
    except UnicodeDecodeError as error:
        raise UndecodableMessage(
            f"no UTF-8 at byte {error.start}", field=f"@{error.start}", rule="utf8", value=body[error.start : error.start + 8].hex()
        ) from None
    if "\0" in text:
        raise UnsafeDocument("a NUL in the document", field=f"@{text.index(chr(0))}", rule="nul")
    return text


def _check_depth(body: bytes) -> None:
    """Refuse what nests deeper than `MAX_DEPTH`: peel off the innermost pairs, read exactly only where that does not settle it."""
    rest = body.translate(None, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        if not rest:
            return
        peeled = rest.replace(b"{}", b"").replace(b"[]", b"")
        if len(peeled) == len(rest):
            break
        rest = peeled
    depth = 0
    for token in _TOKENS.finditer(body):
        mark = body[token.start()]
        if mark in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise LimitExceeded(f"nested deeper than {MAX_DEPTH}", field=f"@{token.start()}", rule="max_depth")
        elif mark in b"]}":
            depth -= 1


def walk(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value with its JSON pointer, containers before what they hold; no recursion."""
    stack = [(pointer, value)]
    while stack:
        where, item = stack.pop()
        yield where, item
        if isinstance(item, dict):
            stack.extend((f"{where}/{escape(key)}", child) for key, child in reversed(item.items()))
        elif isinstance(item, list):
            stack.extend((f"{where}/{index}", child) for index, child in reversed(list(enumerate(item))))


def _check_escapes(value: Any) -> None:
    """Refuse what only an escape can smuggle in: NUL and half a character."""
    try:
        if b"\\u0000" not in orjson.dumps(value, default=fragment_of):
            return
    except TypeError:  # half a character, or an integer beyond 64 bits: look at each text
        pass
    for where, item in walk(value):
        for text in item if isinstance(item, dict) else (item,):
            if not isinstance(text, str):
                continue
            if "\0" in text:
                raise UnsafeDocument("a NUL in a text", field=where, rule="nul")
            try:
                text.encode()
            except UnicodeEncodeError:
                raise UnsafeDocument(
                    "half a surrogate pair in a text", field=where.encode(errors="replace").decode(), rule="lone_surrogate"
                ) from None


class _Pairs(list[tuple[str, Any]]):
    """An object's pairs, kept apart, to find a key that stands twice."""


def _pointer_of_duplicate(text: str) -> str:
    try:
        stack: list[tuple[str, Any]] = [("", json.loads(text, object_pairs_hook=_Pairs, parse_float=str, parse_int=str))]
    except (ValueError, RecursionError):  # what comes after it is no JSON: it has no pointer yet
        return ""
    while stack:
        where, item = stack.pop()
        if isinstance(item, _Pairs):
            seen: set[str] = set()
            for key, child in item:
                if key in seen:
                    return f"{where}/{escape(key)}".encode(errors="replace").decode()
                seen.add(key)
                stack.append((f"{where}/{escape(key)}", child))
        elif isinstance(item, list):
            stack.extend((f"{where}/{index}", child) for index, child in enumerate(item))
    return ""


def escape(key: str) -> str:
    """Return `key` as one token of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1") if "~" in key or "/" in key else key


def fragment_of(value: Any) -> orjson.Fragment:
    """Return how `json_text` writes what orjson does not know: a `Decimal` keeps its digits."""
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError


def json_text(value: Any) -> str:
    """Write a value that `read_json` gave as compact JSON text, every digit kept."""
    try:
        return orjson.dumps(value, default=fragment_of).decode()
    except TypeError:  # an integer beyond 64 bits
        return json.dumps(value, default=str, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Message:
    """One JSON object of a document: its value, its pointer, the headers that came with it, the wrapping it was in."""

    value: Any
    at: str
    headers: Mapping[str, str]
    wrapped_in: str = ""


class Broken(Message):
    """A row of a list that cannot be read though its neighbours can: asking for its value raises, and only that."""

    __slots__ = ("_error",)
    _error: OrdermendError

    def __init__(self, message: Message, error: OrdermendError) -> None:
        """`error` is what is wrong with it."""
        for name, known in (
            ("_error", error),
            ("at", message.at),
            ("headers", message.headers),
            ("wrapped_in", message.wrapped_in),
        ):
            object.__setattr__(self, name, known)  # the message is frozen

    @property
    def value(self) -> Any:
        """Raise what is wrong with it."""
        raise self._error


_SAYS_NOTHING: tuple[Any, ...] = ("", [], {})  # 0 and False say something
_WRAPPINGS = ("data", "orders", "results", "payload")


def messages(document: Document, wrappings: tuple[str, ...] = _WRAPPINGS, event_keys: tuple[str, ...] = ()) -> list[Message]:
    """Read a document and take its wrapping off: a capture tool's, an API answer's, a list's.

    A wrapping is a key of `wrappings` whose object has no id of its own and none of `event_keys`: an event says by those what its data is
    about, and is left whole. `wrapped_in` is the last one taken off.
    """
    try:
        value = read_json(document.body)
    except UnsafeDocument as error:
        if error.rule != "duplicate_key":
            raise
        return _neighbours(document, wrappings, event_keys, error)
    return _messages(value, document, wrappings, event_keys)


def _neighbours(document: Document, wrappings: tuple[str, ...], event_keys: tuple[str, ...], error: UnsafeDocument) -> list[Message]:
    """Return the messages of a list of several in which keys stand twice: each row that has one raises when it is read, the others do not."""
    try:
        value = _TOLERANT.decode(_text_of(document.body))
    except ValueError:
        raise error from None  # what stands behind the key is no JSON either: the first fault is told
    found = _messages(value, document, wrappings, event_keys)
    told = [[] if isinstance(message, Broken) else _twice_in(message.value, message.at) for message in found]
    if len(found) < 2 or sum(map(len, told)) < len(_twice_in(value, "")):
        raise error
    return [Broken(message, _stands_twice(twice[0])) if twice else message for message, twice in zip(found, told, strict=True)]


def _stands_twice(where: str) -> UnsafeDocument:
    key = where.rpartition("/")[2]
    return UnsafeDocument(f"the key {key!r} stands twice", field=where, rule="duplicate_key", value=key)


def _twice_in(value: Any, at: str) -> list[str]:
    return [f"{where}/{escape(item.key)}" for where, item in walk(value, at) if isinstance(item, _Twice)]


def _messages(value: Any, document: Document, wrappings: tuple[str, ...], event_keys: tuple[str, ...]) -> list[Message]:
    headers, at = document.headers, ""
    if isinstance(value, dict) and "body" in value and ("headers" in value or "topic" in value):
        headers, value, at = _captured(value, headers), value["body"], "/body"
        if isinstance(value, str):
            value = read_json(value.encode(errors="surrogatepass"))  # half a surrogate pair is refused there
    found = delivered(value, headers, at, read_json)
    _check_rows(found, at)
    return [row for each in found for row in _of_delivery(each, wrappings, event_keys)]


def _of_delivery(each: Delivered, wrappings: tuple[str, ...], event_keys: tuple[str, ...]) -> list[Message]:
    message = Message(each.value, each.at, each.headers)
    return [Broken(message, each.error)] if each.error else _unwrapped(message, wrappings, event_keys)


def _captured(value: Json, headers: Mapping[str, str]) -> dict[str, str]:
    inner = value.get("headers")
    found = {str(key).lower(): str(text) for key, text in inner.items()} if isinstance(inner, dict) else {}
    if isinstance(topic := value.get("topic"), str):
        found.setdefault("topic", topic)
    return {**found, **headers}


def _unwrapped(message: Message, wrappings: tuple[str, ...], event_keys: tuple[str, ...]) -> list[Message]:
    for _ in range(4):
        value = message.value
        if isinstance(value, list):
            _check_rows(value, message.at)
            return [Message(row, f"{message.at}/{index}", message.headers, message.wrapped_in or "list") for index, row in enumerate(value)]
        key = _wrapping_of(value, wrappings, event_keys) if isinstance(value, dict) else None
        if key is None:
            break
        message = Message(value[key], f"{message.at}/{key}", message.headers, key)
    return [message]


def _wrapping_of(value: Json, wrappings: tuple[str, ...], event_keys: tuple[str, ...]) -> str | None:
    if "id" in value or any(key in value for key in event_keys):
        return None
    return next((key for key in wrappings if isinstance(value.get(key), dict | list)), None)


@dataclass(frozen=True, slots=True)
class Named:
    """An order that a message names: whose it is, what happened to it, and where its object stands."""

    order_id: str
    account: str
    event: StatedEvent
    at: str
    headers: Mapping[str, str]
    report: "Report"


class Kept(dict[str, str]):
    """What of an order has no canonical place: JSON pointer -> JSON text; and of which objects all of that is here."""

    __slots__ = ("whole",)

    def __init__(self) -> None:
        super().__init__()
        self.whole: dict[int, tuple[Json, frozenset[str]]] = {}
        """Objects gone through by `unmapped`, by identity: the object (so that its identity stays its own), and its mapped keys."""


class Report:
    """What is worth saying about one order while it is read; a warning changes the verdict, a note does not."""

    __slots__ = ("findings", "kept", "warned")

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.warned = False
        self.kept = Kept()

    def note(self, path: str, rule: str, message: str, value: object = None) -> None:
        """Say something the reader of the order may want to know."""
        shown = None if value is None else str(value)[:80]
        self.findings.append(Finding(path=path, rule=rule, message=message, value=shown))

    def warn(self, path: str, rule: str, message: str, value: object = None) -> None:
        """Say something a person should know: the verdict becomes accept with warning."""
        self.warned = True
        self.note(path, rule, message, value)


def fail(at: str, key: str, rule: str, value: object, message: str | None = None) -> NoReturn:
    """Raise `NormalizationFailed` for `key` of the object at `at`.

    The message names no value: it is kept in clear, and a value may name a person. The value goes beside it, where it is sealed.
    """
    where = f"{at}/{escape(key)}" if key else at
    raise NormalizationFailed(message or f"{where} is no {rule}", field=where, rule=rule, value=str(value)[:80])


def text(row: Json, key: str) -> str | None:
    """Return a text without the blanks around it; a number as its digits; None for absent, null and empty."""
    value = row.get(key)
    if type(value) is str:
        return value.strip() or None
    return None if value is None else _as_text(value)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | Decimal) else json_text(value)


def need_text(row: Json, key: str, at: str) -> str:
    """Return a text that must be there and be a text or a number."""
    value = row.get(key)
    if isinstance(value, bool | dict | list) or (found := text(row, key)) is None:
        fail(at, key, "required", value, f"{at}/{key} is missing")
    return found


def child(row: Json, key: str, at: str) -> Json | None:
    """Return the object under `key`, or None; anything else there fails."""
    value = row.get(key)
    if value is None or isinstance(value, dict):
        return value
    if value in ("", []):  # PHP writes an empty object as an empty list
        return None
    fail(at, key, "object", value)


def rows(row: Json, key: str, at: str) -> list[Json]:
    """Return the list of objects under `key` (absent and null are empty), at most `MAX_ROWS`."""
    value = row.get(key)
    if not value:
        return []
    if not isinstance(value, list):
        fail(at, key, "list", value)
    _check_rows(value, f"{at}/{key}")
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            fail(f"{at}/{key}", str(index), "object", item)
    return value


def _check_rows(value: Sequence[Any], at: str) -> None:
    if len(value) > MAX_ROWS:
        raise LimitExceeded(f"{at} has {len(value)} rows, more than {MAX_ROWS}", field=at, rule="max_rows", value=str(len(value)))


def quantity(row: Json, key: str, at: str) -> tuple[int, int]:
    """Return a quantity as (units, exponent): 2.5 is (25, 1). Absent, negative or no number fails."""
    value = row.get(key)
    if type(value) is int and 0 <= value < 10**15:
        return value, 0
    try:
        number = decimal_of(value)  # type: ignore[arg-type]  # refuses every other type itself
    except AmountError:
        fail(at, key, "quantity", value)
    sign, digits, exponent = number.normalize().as_tuple()
    assert isinstance(exponent, int)
    if (sign and any(digits)) or exponent < -9 or len(digits) + max(exponent, 0) > 15:
        fail(at, key, "quantity", value)
    units = int("".join(map(str, digits)))
    return (units * 10**exponent, 0) if exponent >= 0 else (units, -exponent)


def whole(row: Json, key: str) -> int:
    """Return a count that is informative only: 0 where it is absent or no whole number."""
    value = row.get(key)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16:
        return int(value)
    return value if type(value) is int and 0 <= value < 10**15 else 0


def truth(row: Json, key: str) -> bool:
    """Return a yes or no, also where it is written as text."""
    value = row.get(key)
    return value is True or (isinstance(value, str) and value.lower() == "true")


def instant(row: Json, key: str, at: str, report: Report, *, utc: bool = False) -> datetime | None:
    """Return an aware moment in UTC; one without a zone is read as UTC and noted, an unreadable one is a warning."""
    value = row.get(key)
    if not value:
        return None
    return read_instant(str(value), f"{at}/{key}", report, utc=utc)


def read_instant(value: str, where: str, report: Report, *, utc: bool = False) -> datetime | None:
    """Read an ISO 8601 text; `utc` says that the field is in UTC by definition."""
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        report.warn(where, "instant", "no date and time we can read", value)
        return None
    if not utc:
        report.note(where, "instant_without_zone", "a time without a zone is read as UTC", value)
    return moment.replace(tzinfo=UTC)


def unmapped(row: Json, mapped: frozenset[str], at: str, found: dict[str, str]) -> None:
    """Add to `found` what `row` says under keys that have no canonical place: JSON pointer -> JSON text."""
    if isinstance(found, Kept):
        found.whole[id(row)] = row, mapped
    if mapped.issuperset(row):
        return
    for key, value in row.items():
        if key not in mapped and (value or (value is not None and value not in _SAYS_NOTHING)):
            found[f"{at}/{escape(key)}"] = json_text(value)


def said_otherwise(row: Json, *keys: str) -> frozenset[str]:
    """Return of several keys for one thing, of which the first that says something is read, those that say something else."""
    found = [(key, said) for key in keys if (said := text(row, key)) is not None]
    return frozenset([key for key, said in found[1:] if said != found[0][1]])


def names(spaced: str) -> frozenset[str]:
    """Return the names in a text that parts them by blanks."""
    return frozenset(spaced.split())


def present(values: Iterable[str | None]) -> tuple[str, ...]:
    """Return the texts that say something."""
    return tuple([value for value in values if value])


_DATE_ZONE = re.compile(r"(\d{4}-\d\d-\d\d)(Z|[+-]\d\d:\d\d)?")


def day_and_time(day: str | None, time: str | None, where: str, report: Report) -> datetime | None:
    """Read an ISO date and an ISO time that stand in fields of their own; a date alone is its midnight, UTC unless it has a zone."""
    if day is None:
        return None
    found = _DATE_ZONE.fullmatch(day)
    if found is None:
        return read_instant(day, where, report)
    if time is None:
        report.note(where, "date_without_time", "a date alone is read as its midnight", day)
    zone = found[2] or ("Z" if time is None else "")
    zoned = time is not None and re.search(r"(?:Z|[+-]\d\d:?\d\d)$", time) is not None
    return read_instant(f"{found[1]}T{time or '00:00:00'}{'' if zoned else zone}", where, report)


def epoch(row: Json, key: str, at: str, report: Report, *, per_second: int = 1) -> datetime | None:
    """Return the moment of a count since 1970, UTC (`per_second` 1000 for milliseconds); an unreadable one is a warning."""
    value = row.get(key)
    if value is None or value == "":  # 0 is a moment
        return None
    try:
        count = decimal_of(value)
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(count * 1_000_000 / per_second))
    except (AmountError, OverflowError):
        report.warn(f"{at}/{key}", "instant", "no count of seconds we can read", value)
        return None


def captured_text(document: Document) -> tuple[str, Mapping[str, str]] | None:
    """Return (body, headers) of a document that is no JSON, in a capture tool's JSON wrapping; None where there is no wrapping."""
    if document.body[:64].removeprefix(_BOM).lstrip()[:1] != b"{":
        return None
    value = read_json(document.body)
    body = value.get("body") if isinstance(value, dict) else None
    if not isinstance(body, str):
        raise UndecodableMessage(
            "JSON without a text under body", field="/body", rule="captured", value=document.body[:40].decode("utf-8", "replace")
        )
    return body, _captured(value, document.headers)
