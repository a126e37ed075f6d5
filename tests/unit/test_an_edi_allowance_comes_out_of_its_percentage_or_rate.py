"""EDIFACT's ALC and X12's SAC without an amount: worked out from the percentage or the rate beside it, and from what that is of."""

import pytest

from normalizers import discover
from normalizers.channel import Document, StatedOrder

ISA = "ISA*00*          *00*          *08*9251230000     *ZZ*ORDERMEND      *260701*1200*U*00401*000000092*0*P*>~"


def edifact(header: str, line: str) -> StatedOrder:
    body = ["UNH+1+ORDERS:D:96A:UN'", "BGM+220+PO-7+9'", "DTM+137:20260701:102'", "CUX+2:EUR:9'", *header.split()]
    body += ["LIN+1++ART-1:SA'", "QTY+21:8'", "PRI+AAB:12.5'", *line.split(), "LIN+2++ART-2:SA'", "QTY+21:1'", "PRI+AAA:20'", "UNS+S'"]
    text = "".join([*body, f"UNT+{len(body) + 1}+1'"])
    (result,) = discover()["edifact"].normalize((Document(text.encode()),))
    assert isinstance(result, StatedOrder)
    return result


def x12(header: str, line: str) -> StatedOrder:
    body = ["ST*850*0001", "BEG*00*SA*PO-7**20260701", "CUR*BY*EUR", *header.split(), "PO1*1*8*EA*12.5**VN*ART-1", *line.split()]
    body += ["PO1*2*1*EA*20**VN*ART-2", "CTT*2"]
    text = f"{ISA}GS*PO*A*B*20260701*1200*9*X*004010~{'~'.join(body)}~SE*{len(body) + 1}*0001~GE*1*9~IEA*1*000000092~"
    (result,) = discover()["x12"].normalize((Document(text.encode()),))
    assert isinstance(result, StatedOrder)
    return result


@pytest.mark.parametrize(
    ("header", "line", "discount", "charges"),
    [
        ("", "ALC+A' PCD+3:20'", 2000, 0),  # of the line's 100.00
        ("", "ALC+A' PCD+1:2.5'", 250, 0),
        ("", "ALC+C' PCD+2:10'", 0, 1000),
        ("", "ALC+A' PCD+3:20' MOA+8:19.99'", 1999, 0),  # what is stated is not worked out again
        ("", "ALC+A' PCD+3:20' MOA+25:50'", 1000, 0),  # of the basis stated beside it
        ("", "ALC+A' PCD+3:20,5'", 2050, 0),
        ("", "ALC+A' PCD+3:33.333'", 3333, 0),
        ("", "ALC+A' PCD+7:20'", 0, 0),  # a percentage of something else
        ("", "ALC+A' RTE+1:0.25'", 200, 0),  # a quarter for each of eight
        ("", "ALC+C' RTE+2:3:2'", 0, 1200),  # three for every two
        ("", "ALC+A+++1' PCD+3:10' ALC+A+++1' PCD+3:5'", 1500, 0),  # one step: both of the same
        ("", "ALC+A+++1' PCD+3:10' ALC+A+++2' PCD+3:5'", 1450, 0),  # the second step is of what the first left
        ("", "ALC+A+++2' PCD+3:5' ALC+A+++1' PCD+3:10'", 1450, 0),  # in whatever order they stand
        ("ALC+A' PCD+3:10'", "", 1200, 0),  # of both lines
        ("ALC+A' PCD+3:10'", "ALC+A' PCD+3:20'", 3000, 0),  # of what the lines come to: 80.00 and 20.00
        ("ALC+C++++FC' PCD+2:5'", "", 0, 600),
        ("ALC+A' RTE+1:0.25'", "", 0, 0),  # an order has no units
    ],
)
def test_edifact(header: str, line: str, discount: int, charges: int) -> None:
    order = edifact(header, line).order
    totals = order.totals
    assert (12000, discount, charges) == (totals.subtotal_minor, totals.discount_minor, totals.shipping_minor + totals.fee_minor)
    if not discount + charges:
        assert any("ALC" in text for text in order.extensions.values())


@pytest.mark.parametrize(
    ("header", "line", "discount", "charges"),
    [
        ("", "SAC*A*C310****3*20", 2000, 0),
        ("", "SAC*A*C310***1999*3*20", 1999, 0),
        ("", "SAC*A*C310*****20", 2000, 0),
        ("", "SAC*A*C310****3*10 SAC*A*C310****4*5", 1450, 0),  # gross, then net of what went before
        ("", "SAC*C*G830******.25", 0, 200),  # a rate for each of eight
        ("", "SAC*C*G830******.25*EA*2", 0, 50),  # for two
        ("SAC*A*C310****3*10", "", 1200, 0),
        ("SAC*C*D240****3*5", "", 0, 600),
        ("SAC*C*D240******.25", "", 0, 0),
        ("SAC*C*H750", "", 0, 0),
        ("", "TXI*VA**19", 0, 0),
    ],
)
def test_x12(header: str, line: str, discount: int, charges: int) -> None:
    order = x12(header, line).order
    totals = order.totals
    assert (12000, discount, charges) == (totals.subtotal_minor, totals.discount_minor, totals.shipping_minor + totals.fee_minor)
    if not discount + charges:
        assert any(header + line in text for text in order.extensions.values())


def test_a_net_price_has_the_lines_allowances_in_it() -> None:
    order = edifact("", "ALC+A' PCD+3:20'").order
    assert order.totals.discount_minor
    net = edifact("", "PRI+AAA:10' ALC+A' PCD+3:20'").order
    assert (10000, 0) == (net.totals.subtotal_minor, net.totals.discount_minor)


def test_what_was_worked_out_is_said() -> None:
    for stated in (edifact("", "ALC+A' PCD+3:20'"), x12("", "SAC*A*C310****3*20")):
        assert "amount_worked_out" in {finding.rule for finding in stated.findings}
        assert "accept" == stated.verdict


def test_a_stated_row_after_a_percentage_gives_the_price_before_it() -> None:
    order = edifact("", "ALC+A' PCD+3:20' MOA+203:80'").order
    assert (10000, 2000) == (order.lines[0].gross_minor, order.totals.discount_minor)
