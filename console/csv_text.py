"""Rows as CSV that no spreadsheet takes for formulas: one writer for every export, of the command line and of the pages. Pure.

A text that begins like a formula, after whatever a spreadsheet skips, gets an apostrophe before it, and so does a text that begins
with one: `read` takes exactly that one away again, so the round trip loses nothing. Numbers are written as they are: they are ours.
Every cell is quoted, so that a delimiter of another country's spreadsheet, or a line end, does not open a cell of its own.

Source: OWASP ASVS 5.0.0 requirement 1.2.10 (= + - @ TAB and NUL; RFC 4180); carriage return, line feed and the full-width signs are added, read
2026-11-28.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

FORMULA: Final = re.compile(r"[\s\0'\ufeff\u200b]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n\0']")
"""What begins like a formula, a command, or our own mark. Full-width signs count: some spreadsheets fold them."""
Cell = str | int | Decimal | None


def line(row: Iterable[object]) -> str:
    """Return one row as a line of CSV, its end included; None is an empty cell, anything but a number is text."""
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow([_safe(value) for value in row])
    return out.getvalue()


def lines(header: Sequence[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Return header and rows, line by line."""
    yield line(header)
    for row in rows:
        yield line(row)


def read(text: str) -> list[list[str]]:
    """Return the rows of a text that `lines` wrote, header included, each cell as it was given."""
    return [[cell.removeprefix("'") for cell in row] for row in csv.reader(io.StringIO(text, newline=""))]


def _safe(value: object) -> object:
    if value is None or (isinstance(value, int | Decimal) and not isinstance(value, bool)):
        return value
    text = str(value)
    return f"'{text}" if FORMULA.match(text) else text
