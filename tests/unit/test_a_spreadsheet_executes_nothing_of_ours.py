"""Whatever a text begins with that a spreadsheet would execute, the file's cell is a text; numbers and plain words stay as they are."""

import csv
import io

import pytest

from console.spreadsheets import LEADS, cell, table


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("before", ["", " ", "\ufeff", "\u200b ", "\u00a0", '"'])
def test_a_formula_becomes_text(lead: str, before: str) -> None:
    text = f"{before}{lead}cmd|' /C calc'!A0"
    assert f"'{text}" == cell(text)
    assert 14 == len(set(LEADS))


@pytest.mark.parametrize("text", ["#7001", "applied", "-12", "-12.50", "0", "Ida Example", "a=b", ""])
def test_what_is_no_formula_stays(text: str) -> None:
    assert text == cell(text)


def test_nothing_is_nothing_and_a_number_with_a_formula_behind_it_is_text() -> None:
    assert "" == cell(None)
    assert "'-1+cmd" == cell("-1+cmd")


def test_a_file_is_read_back_as_it_was_written() -> None:
    text = table(("a", "b"), [("=1", "two, three"), ('say "x"', "line\nbreak")])
    assert [["a", "b"], ["'=1", "two, three"], ['say "x"', "line\nbreak"]] == list(csv.reader(io.StringIO(text)))
