"""X12 875 and 876: allowances as they are handled, what is for information only, changes that restate, and counts that vouch for each other."""

import pytest

from normalizers import discover
from normalizers.channel import Document, Result, StatedChange, StatedOrder, StatedPart, Unreadable

ENVELOPE = "ISA*00*          *00*          *08*9251230000     *ZZ*ORDERMEND      *260701*1200*U*00401*000000091*0*P*>~"
LINE = "G68*24*CA*18.5*001234500017*VN*YOG-6"


def read(kind: str, *segments: str, counted: int | None = None) -> Result:
    body = [f"ST*{kind}*0001", *segments]
    body.append(f"SE*{counted or len(body) + 1}*0001")
    text = f"{ENVELOPE}GS*OG*A*B*20260701*1200*9*X*004010UCS~{'~'.join(body)}~GE*1*9~IEA*1*000000091~"
    (result,) = discover()["x12"].normalize((Document(text.encode()),))
    return result


def order(*segments: str, status: str = "N", counted: int | None = None) -> StatedOrder:
    result = read("875", f"G50*{status}*20260701*GR-1", *segments, counted=counted)
    assert isinstance(result, StatedOrder)
    return result


@pytest.mark.parametrize(
    ("allowance", "discount", "charges", "tax"),
    [
        ("G72*52*02***.5", 1200, 0, 0),  # fifty cents for each of the line's 24
        ("G72*52*02***.5*10*CA", 500, 0, 0),  # of ten
        ("G72*52*02******480", 480, 0, 0),
        ("G72*52*02*******5*100", 500, 0, 0),  # five per cent of what it states
        ("G72*52*02*******5", 2220, 0, 0),  # of the line
        ("G72*52*01******480", 0, 0, 0),  # billed back
        ("G72*504*06******2500", 0, 2500, 0),
        ("G72*503*06******-300", 0, 300, 0),
        ("G72*501*06******111", 0, 0, 111),
        ("G72*504*02******2500", 0, 0, 0),  # freight that is not invoiced
    ],
)
def test_an_allowance_is_taken_off_where_the_invoice_has_it(allowance: str, discount: int, charges: int, tax: int) -> None:
    stated = order(LINE, allowance, "G76*24*CA")
    totals = stated.order.totals
    assert (44400, discount, charges, tax) == (
        totals.subtotal_minor,
        totals.discount_minor,
        totals.shipping_minor + totals.fee_minor,
        totals.tax_minor,
    )
    if not (discount or charges or tax):
        assert any(allowance in text for text in stated.order.extensions.values())


def test_an_allowance_of_the_order_is_spread_over_its_lines() -> None:
    stated = order("G72*52*02******100", LINE, "G68*24*CA*18.5*001234500024", "G76*48*CA")
    (discount,) = stated.order.adjustments
    assert [50, 50] == [part.amount_minor for part in discount.allocations]


@pytest.mark.parametrize("status", ["A", "X"])
def test_what_is_for_information_or_a_trial_makes_no_order(status: str) -> None:
    result = read("875", f"G50*{status}*20260701*GR-1", LINE, "G76*24*CA")
    assert isinstance(result, StatedPart)
    assert ("draft", ()) == (result.event, result.missing)


def test_a_wrong_count_of_segments_is_forgiven_where_the_quantities_vouch_for_the_lines() -> None:
    assert "accept_with_warning" == order(LINE, "G76*24*CA", counted=9).verdict
    result = read("875", "G50*N*20260701*GR-1", LINE, "G76*30*CA", counted=9)
    assert isinstance(result, Unreadable)
    assert ("quarantine", "segment_count") == (result.verdict, result.findings[0].rule)


@pytest.mark.parametrize(
    ("word", "line", "action"),
    [("CA", LINE, "change"), ("AI", LINE, "add"), ("DI", LINE, "delete"), ("NC", LINE, "keep"), ("QI", "G68*0*CA**001234500024", "delete")],
)
def test_a_change_restates_its_lines(word: str, line: str, action: str) -> None:
    result = read("876", f"G92*{word}*20260701*GR-1", line)
    assert isinstance(result, StatedChange)
    assert ("edit", action) == (result.event, result.line_changes[0].action)


def test_a_cancelled_order_says_so_either_way() -> None:
    assert "cancel" == order(LINE, "G76*24*CA", status="F").event
    assert "cancel" == read("876", "G92*CF*20260701*GR-1").event


def test_a_changed_allowance_is_left_to_a_person() -> None:
    result = read("876", "G92*CE*20260701*GR-1", LINE, "G72*52*02***.7")
    assert isinstance(result, StatedChange)
    assert "action_not_read" in {finding.rule for finding in result.findings}


@pytest.mark.parametrize("element", ["NaN", "sNaN", "1e999999999", "-", "9" * 40, "x"])
@pytest.mark.parametrize(
    "segment", ["G68*{}*CA*1*001234500017", "G68*1*CA*{}*001234500017", "G72*52*02***{}", "G72*52*02******{}", "G76*{}*CA*****{}"]
)
def test_a_number_that_is_none_is_refused_by_its_place(segment: str, element: str) -> None:
    result = read("875", "G50*N*20260701*GR-1", LINE, segment.format(element, element), "G76*1*CA")
    assert isinstance(result, StatedOrder | Unreadable)
    assert not isinstance(result, Unreadable) or result.findings[0].path
