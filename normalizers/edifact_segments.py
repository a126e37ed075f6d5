"""EDIFACT interchange -> its messages, and whether the envelope holds; knows no message type.

Input:   the bytes of one interchange (UNA? UNB … UNZ), of several on end, or of bare messages (UNH … UNT). Separators, decimal mark and
         release character are found by position in UNA; without it they are the syntax's own. The characters are read as UNB declares
         (UNOA to UNOL, UNOW, UNOY); bytes that are plainly UTF-8 are read as UTF-8 whatever is declared, and noted.
Output:  `Message`s: segments as lists of composites, what is wrong with the envelope (`problems`), whether UNT was reached.
Fails:   UndecodableMessage (no interchange), LimitExceeded, UnsafeDocument (NUL).
Source:  ISO 9735:1988 and ISO 9735-1:2002, sections 5 to 8 (UNA, UNB, UNH, UNT, UNZ, service string advice) and annex A of part 10
         (syntax identifiers); read 2026-11-24. Real files wrap lines, leave out UNZ or a segment's terminator: all read here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from normalizers.wire import MAX_BYTES, MAX_ROWS
from schemas.failures import LimitExceeded, UndecodableMessage, UnsafeDocument

MAX_SEGMENTS = 50 * MAX_ROWS
MAX_COMPONENTS = 1_000
"""Of one segment; the longest there is has some sixty."""

_CHARSETS: Mapping[str, str] = {
    "UNOA": "ascii",
    "UNOB": "ascii",
    "UNOC": "iso8859-1",
    "UNOD": "iso8859-2",
    "UNOE": "iso8859-5",
    "UNOF": "iso8859-7",
    "UNOG": "iso8859-3",
    "UNOH": "iso8859-4",
    "UNOI": "iso8859-6",
    "UNOJ": "iso8859-8",
    "UNOK": "iso8859-9",
    "UNOL": "iso8859-15",
    "UNOW": "utf-8",
    "UNOY": "utf-8",
}
_DECLARED = re.compile(rb"UNB.\s*(UNO[A-Z])", re.DOTALL)
_START = re.compile(r"UN[ABHG]")
_TAG = re.compile(r"[A-Z][A-Z0-9]{2}")
_STAND_INS = "\ufdd0\ufdd1\ufdd2\ufdd3\ufdd4"


@dataclass(frozen=True, slots=True)
class Separators:
    """The service characters of an interchange; `release` is empty where there is none."""

    component: str = ":"
    element: str = "+"
    decimal: str = "."
    release: str = "?"
    terminator: str = "'"


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: its tag, its composites (`at(1)` is the first component of the first), its number in the interchange."""

    number: int
    elements: list[list[str]]

    @property
    def tag(self) -> str:
        """The segment's name."""
        return self.elements[0][0]

    def at(self, element: int, component: int = 1) -> str | None:
        """Return a component without blanks around it, or None where it is absent or empty."""
        if element >= len(self.elements) or component > len(self.elements[element]):
            return None
        return self.elements[element][component - 1].strip() or None

    def all(self, element: int) -> list[str]:
        """Return the components of an element that say something."""
        return [text.strip() for text in self.elements[element] if text.strip()] if element < len(self.elements) else []

    def path(self, element: int, component: int = 1) -> str:
        """Return how a finding names a component: segment number, tag, element, component."""
        return f"/{self.number}/{self.tag}{element:02d}{f'.{component}' if component > 1 else ''}"

    def __str__(self) -> str:
        return "+".join(":".join(element) for element in self.elements)


@dataclass(slots=True)
class Message:
    """The segments from UNH to UNT, with the envelope they came in."""

    kind: str
    reference: str
    sender: str
    decimal: str
    segments: list[Segment] = field(default_factory=list)
    problems: list[tuple[str, str, str]] = field(default_factory=list)
    """(path, rule, message) of each thing wrong with the envelope."""
    notes: list[tuple[str, str, str]] = field(default_factory=list)
    """The same, for what harms nobody."""
    ended: bool = False
    lost: bool = False
    """Whether UNT counts more segments than there are."""


def read_messages(body: bytes) -> list[Message]:
    """Return the messages of a document, in its order."""
    if len(body) > MAX_BYTES:
        raise LimitExceeded(f"{len(body)} bytes are more than {MAX_BYTES}", field="", rule="max_bytes", value=str(len(body)))
    text, notes, problems = _text(body)
    found: list[Message] = []
    number = 0
    rest: str | None = text
    while rest:
        segments: list[Segment] = []
        separators, part = _separators(rest)
        part, rest = _next_interchange(part, separators)
        if part.count(separators.terminator) > 2 * MAX_SEGMENTS:
            raise LimitExceeded(f"more than {MAX_SEGMENTS} segments", field=f"/{number}", rule="max_segments")
        for raw in _split(part, separators):
            if not raw:
                continue
            if number >= MAX_SEGMENTS:
                raise LimitExceeded(f"more than {MAX_SEGMENTS} segments", field=f"/{number}", rule="max_segments")
            number += 1
            if raw.count(separators.element) + raw.count(separators.component) > MAX_COMPONENTS:
                raise LimitExceeded(f"more than {MAX_COMPONENTS} components", field=f"/{number}", rule="max_components")
            segments.append(Segment(number, _elements(raw, separators)))
        found.extend(_grouped(segments, separators.decimal))
    for message in found:
        message.notes.extend(notes)
        message.problems.extend(problems)
    return found


def _text(body: bytes) -> tuple[str, list[tuple[str, str, str]], list[tuple[str, str, str]]]:
    """Return (the text, notes, problems): as declared, unless the bytes say otherwise."""
    if b"\0" in body:
        raise UnsafeDocument("a NUL in the document", field=f"@{body.index(0)}", rule="nul")
    found = _DECLARED.search(body[:200])
    declared = found[1].decode() if found else ""
    charset = _CHARSETS.get(declared, "ascii")
    notes, problems = [], []
    try:
        text = body.decode("utf-8-sig")
        if charset != "utf-8" and not text.isascii():
            notes.append(("/1/UNB01", "charset", f"declared as {declared or 'nothing'}, the characters are UTF-8"))
    except UnicodeDecodeError:
        single = "iso8859-1" if charset in {"ascii", "utf-8"} else charset
        if single != charset:
            problems.append(("/1/UNB01", "charset", f"declared as {declared or 'nothing'}, the characters are read as {single}"))
        text = body.decode(single, "replace")
    text = text.strip().translate(dict.fromkeys(map(ord, _STAND_INS), "\ufffd"))
    if not _START.match(text) or len(text) < 10:
        raise UndecodableMessage(
            "no EDIFACT interchange: it starts with none of UNA, UNB, UNG, UNH", field="@0", rule="una", value=text[:16]
        )
    return text, notes, problems


def _separators(text: str) -> tuple[Separators, str]:
    """Return the service characters and the text after UNA."""
    if text.startswith("UNA"):
        if len(text) < 9:
            raise UndecodableMessage("no EDIFACT interchange: UNA is cut short", field="/UNA", rule="una", value=text)
        component, element, decimal, release, terminator = text[3], text[4], text[5], text[6], text[8]
        end = 9
        if text[7] not in " *" and (
            terminator in "\r\n" or _START.match(text, 8)
        ):  # the reserved character was left out: what is there ends it
            terminator, end = text[7], 8
        own = (component, element, terminator)
        if any(one.isalnum() or one in " \r\n" for one in own[:2]) or terminator.isalnum() or len({*own}) < 3:
            raise UndecodableMessage("no EDIFACT interchange: UNA has no service characters", field="/UNA", rule="una", value=text[:9])
        return Separators(component, element, decimal, "" if release == " " else release, terminator), text[end:].lstrip()
    if text[3] == "\x1d":  # the control characters of syntax level B
        return Separators("\x1f", "\x1d", ",", "", "\x1c"), text
    if text[3] != "+":
        raise UndecodableMessage("no EDIFACT interchange: no UNA, and + does not follow the tag", field="@3", rule="una", value=text[:16])
    return Separators(), text


def _next_interchange(text: str, separators: Separators) -> tuple[str, str | None]:
    """Return what belongs to these service characters, and the next interchange that brings its own, if there is one on end."""
    found = re.search(rf"{re.escape(separators.terminator)}\s*(?=UNA)", text)
    return (text, None) if found is None else (text[: found.end()], text[found.end() :])


def _split(text: str, separators: Separators) -> list[str]:
    """Cut at the terminators; line breaks are layout, unless one of them is the terminator."""
    hidden = _hidden(text, separators)
    if separators.terminator in "\r\n":
        return [raw.strip() for raw in re.split(r"[\r\n]+", hidden)]
    tag = rf"(?=[A-Z][A-Z0-9]{{2}}{re.escape(separators.element)})"
    hidden = re.sub(rf"(?<![\r\n])[\r\n]+[ \t]*{tag}", lambda _: separators.terminator, hidden)  # also where the terminator was left out
    segments = [re.sub(r"[\r\n]+", "", raw).strip() for raw in hidden.split(separators.terminator)]
    filler = re.compile(rf"[^\w\s{re.escape(separators.element)}](?:$|{tag})")  # a sign that a line break became on its way
    return [segment[1:] if filler.match(segment) else segment for segment in segments]


def _hidden(text: str, separators: Separators) -> str:
    """Replace each released service character by a stand-in that nothing splits at."""
    if not separators.release or separators.release not in text:
        return text
    own = {one: _STAND_INS[index] for index, one in enumerate(_services(separators))}
    between = "" if separators.terminator in "\r\n" else "[\r\n]*"  # a line may be wrapped after the release character, too
    return re.sub(f"{re.escape(separators.release)}{between}(.)", lambda found: own.get(found[1], found[1]), text, flags=re.DOTALL)


def _services(separators: Separators) -> tuple[str, ...]:
    return separators.component, separators.element, separators.terminator, separators.release


def _elements(raw: str, separators: Separators) -> list[list[str]]:
    found = [element.split(separators.component) for element in raw.split(separators.element)]
    if any(one in raw for one in _STAND_INS):
        shown = {ord(_STAND_INS[index]): one for index, one in enumerate(_services(separators))}
        return [[text.translate(shown) for text in element] for element in found]
    return found


def _grouped(segments: list[Segment], decimal: str) -> list[Message]:
    found: list[Message] = []
    current: Message | None = None
    interchange: Segment | None = None
    first = 0
    for segment in segments:
        tag = segment.tag
        if tag == "UNB":
            _unended(found[first:], interchange)
            interchange, first, current = segment, len(found), None
        elif tag == "UNH":
            sender = (interchange.at(2) if interchange else None) or ""
            current = Message(segment.at(2) or "", segment.at(1) or "", sender, decimal, [segment])
            found.append(current)
        elif tag == "UNT" and current is not None:
            _end(current, segment)
            current = None
        elif tag == "UNZ":
            _close(found[first:], interchange, segment)
            current = interchange = None
        elif current is not None and tag not in {"UNG", "UNE"}:
            if not _TAG.fullmatch(tag):
                current.problems.append((f"/{segment.number}", "segment", "what stands there is no segment"))
            current.segments.append(segment)
    _unended(found[first:], interchange)
    return found


def _unended(messages: list[Message], interchange: Segment | None) -> None:
    if interchange is not None:
        for one in messages:
            one.problems.append(("/UNZ", "envelope", "the interchange has no end (UNZ)"))


def _end(current: Message, segment: Segment) -> None:
    current.ended = True
    current.segments.append(segment)
    stated, counted = segment.at(1), len(current.segments)
    if not _equal(stated, str(counted)):
        current.lost = stated is not None and stated.isdecimal() and len(stated) < 10 and int(stated) > counted
        current.problems.append((segment.path(1), "segment_count", f"UNT counts {stated} segments, there are {counted}"))
    if not _equal(segment.at(2), current.reference):
        current.problems.append((segment.path(2), "reference", f"UNT02 is {segment.at(2)}, UNH01 is {current.reference}"))


def _close(messages: list[Message], interchange: Segment | None, segment: Segment) -> None:
    reference = interchange.at(5) if interchange else None
    for index, want in ((1, str(len(messages))), (2, reference)):
        if interchange is not None and not _equal(segment.at(index), want) and segment.at(index) is not None:
            for one in messages:
                one.notes.append((segment.path(index), "envelope", f"UNZ{index:02d} is {segment.at(index)}, it should be {want}"))


def _equal(one: str | None, other: str | None) -> bool:
    if one and other and one.isdecimal() and other.isdecimal():
        return one.lstrip("0") == other.lstrip("0")
    return (one or "") == (other or "")
