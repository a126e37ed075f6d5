"""X12 interchange -> its transaction sets, and whether the envelope holds; knows no document type.

Input:   the bytes of one interchange (ISA … IEA), of several on end, or of bare groups or sets (GS, ST). Separators are found by position: the element separator follows
         "ISA", the component separator is the sixteenth element, the segment terminator the character after it.
Output:  `TransactionSet`s: segments as lists of elements, the envelope's ids, what is wrong (`problems`), whether SE was reached.
Fails:   UndecodableMessage (no interchange), LimitExceeded, UnsafeDocument (NUL).
Source:  ASC X12.5 (interchange control structure) and X12.6 (application control structure), 004010, as published in implementation
         guides; read 2026-11-23. Real files pad ISA short, indent segments, use a line break as terminator, or are cut into lines of one
         length wherever that falls: all read here.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from normalizers.wire import MAX_BYTES, MAX_ROWS
from schemas.failures import LimitExceeded, UndecodableMessage, UnsafeDocument

MAX_SEGMENTS = 50 * MAX_ROWS
_BREAKS = "\r\n"
_TAG = re.compile(r"[A-Z][A-Z0-9]{1,2}")
_BARE = re.compile(r"(?:GS|ST)([^\w\s])(?:[A-Z]{2}|\d{3})\1")
"""What a functional group, or a set, without the interchange around it begins with."""
_LINE_BREAK = re.compile(r"\r\n?|\n")
_NARROWEST = 40
"""Characters of the shortest line that a file is taken to be cut into."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: its tag, its elements (`at(1)` is the first), its number in the interchange."""

    number: int
    elements: list[str]

    @property
    def tag(self) -> str:
        """The segment's name."""
        return self.elements[0]

    def at(self, index: int) -> str | None:
        """Return an element without blanks around it, or None where it is absent or empty."""
        return (self.elements[index].strip() or None) if index < len(self.elements) else None

    def path(self, index: int) -> str:
        """Return how a finding names an element: segment number, tag and element."""
        return f"/{self.number}/{self.tag}{index:02d}"


@dataclass(slots=True)
class TransactionSet:
    """The segments from ST to SE, with the envelope they came in."""

    kind: str
    control: str
    sender: str
    segments: list[Segment] = field(default_factory=list)
    problems: list[tuple[str, str, str]] = field(default_factory=list)
    """(path, rule, message) of each thing wrong with the envelope."""
    ended: bool = False
    count_right: bool = True


def read_sets(body: bytes) -> list[TransactionSet]:
    """Return the transaction sets of a document, in its order."""
    if len(body) > MAX_BYTES:
        raise LimitExceeded(f"{len(body)} bytes are more than {MAX_BYTES}", field="", rule="max_bytes", value=str(len(body)))
    text = _text(body)
    element, terminator, component = _separators(text)
    segments = []
    for number, raw in enumerate(_split(text, element, terminator, component), 1):
        if number > MAX_SEGMENTS:
            raise LimitExceeded(f"more than {MAX_SEGMENTS} segments", field=f"/{number}", rule="max_segments")
        segments.append(Segment(number, raw.split(element)))
    return _grouped(segments)


def _text(body: bytes) -> str:
    if b"\0" in body:
        raise UnsafeDocument("a NUL in the document", field=f"@{body.index(0)}", rule="nul")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("latin-1")  # X12's extended character set
    text = _of_one_length(text.lstrip())
    if _BARE.match(text) is None and (not text.startswith("ISA") or len(text) < 50):
        raise UndecodableMessage("no X12 interchange: it does not start with ISA", field="@0", rule="isa", value=text[:16])
    return text


def _of_one_length(text: str) -> str:
    """Return the text without its line breaks where a program cut it into lines of one length, in the middle of words too."""
    lines = _LINE_BREAK.split(text.rstrip(_BREAKS))
    width = len(lines[0])
    if len(lines) < 3 or width < _NARROWEST or len(lines[-1]) > width or any(len(line) != width for line in lines[:-1]):
        return text
    return "".join(lines)


def _separators(text: str) -> tuple[str, str, str | None]:
    """Return (element separator, segment terminator, component separator)."""
    if (bare := _BARE.match(text)) is not None:
        return bare[1], _bare_terminator(text, bare[1]), None
    element = text[3]
    place = 3
    for _ in range(15):
        place = text.find(element, place + 1)
        if not 0 < place < 200:
            raise UndecodableMessage("no X12 interchange: ISA has no sixteen elements", field="/1/ISA16", rule="isa", value=text[:16])
    if element.isalnum() or element in _BREAKS or place + 2 >= len(text):
        raise UndecodableMessage("no X12 interchange: no separators in ISA", field="/1/ISA16", rule="isa", value=text[:16])
    component, terminator = text[place + 1], text[place + 2]
    if terminator in " \t" and (found := re.match(r"[ \t]+([^\w \t])", text[place + 2 :])):
        terminator = found[1]  # blanks before the terminator: a segment does not end at each blank
    if component in _BREAKS:
        return element, component, None
    if component == element:  # of no component: the element separator stands in its place
        return element, terminator, None
    if terminator.isalnum() or (
        terminator in _BREAKS and re.search(rf"{re.escape(component)}[ \t]*(?:ST|BEG|BCH|SE|GE|IEA){re.escape(element)}", text)
    ):
        return element, component, None  # ISA16 left out: what stands in its place ends the segment
    return element, terminator, component


def _bare_terminator(text: str, element: str) -> str:
    """Return what ends the segments of a set that came without its interchange: what stands before the segment it begins with."""
    found = re.search(rf"([^\w\s{re.escape(element)}])\s*(?:ST|BEG|BCH|G50|G92){re.escape(element)}", text[:1000])
    return found[1] if found else "\n"


def _split(text: str, element: str, terminator: str, component: str | None) -> Iterator[str]:
    if terminator == "\r":
        terminator, text = "\n", text.replace("\r\n", "\n").replace("\r", "\n")
    by_line = terminator == "\n"
    for raw in text.split(terminator):
        segment = raw.strip()
        if by_line and component and not segment.startswith("ISA"):
            segment = segment.rstrip(component)
        if not segment:
            continue
        if "\n" in segment:
            yield from _without_terminator(segment, element)
        else:
            yield segment


def _without_terminator(segment: str, element: str) -> Iterator[str]:
    """Cut where a line break and a segment's tag stand inside a segment: its terminator was left out (the counts in SE and CTT judge)."""
    # A run of blanks is taken whole and once: tried from each of its blanks, four kilobytes of them cost a minute.
    parts = re.split(rf"(?<!\s)(?=[^\S\r\n]*+[\r\n])\s++(?=[A-Z][A-Z0-9]{{1,2}}{re.escape(element)})", segment)
    for part in parts:
        yield " ".join(_LINE_BREAK.split(part)) if "\n" in part else part


def _grouped(segments: list[Segment]) -> list[TransactionSet]:  # noqa: C901  # one branch per envelope segment
    found: list[TransactionSet] = []
    current: TransactionSet | None = None
    interchange: Segment | None = None
    group: Segment | None = None
    first_of_group = first_of_interchange = groups = 0
    for segment in segments:
        tag = segment.tag
        if tag == "ISA":
            interchange, first_of_interchange, groups = segment, len(found), 0
        elif tag == "GS":
            group, first_of_group, groups = segment, len(found), groups + 1
        elif tag == "ST":
            current = TransactionSet(
                segment.at(1) or "", segment.at(2) or "", (interchange.at(6) if interchange else None) or "", [segment]
            )
            found.append(current)
            if interchange is None:
                current.problems.append(("/ISA", "envelope", "the transaction set came without an interchange"))
        elif tag == "SE" and current is not None:
            _end_set(current, segment)
            current = None
        elif tag == "GE":
            _check(found[first_of_group:], segment, ((1, str(len(found) - first_of_group)), (2, group.at(6) if group else None)))
            current = group = None
        elif tag == "IEA":
            _check(found[first_of_interchange:], segment, ((1, str(groups)), (2, interchange.at(13) if interchange else None)))
            current = interchange = None
        elif current is not None:
            if not _TAG.fullmatch(tag):
                current.problems.append((f"/{segment.number}", "segment", "what stands there is no segment"))
            current.segments.append(segment)
    if interchange is not None:
        for one in found[first_of_interchange:]:
            one.problems.append(("/IEA", "envelope", "the interchange has no end (IEA)"))
    return found


def _end_set(current: TransactionSet, segment: Segment) -> None:
    current.ended = True
    stated, counted = segment.at(1), len(current.segments) + 1
    current.segments.append(segment)
    if not _equal(stated, str(counted)):
        current.count_right = False
        current.problems.append((segment.path(1), "segment_count", f"SE01 counts otherwise than the {counted} segments there are"))
    if not _equal(segment.at(2), current.control):
        current.problems.append((segment.path(2), "control_number", "SE02 is not the number in ST02"))


def _check(sets: Iterable[TransactionSet], segment: Segment, wanted: tuple[tuple[int, str | None], ...]) -> None:
    for index, want in wanted:
        if not _equal(segment.at(index), want):
            problem = (segment.path(index), "envelope", f"{segment.tag}{index:02d} is not what the envelope holds or began with")
            for one in sets:
                one.problems.append(problem)


def _equal(one: str | None, other: str | None) -> bool:
    if one and other and one.isdecimal() and other.isdecimal():
        return one.lstrip("0") == other.lstrip("0")
    return one == other
