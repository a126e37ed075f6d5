"""An EDIFACT message's segments by section, each marked when it is read, so that what nobody asked for is kept.

Input:   a message (`normalizers.edifact_segments`).
Output:  header, lines and summary; the first segment of a qualifier; amounts of MOA; what is left for `extensions`.
Fails:   NormalizationFailed naming segment number and element.
"""

from collections.abc import Iterable

from normalizers.amounts import minor
from normalizers.draft import Draft
from normalizers.edifact_segments import Message, Segment
from normalizers.wire import Report, json_text
from schemas.failures import NormalizationFailed


class Reader:
    """The segments of one message by section, and which of them have found a place in the order."""

    def __init__(self, one: Message, report: Report) -> None:
        self.decimal = one.decimal
        self.report = report
        self.header: list[Segment] = []
        self.lines: list[list[Segment]] = []
        self.tail: list[Segment] = []
        self.placed: set[int] = set()
        for segment in one.segments:
            if segment.tag in {"UNH", "UNT", "CNT", "BGM"} or (segment.tag == "UNS" and len(segment.elements) < 3):
                self.placed.add(segment.number)
            if self.tail or segment.tag in {"CNT", "UNT"} or (segment.tag == "UNS" and segment.at(1) == "S"):
                self.tail.append(segment)
            elif segment.tag == "LIN":
                self.lines.append([segment])
            elif self.lines:
                self.lines[-1].append(segment)
            else:
                self.header.append(segment)

    def use(self, segment: Segment) -> Segment:
        """Say that all of a segment has found its place."""
        self.placed.add(segment.number)
        return segment

    def pick(self, segments: Iterable[Segment], tag: str, *qualifiers: str) -> Segment | None:
        """Return the first `tag` of the first of `qualifiers` there is (of any, without one); it counts as placed."""
        found = [segment for segment in segments if segment.tag == tag]
        for qualifier in qualifiers:
            for segment in found:
                if segment.at(1) == qualifier:
                    return self.use(segment)
        return self.use(found[0]) if found and not qualifiers else None

    def number(self, segment: Segment, element: int, component: int) -> str | None:
        """Return a number with a point; its mark is the interchange's, or the other one where only that stands."""
        stated = segment.at(element, component)
        if stated is None or "," not in stated:
            return stated
        if self.decimal != "," and "." not in stated:
            self.report.note(segment.path(element, component), "decimal_mark", "a comma is read as the decimal mark", stated)
        return stated.replace(",", ".") if "." not in stated else stated

    def amount(self, draft: Draft, segment: Segment | None) -> int | None:
        """Read the amount of a MOA in minor units."""
        stated = self.number(segment, 1, 2) if segment else None
        if segment is None or stated is None:
            return None
        code = segment.at(1, 3)
        if code is not None and len(code) == 3 and draft.foreign(code):
            raise NormalizationFailed(
                f"{segment.path(1, 3)} is in another currency than the order's {draft.currency}",
                field=segment.path(1, 3),
                rule="one_currency",
                value=code,
            )
        return minor(stated, draft.currency, f"/{segment.number}", "MOA01.2", self.report)

    def left(self) -> dict[str, str]:
        """Return the segments that have no place: path -> JSON text."""
        every = [*self.header, *(segment for loop in self.lines for segment in loop), *self.tail]
        return {f"/{one.number}/{one.tag}": json_text(str(one)) for one in every if one.number not in self.placed}
