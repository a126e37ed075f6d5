"""EDIFACT orders that are known by what they refer to, and whose CNT+2 counts units."""

import pytest

from normalizers import discover
from normalizers.channel import Document, Result, StatedChange, StatedOrder, Unreadable

LINES = ("LIN+1++ART-1:SA'", "QTY+21:4'", "PRI+AAA:2.5'", "LIN+2++ART-2:SA'", "QTY+21:6,5'", "PRI+AAA:2.5'")


def read(*segments: str, kind: str = "ORDERS", off_by: int = 0) -> Result:
    body = [f"UNH+1+{kind}:D:93A:UN'", *segments]
    (result,) = discover()["edifact"].normalize((Document("".join([*body, f"UNT+{len(body) + 1 + off_by}+1'"]).encode()),))
    return result


@pytest.mark.parametrize(
    ("head", "referred", "number"),
    [
        ("BGM+220'", "RFF+ON:70-1'", "70-1"),
        ("BGM+220+PO-7'", "RFF+ON:70-1'", "PO-7"),
        ("BGM+220'", "RFF+ON' RFF+ON:70-1'", "70-1"),
        ("BGM+220'", "RFF+CT:70-1'", None),
    ],
)
def test_an_order_without_a_number_is_known_by_the_one_it_refers_to(head: str, referred: str, number: str | None) -> None:
    result = read(head, *referred.split(), *LINES, "UNS+S'", "CNT+2:2'")
    if number is None:
        assert isinstance(result, Unreadable)
    else:
        assert isinstance(result, StatedOrder)
        assert number == result.order.source.channel_order_id


def test_an_order_that_a_line_refers_to_is_not_the_order() -> None:
    assert isinstance(read("BGM+220'", *LINES[:3], "RFF+ON:70-1'", "UNS+S'"), Unreadable)


def test_a_change_is_of_the_order_it_refers_to() -> None:
    result = read("BGM+230+CH-1'", "RFF+ON:70-1'", "LIN+1+3+ART-1:SA'", "QTY+21:4'", "UNS+S'", kind="ORDCHG")
    assert isinstance(result, StatedChange)
    assert "70-1" == result.channel_order_id


@pytest.mark.parametrize(
    ("count", "second", "off_by", "verdict"),
    [
        ("2", "6", 0, "accept_with_warning"),  # no currency
        ("10", "6", 0, "accept_with_warning"),  # the units
        ("10", "6", 1, "dead_letter"),  # and a segment is missing
        ("9", "6", 0, "dead_letter"),
        ("10", "6,5", 0, "dead_letter"),
    ],
)
def test_a_count_of_units_is_no_loss(count: str, second: str, off_by: int, verdict: str) -> None:
    result = read("BGM+220+PO-7'", *(line.replace("6,5", second) for line in LINES), "UNS+S'", f"CNT+2:{count}'", off_by=off_by)
    assert isinstance(result, StatedOrder | Unreadable)
    assert verdict == result.verdict


@pytest.mark.parametrize("between", ["~", "~\n", "\n~"])
def test_a_sign_that_stands_for_a_line_break_is_passed_over(between: str) -> None:
    body = ["UNH+1+ORDERS:D:96A:UN'", "BGM+220+PO-7'", "NAD+ST+1::9++~Lee+Oak 1'", *LINES, "UNS+S'", "CNT+2:2'", "UNT+11+1'"]
    (result,) = discover()["edifact"].normalize((Document(between.join(body).encode()),))
    assert isinstance(result, StatedOrder)
    assert ("PO-7", 2, "~Lee") == (result.order.order_number, len(result.order.lines), result.order.ship_to and result.order.ship_to.name)
    assert "segment" not in {finding.rule for finding in result.findings}


@pytest.mark.parametrize(
    ("second", "city"), [("NAD+DP+++Lee+Oak 1+Ulm'", "Ulm"), ("NAD+DP+++Lee+Elm 2+Bonn'", None), ("NAD+BY+++Lee+Oak 1+Ulm'", None)]
)
def test_the_goods_go_where_every_line_says(second: str, city: str | None) -> None:
    result = read("BGM+220+PO-7'", *LINES[:3], "NAD+DP+++Lee+Oak 1+Ulm'", *LINES[3:], second, "UNS+S'")
    assert isinstance(result, StatedOrder)
    assert city == (result.order.ship_to and result.order.ship_to.city)


def test_a_word_in_the_place_of_a_prices_basis_is_none() -> None:
    result = read("BGM+220+PO-7'", "LIN+1++ART-1:SA'", "QTY+21:4'", "PRI+AAA:2.5:::NTP'", "UNS+S'")
    assert isinstance(result, StatedOrder)
    assert 1000 == result.order.lines[0].gross_minor
    assert "price_basis" in {finding.rule for finding in result.findings}
    assert isinstance(read("BGM+220+PO-7'", "LIN+1++ART-1:SA'", "QTY+21:4'", "PRI+AAA:2.5:::1x'", "UNS+S'"), Unreadable)


@pytest.mark.parametrize("after", ["", "\n", "\r\n"])
def test_a_service_string_without_its_reserved_sign_is_read(after: str) -> None:
    text = f"UNA:+.?'{after}UNB+UNOC:3+A+B+260701:1200+1'UNH+1+ORDERS:D:96A:UN'BGM+220+PO-7'{''.join(LINES)}UNS+S'UNT+10+1'UNZ+1+1'"
    (result,) = discover()["edifact"].normalize((Document(text.encode()),))
    assert isinstance(result, StatedOrder)
    assert ("PO-7", 2) == (result.order.order_number, len(result.order.lines))


@pytest.mark.parametrize(
    ("prices", "gross", "discount"),
    [
        ("PRI+AAA:.0000:::0' PRI+INF:2.3:::0' ALC+A' PCD+3:10.00'", 920, 92),
        ("PRI+AAB:2.7' PRI+AAA:0,00' ALC+A' PCD+3:10'", 1080, 108),
        ("PRI+AAA:2.5' PRI+AAB:2.7' ALC+A' PCD+3:10'", 1000, 0),
        ("PRI+AAA:0' PRI+INF:0'", 0, 0),
        ("PRI+AAB' PRI+AAA:2.5'", 1000, 0),
        ("MOA+146:2.25'", 900, 0),  # a unit price, where no PRI has one
        ("PRI+AAA:0' MOA+146:2.25'", 900, 0),
        ("PRI+AAA:2.5' MOA+146:2.25'", 1000, 0),
    ],
)
def test_a_price_filled_with_zeros_is_none_beside_another(prices: str, gross: int, discount: int) -> None:
    result = read("BGM+220+PO-7'", "LIN+1++ART-1:SA'", "QTY+21:4'", *prices.split(), "UNS+S'")
    assert isinstance(result, StatedOrder)
    assert (gross, discount) == (result.order.lines[0].gross_minor, result.order.totals.discount_minor)


@pytest.mark.parametrize(
    ("line", "more", "sku"),
    [
        ("LIN+1++614141000012:UP'", "PIA+1+V-9:VP'", "V-9"),
        ("LIN+1++0571234567:IB'", "PIA+1+B-1:BP'", "0571234567"),
        ("LIN+1++B-1:BP'", "PIA+5+S-1:SA+614141000012:EN'", "S-1"),
        ("LIN+1++614141000012:::9'", "PIA+1+B-1:IN'", "B-1"),
    ],
)
def test_an_article_is_known_by_the_sellers_number_before_the_buyers(line: str, more: str, sku: str) -> None:
    result = read("BGM+220+PO-7'", line, more, "QTY+21:4'", "PRI+AAA:2.5'", "UNS+S'")
    assert isinstance(result, StatedOrder)
    assert sku == result.order.lines[0].sku
