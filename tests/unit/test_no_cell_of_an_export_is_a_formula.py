"""Fourteen ways for a text to begin like a formula, in each of six columns: no cell is one, and every cell reads back as it was."""

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from console import csv_text

LEADS: Final = {
    "equals": "=1+1", "plus": "+1+1", "minus": "-1+1", "at": "@SUM(A1)", "tab": "\t=1+1", "carriage return": "\r=1+1", "line feed": "\n=1+1",
    "NUL": "\0=1+1", "full-width equals": "\uff1d1+1", "full-width plus": "\uff0b1+1", "full-width minus": "\uff0d1+1", "full-width at": "\uff20SUM(A1)",
    "blank before": "  =cmd|' /C calc'!A0", "apostrophe": "'=1+1",
}  # fmt: skip
COLUMNS: Final = ("order_number", "name", "address", "reason", "comment", "code")
STARTS: Final = tuple("=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20")


def cells(text: str) -> list[list[str]]:
    """Return the rows as a spreadsheet would open them."""
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("column", range(len(COLUMNS)), ids=COLUMNS)
@pytest.mark.parametrize("lead", LEADS)
def test_a_text_that_begins_like_a_formula_is_a_text(lead: str, column: int) -> None:
    row = [f"value {number}" for number in range(len(COLUMNS))]
    row[column] = LEADS[lead]
    text = "".join(csv_text.lines(COLUMNS, [row]))
    opened = cells(text)
    assert len(COLUMNS) == len(opened[1])
    assert not [cell for cell in opened[1] if cell.lstrip(" \ufeff\u200b").startswith(STARTS)]
    assert [list(COLUMNS), row] == csv_text.read(text)


def test_numbers_of_ours_stay_numbers_and_nothing_is_an_empty_cell() -> None:
    text = csv_text.line([-5, Decimal("-10.50"), None, True, "", "-5"])
    assert [["-5", "-10.50", "", "True", "", "'-5"]] == cells(text)


def test_ordinary_texts_are_left_alone() -> None:
    row = ["Ida O'Neil", "2 Low Street; Leeds", 'a "quoted" word', "1-2", "ida@example.com", "two\r\nlines"]
    text = csv_text.line(row)
    assert [row] == cells(text) == csv_text.read(text)
    assert '"2 Low Street; Leeds"' in text, "every cell is quoted, whatever delimiter a spreadsheet expects"


def test_every_export_goes_through_the_one_writer() -> None:
    root = Path(csv_text.__file__).parents[1]
    packages = ("console", "ordermend", "dlq_handler", "modification_processor", "intake", "store")
    writing = [
        path.relative_to(root).as_posix() for name in packages for path in (root / name).rglob("*.py") if "csv.writer(" in path.read_text()
    ]
    assert ["console/csv_text.py"] == writing
