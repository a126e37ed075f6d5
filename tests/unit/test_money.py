"""Money: exact from the text on, shares that sum, one currency a sum."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.money import AmountError, Money, UnitPrice, allocate, decimal_of, round_ratio, to_minor, to_text

CURRENCIES = st.sampled_from(["GBP", "JPY", "KWD", "CLF"])


@given(st.integers(-(10**17), 10**17), CURRENCIES)
def test_an_amount_survives_its_text(amount: int, currency: str) -> None:
    assert amount == to_minor(to_text(amount, currency), currency)


@given(st.integers(-(10**12), 10**12), st.lists(st.integers(0, 10**9), min_size=1, max_size=60))
def test_shares_sum_and_stand_within_one_unit_of_their_due(amount: int, weights: list[int]) -> None:
    shares = allocate(amount, weights)
    total = sum(weights)
    assert amount == sum(shares)
    assert all(share * amount >= 0 for share in shares)
    if total:
        assert all(abs(share - amount * weight / total) <= 1 + 1e-3 for share, weight in zip(shares, weights, strict=True))


def test_published_hard_cases() -> None:
    assert [1, 1, 1, 1, 0, 0, 0] == allocate(4, [1] * 7)
    assert [34, 33, 33] == allocate(100, [1, 1, 1])
    assert [] == allocate(0, [])
    assert [0, -5] == allocate(-5, [0, 9])


@pytest.mark.parametrize("text", ["1e3000000", "1_0", "1_0.5", "NaN", "Infinity", "", "1,5", "0x10", "1" * 19, "1.2.3", "\u22121"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(AmountError):
        decimal_of(text)


@pytest.mark.parametrize("value", [True, 1.5, None, b"1"])
def test_floats_and_booleans_are_no_amounts(value: Any) -> None:
    with pytest.raises(AmountError):
        decimal_of(value)


def test_digits_a_currency_cannot_carry_are_refused_not_rounded() -> None:
    for text, currency in (("1.001", "GBP"), ("1.5", "JPY"), ("1.0001", "KWD")):
        with pytest.raises(AmountError):
            to_minor(text, currency)


def test_two_currencies_do_not_add() -> None:
    with pytest.raises(TypeError):
        Money.parse("1", "GBP") + Money.parse("1", "EUR")
    assert Money.parse("3", "GBP") == Money.parse("1", "GBP") + Money.parse("2", "GBP")


@given(st.integers(0, 10**9), st.integers(0, 6), st.integers(0, 10**4), CURRENCIES)
def test_a_row_is_rounded_once(amount: int, exponent: int, quantity: int, currency: str) -> None:
    price = UnitPrice(amount=amount, exponent=exponent)
    digits = {"GBP": 2, "JPY": 0, "KWD": 3, "CLF": 4}[currency]
    exact = price.decimal * quantity * Decimal(10) ** digits
    assert abs(Decimal(price.times(quantity, 0, currency, "half_up")) - exact) <= Decimal("0.5")


def test_a_tie_goes_away_from_zero_or_to_even() -> None:
    assert (3, 2, -3, -2) == (
        round_ratio(5, 1, 2, "half_up"),
        round_ratio(5, 1, 2, "half_even"),
        round_ratio(-5, 1, 2, "half_up"),
        round_ratio(-5, 1, 2, "half_even"),
    )
