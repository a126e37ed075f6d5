"""X12 as partners write it: totals of the goods alone, counts of units, ids and prices and addresses where others do not have them, no envelope."""

import json

import pytest

from normalizers import discover
from normalizers.channel import Document, Result, StatedChange, StatedOrder, Unreadable
from normalizers.summary import summarize

ISA = "ISA*00*          *00*          *08*9251230000     *ZZ*ORDERMEND      *260701*1200*U*00401*000000093*0*P*>~"
LINE = "PO1*1*4*EA*2.5**VN*ART-1"


def text_of(*segments: str, kind: str = "850", counted: int = 0) -> str:
    body = [f"ST*{kind}*0001", *segments]
    return f"{ISA}GS*PO*A*B*20260701*1200*9*X*004010~{'~'.join(body)}~SE*{len(body) + 1 + counted}*0001~GE*1*9~IEA*1*000000093~"


def read(text: str) -> Result:
    (result,) = discover()["x12"].normalize((Document(text.encode()),))
    return result


def order(*segments: str, head: str = "BEG*00*SA*PO-7**20260701") -> StatedOrder:
    result = read(text_of(head, *segments))
    assert isinstance(result, StatedOrder)
    return result


@pytest.mark.parametrize("beside", ["SAC*C*D500***895", "SAC*A*C310***100", "TXI*VA*1.9", ""])
@pytest.mark.parametrize("counted", ["CTT*1", ""])
def test_a_total_of_the_goods_alone_holds_no_order(beside: str, counted: str) -> None:
    stated = order(*filter(None, ("CUR*BY*USD", beside, LINE, counted, "AMT*TT*10")))
    assert ("accept", ()) == (stated.verdict, stated.order.holds)
    assert "10.00" == summarize((stated,))["grand_total"]
    assert stated.order.totals.grand_total_minor == 1000 + {"SAC*C": 895, "SAC*A": -100, "TXI*V": 190, "": 0}[beside[:5]]


def test_a_total_that_is_neither_is_held() -> None:
    assert "accept_with_hold" == order("CUR*BY*USD", "SAC*C*D500***895", LINE, "CTT*1", "AMT*TT*15").verdict


@pytest.mark.parametrize(
    ("count", "off_by", "verdict"),
    [
        ("CTT*2", 0, "accept"),
        ("CTT*1", 0, "accept_with_warning"),  # too low: nothing is missing
        ("CTT*10", 0, "accept_with_warning"),  # the units
        ("CTT*3", 0, "quarantine"),
        ("CTT*1", 2, "quarantine"),  # and segments are missing
        ("CTT*10", 2, "quarantine"),
    ],
)
def test_a_count_that_is_no_loss_refuses_nothing(count: str, off_by: int, verdict: str) -> None:
    result = read(text_of("BEG*00*SA*PO-7**20260701", "CUR*BY*USD", LINE, "PO1*2*6*EA*2.5**VN*ART-2", count, counted=off_by))
    assert isinstance(result, StatedOrder | Unreadable)
    assert verdict == result.verdict


@pytest.mark.parametrize(
    ("ids", "sku"),
    [
        ("*VN*ART-1*UP*614141000012", "ART-1"),
        ("**VN*ART-1*UP*614141000012", "ART-1"),  # one element too far on
        ("**ART-1", "ART-1"),  # no qualifier
        ("**ART-1**OTHER", "ART-1"),
        ("*SKU*ART-1", "SKU"),
        ("", None),
    ],
)
def test_an_article_is_known_by_an_id_that_stands_elsewhere(ids: str, sku: str | None) -> None:
    stated = order(f"PO1*1*4*EA*2.5*{ids}", "CTT*1")
    assert sku == stated.order.lines[0].sku
    if "OTHER" in ids:
        assert any("OTHER" in text for text in stated.order.extensions.values())


@pytest.mark.parametrize(
    ("price", "unit_price"),
    [("CTP**CON*2.75", "2.75"), ("CTP**MSR*9.99", None), ("CTP**MSR*9.99 CTP**UCP*2.6", "2.6"), ("CTP**UCP", None), ("", None)],
)
def test_a_price_left_out_is_the_purchase_price_beside_it(price: str, unit_price: str | None) -> None:
    stated = order("PO1*1*4*EA***VN*ART-1", *price.split(), "CTT*1")
    assert unit_price == summarize((stated,))["lines"][0]["unit_price"]


def test_a_stated_price_is_the_price() -> None:
    assert "2.5" == summarize((order(LINE, "CTP**CON*2.75", "CTT*1"),))["lines"][0]["unit_price"]


@pytest.mark.parametrize(
    ("header", "first", "second", "postal_code"),
    [
        ("DA", "", "", "97201"),
        ("BY", "", "", None),
        ("", "ST", "ST", "97201"),
        ("", "ST", "", None),  # one line goes elsewhere
        ("", "MF", "MF", None),
    ],
)
def test_the_goods_go_where_the_header_or_every_line_says(header: str, first: str, second: str, postal_code: str | None) -> None:
    def place(code: str) -> list[str]:
        return [f"N1*{code}*Lee", "N3*12 Oak St", "N4*Portland*OR*97201*US"] if code else []

    stated = order(*place(header), LINE, *place(first), "PO1*2*6*EA*2.5**VN*ART-2", *place(second), "CTT*2")
    assert postal_code == summarize((stated,))["ship_to"]["postal_code"]


def test_a_name_loops_other_segments_do_not_end_it() -> None:
    stated = order("N1*ST*Lee", "SI*TI*A*B", "PKG*F*68***PALLET", "N3*12 Oak St", "N4*Portland*OR*97201*US", LINE, "CTT*1")
    assert "97201" == summarize((stated,))["ship_to"]["postal_code"]


def test_an_order_dated_in_its_dtm_was_placed_then() -> None:
    assert "2026-06-30T00:00:00Z" == summarize((order("DTM*004*20260630", LINE, "CTT*1", head="BEG*00*SA*PO-7"),))["placed_at"]


def test_a_change_states_its_currency_and_total() -> None:
    result = read(text_of("BCH*04*SA*PO-7***20260701", "CUR*BY*USD", "POC*1*QI*6*2*EA*2.5**VN*ART-1", "CTT*1", "AMT*TT*15", kind="860"))
    assert isinstance(result, StatedChange)
    summary = summarize((result,))
    assert ("USD", "15.00", "accept") == (summary["currency"], summary["grand_total"], summary["verdict"])


WHOLE = text_of("BEG*00*SA*PO-7**20260701", "CUR*BY*USD", "N1*ST*Lee", "N3*12 Oak St", "N4*Portland*OR*97201*US", LINE, "CTT*1")


@pytest.mark.parametrize("width", [60, 72, 80])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_of_one_length_are_joined_as_they_were_cut(width: int, end: str) -> None:
    cut = end.join(WHOLE[start : start + width] for start in range(0, len(WHOLE), width))
    assert read(WHOLE) == read(cut + end)


def test_a_capture_tools_wrapping_is_taken_off() -> None:
    wrapped = json.dumps({"headers": {"account": "theirs"}, "body": WHOLE})
    result = read(wrapped)
    assert isinstance(result, StatedOrder)
    assert ("theirs", "PO-7") == (result.order.source.account, result.order.order_number)


@pytest.mark.parametrize("end", ["~", "~\n", "\n"])
def test_a_set_without_its_interchange_is_read_and_somebody_told(end: str) -> None:
    group = WHOLE[WHOLE.index("GS*") : WHOLE.index("IEA*")]
    for text in (group, group[group.index("ST*") : group.index("GE*")]):
        result = read(text.replace("~", end))
        assert isinstance(result, StatedOrder)
        assert ("accept_with_warning", "PO-7", 1) == (result.verdict, result.order.order_number, len(result.order.lines))
        assert "envelope" in {finding.rule for finding in result.findings}


def test_a_total_of_prices_that_the_partners_agreed_on_holds_no_order() -> None:
    stated = order("CUR*BY*USD", "PO1*1*4*EA***VN*ART-1", "CTT*1", "AMT*TT*10")
    assert ("accept", (), 1000) == (stated.verdict, stated.order.holds, stated.order.totals.grand_total_minor)
    assert "total_of_agreed_prices" in {finding.rule for finding in stated.findings}


@pytest.mark.parametrize("terminator", ["\n", "\r\n", "~", "~\n"])
def test_an_element_separator_in_place_of_the_components_ends_no_segment(terminator: str) -> None:
    text = WHOLE.replace(">", "*", 1).replace("~", terminator)
    result = read(text)
    assert isinstance(result, StatedOrder)
    assert ("accept", 1) == (result.verdict, len(result.order.lines))


@pytest.mark.parametrize(
    ("head", "number", "placed_at"),
    [
        ("BEG*00*SA*PO-7*20260630", "PO-7", "2026-06-30T00:00:00Z"),  # the date, one element too early
        ("BEG*00*RL*PO-7*20260630*20260701", "PO-7-20260630", "2026-07-01T00:00:00Z"),  # a release
        ("BEG*00*RL*PO-7*12", "PO-7-12", None),
    ],
)
def test_a_date_in_the_releases_place_is_the_orders_where_there_is_none_in_its_own(head: str, number: str, placed_at: str | None) -> None:
    stated = order(LINE, "CTT*1", head=head)
    assert (number, placed_at) == (stated.order.source.channel_order_id, summarize((stated,))["placed_at"])


@pytest.mark.parametrize("count", [("CTT*1",), ()])
def test_a_change_with_an_orders_lines_restates_them_and_somebody_is_told(count: tuple[str, ...]) -> None:
    result = read(text_of("BCH*04*SA*PO-7***20260701", LINE, *count, kind="860"))
    assert isinstance(result, StatedChange)
    (change,) = result.line_changes
    assert ("accept_with_warning", "change", "ART-1", "4") == (result.verdict, change.action, change.sku, change.quantity_ordered)
    assert "line_segment" in {finding.rule for finding in result.findings}


def test_an_invoice_in_the_same_interchange_says_nothing_of_the_order() -> None:
    invoice = "ST*810*0002~BIG*20260701*IN-1~SE*3*0002~"
    for text in (WHOLE.replace("GE*1*9", f"{invoice}GE*2*9"), WHOLE.replace("ST*850", f"{invoice}ST*850", 1).replace("GE*1*9", "GE*2*9")):
        results = discover()["x12"].normalize((Document(text.encode()),))
        summary = summarize(results)
        assert 2 == len(results)
        assert ("accept", ["PO-7"], ["dead_letter"]) == (
            summary["verdict"],
            [row["source_order_id"] for row in summary["orders"]],
            [row["verdict"] for row in summary["others"]],
        )


@pytest.mark.parametrize(
    ("places", "ordered"),
    [
        ("SDQ*EA*92*S1*3*S2*4", 7),
        ("SDQ*EA*92*S1*3 SDQ*EA*92*S2*4*S3*1", 8),
        ("SCH*5*EA***002*20260710 SCH*2*EA***002*20260801", 7),
        ("SDQ*EA*92*S1*3 SCH*5*EA", 3),
    ],
)
def test_a_quantity_left_out_is_what_its_places_or_dates_get(places: str, ordered: int) -> None:
    stated = order("PO1*1**EA*2.5**VN*ART-1", *places.split(), "CTT*1")
    assert ordered == stated.order.lines[0].ordered
    assert 4 == order(LINE, *places.split(), "CTT*1").order.lines[0].ordered


@pytest.mark.parametrize("places", ["", "SDQ*EA*92*S1*x", "SCH**EA"])
def test_a_line_without_any_quantity_is_refused(places: str) -> None:
    result = read(text_of("BEG*00*SA*PO-7**20260701", "PO1*1**EA*2.5**VN*ART-1", *places.split(), "CTT*1"))
    assert isinstance(result, Unreadable)
    assert "quantity" == result.findings[0].rule


@pytest.mark.parametrize(
    ("charge", "kind"),
    [
        ("SAC*C*D240***500", "shipping"),
        ("SAC*C*C040***500", "shipping"),
        ("SAC*C*F460***500", "shipping"),
        ("SAC*C*F050***500**********Freight", "shipping"),
        ("SAC*C*F050***500**********Gift wrap", "fee"),
        ("SAC*C*D500***500**********Freight handling", "fee"),  # the code says handling
        ("SAC*C*H850***500", "tax"),
        ("SAC*C*H800***500", "tax"),
    ],
)
def test_a_charge_is_what_its_code_says_else_what_its_description_does(charge: str, kind: str) -> None:
    totals = order("CUR*BY*USD", charge, LINE, "CTT*1").order.totals
    assert {"shipping": 0, "fee": 0, "tax": 0} | {kind: 500} == {
        "shipping": totals.shipping_minor,
        "fee": totals.fee_minor,
        "tax": totals.tax_minor,
    }
