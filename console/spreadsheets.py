"""Values for a CSV file that somebody opens in a spreadsheet: a text that would be taken for a formula is not.

Spreadsheets take a cell for a formula by how it begins, some after dropping blanks and marks nobody sees, some also in full-width
forms; a line break or a tab in front hides it from a careless look. Such a text gets an apostrophe in front; numbers of ours stay.
Source: OWASP, CSV Injection, read 2026-11-28.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Final

LEADS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\x00")
"""How a text begins that a spreadsheet may execute."""
_UNSEEN: Final = " \u00a0\u200b\u200c\u200d\u2060\ufeff\"'"
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def cell(value: object) -> str:
    """Return a value as a cell."""
    text = "" if value is None else str(value)
    if _NUMBER.fullmatch(text):
        return text
    return f"'{text}" if text.lstrip(_UNSEEN).startswith(LEADS) else text


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a CSV file's text (RFC 4180)."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows([cell(value) for value in row] for row in rows)
    return out.getvalue()
