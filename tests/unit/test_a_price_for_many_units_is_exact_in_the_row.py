"""A price that is stated for a hundred units is divided for the eye; the row is computed before the division is rounded."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from normalizers.amounts import price_of, priced_row
from normalizers.wire import Report, day_and_time
from schemas.failures import NormalizationFailed
from schemas.money import UnitPrice


@pytest.mark.parametrize(
    ("price", "basis", "units", "exponent", "shown", "gross"),
    [
        ("70.00", "100", 2505, 1, "0.70", 17535),
        ("3", "1", 7, 0, "3", 2100),
        ("1.00", "3", 3, 0, "0.333333", 100),
        ("0.00001", "1", 1_000_000, 0, "0.00001", 1000),
        ("1", "1000", 1, 0, "0.001", 0),
        ("-2.50", "1", 2, 0, "-2.50", -500),
    ],
)
def test_price_and_row(price: str, basis: str, units: int, exponent: int, shown: str, gross: int) -> None:
    found, row = priced_row(Decimal(price), Decimal(basis), units, exponent, "EUR", "", "price")
    assert (shown, gross) == (format(found.decimal, "f"), row)


@given(price=st.integers(0, 10**9), basis=st.integers(1, 10**4), units=st.integers(0, 10**6))
def test_the_row_is_within_half_a_minor_unit_of_the_truth(price: int, basis: int, units: int) -> None:
    _, row = priced_row(Decimal(price).scaleb(-2), Decimal(basis), units, 0, "EUR", "", "price")
    assert abs(row - Fraction(price * units, basis)) <= Fraction(1, 2)


@pytest.mark.parametrize(("price", "basis", "units"), [("1", "0", 1), ("1", "-5", 1), ("9" * 18, "1", 10**9)])
def test_what_cannot_be_a_price_is_refused(price: str, basis: str, units: int) -> None:
    with pytest.raises(NormalizationFailed):
        priced_row(Decimal(price), Decimal(basis), units, 0, "EUR", "/1", "price")


@pytest.mark.parametrize(
    ("day", "time", "moment", "rules"),
    [
        ("2026-03-02", "09:15:00+01:00", "2026-03-02T08:15:00+00:00", []),
        ("2026-03-02+01:00", "09:15:00", "2026-03-02T08:15:00+00:00", []),
        ("2026-03-02", "09:15:00", "2026-03-02T09:15:00+00:00", ["instant_without_zone"]),
        ("2026-03-02", None, "2026-03-02T00:00:00+00:00", ["date_without_time"]),
        ("2026-03-02-05:00", None, "2026-03-02T05:00:00+00:00", ["date_without_time"]),
        ("2026-02-30", None, None, ["date_without_time", "instant"]),
        ("soon", None, None, ["instant"]),
        (None, "09:15:00", None, []),
    ],
)
def test_a_day_and_a_time_in_fields_of_their_own(day: str | None, time: str | None, moment: str | None, rules: list[str]) -> None:
    report = Report()
    found = day_and_time(day, time, "/x", report)
    assert moment == (found.isoformat() if found else None)
    assert rules == [finding.rule for finding in report.findings]


def test_a_price_keeps_the_digits_it_was_written_with_whatever_was_read_before() -> None:
    for written in ("30990", "30990.0", "30990.00"):
        exponent = len(written.partition(".")[2])
        for value in (written, Decimal(written)):
            assert price_of({"price": value}, "price", "") == UnitPrice(amount=int(written.replace(".", "")), exponent=exponent)
    assert price_of({"price": 30990}, "price", "") == UnitPrice(amount=30990, exponent=0)
