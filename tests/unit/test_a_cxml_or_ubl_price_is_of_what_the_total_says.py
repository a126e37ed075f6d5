"""cXML items in groups and totals with one of tax and shipping in them; UBL prices whose base quantity the row's amount contradicts."""

import pytest

from normalizers import discover
from normalizers.channel import Document, StatedOrder
from normalizers.summary import summarize

ITEM = """<ItemOut quantity="{quantity}" lineNumber="{number}" {more}><ItemID><SupplierPartID>S{number}</SupplierPartID></ItemID><ItemDetail>
<UnitPrice><Money currency="USD">{price}</Money></UnitPrice><Description xml:lang="en">Thing</Description><UnitOfMeasure>EA</UnitOfMeasure>
</ItemDetail></ItemOut>"""


def cxml(total: str, *items: tuple[int, str, str], header: str = "", address: str = "") -> StatedOrder:
    rows = "".join(
        ITEM.format(number=number, quantity=quantity, price=price, more=more) for number, (quantity, price, more) in enumerate(items, 1)
    )
    text = f"""<cXML payloadID="1@x" timestamp="2026-06-01T10:00:00Z"><Header><From><Credential domain="NetworkId"><Identity>AN1</Identity></Credential></From></Header>
<Request><OrderRequest><OrderRequestHeader orderID="PO-7" orderDate="2026-06-01T10:00:00Z" type="new"><Total><Money currency="USD">{total}</Money></Total>
{address}{header}</OrderRequestHeader>{rows}</OrderRequest></Request></cXML>"""
    (result,) = discover()["cxml"].normalize((Document(text.encode()),))
    assert isinstance(result, StatedOrder)
    return result


@pytest.mark.parametrize(
    ("total", "level", "amounts"),
    [("30", "groupLevel", [3000, 0, 0]), ("14", "itemLevel", [0, 800, 600]), ("44", "", [3000, 800, 600])],
)
def test_a_group_costs_its_own_price_or_its_items(total: str, level: str, amounts: list[int]) -> None:
    group = f'itemType="composite" compositeItemType="{level}"' if level else 'itemType="composite"'
    of_it = 'itemType="item" parentLineNumber="1"'
    stated = cxml(total, (1, "30", group), (2, "4", of_it), (3, "2", of_it))
    assert ("accept", amounts) == (stated.verdict, [line.gross_minor for line in stated.order.lines])
    assert ["30", "4", "2"] == [row["unit_price"] for row in summarize((stated,))["lines"]]
    assert f"{total}.00" == summarize((stated,))["subtotal"]


@pytest.mark.parametrize(("total", "grand"), [("100", 11500), ("105", 11500), ("110", 11500), ("115", 11500)])
def test_a_total_may_have_tax_or_shipping_in_it(total: str, grand: int) -> None:
    header = '<Shipping><Money currency="USD">5</Money></Shipping><Tax><Money currency="USD">10</Money></Tax>'
    stated = cxml(total, (10, "10", ""), header=header)
    assert ("accept", grand) == (stated.verdict, stated.order.totals.grand_total_minor)
    assert f"{total}.00" == summarize((stated,))["grand_total"]


def test_an_address_without_a_country_element_is_where_its_attribute_says() -> None:
    address = '<ShipTo><Address isoCountryCode="DE"><Name xml:lang="de">Lager</Name><PostalAddress><Street>Kai 1</Street><City>Kiel</City></PostalAddress></Address></ShipTo>'
    assert "DE" == summarize((cxml("10", (1, "10", ""), address=address),))["ship_to"]["country"]


UBL = """<Order xmlns="urn:oasis:names:specification:ubl:schema:xsd:Order-2" xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
 xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"><cbc:ID>PO-7</cbc:ID><cbc:IssueDate>2026-06-01</cbc:IssueDate>
<cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>{total}<cac:OrderLine><cac:LineItem><cbc:ID>1</cbc:ID><cbc:Quantity unitCode="EA">{quantity}</cbc:Quantity>
{row}{price}<cac:Item><cbc:Name>Thing</cbc:Name></cac:Item></cac:LineItem></cac:OrderLine></Order>"""


def ubl(quantity: str, price: str, *, base: str = "", row: str = "", total: str = "") -> StatedOrder:
    told = f"<cac:Price><cbc:PriceAmount currencyID='EUR'>{price}</cbc:PriceAmount>{f'<cbc:BaseQuantity>{base}</cbc:BaseQuantity>' if base else ''}</cac:Price>"
    text = UBL.format(
        quantity=quantity,
        price=told if price else "",
        row=f"<cbc:LineExtensionAmount currencyID='EUR'>{row}</cbc:LineExtensionAmount>" if row else "",
        total=f"<cac:AnticipatedMonetaryTotal><cbc:PayableAmount currencyID='EUR'>{total}</cbc:PayableAmount></cac:AnticipatedMonetaryTotal>"
        if total
        else "",
    )
    (result,) = discover()["ubl"].normalize((Document(text.encode()),))
    assert isinstance(result, StatedOrder)
    return result


@pytest.mark.parametrize(
    ("base", "row", "unit_price", "verdict"),
    [
        ("4", "14", "3.50", "accept"),  # the row says that 3.50 is for one
        ("4", "3.50", "0.875", "accept"),
        ("4", "", "0.875", "accept"),
        ("1", "14", "3.50", "accept"),
        ("4", "50", "0.875", "accept_with_warning"),  # it says neither
    ],
)
def test_a_price_is_for_its_base_quantity_unless_the_row_says_otherwise(base: str, row: str, unit_price: str, verdict: str) -> None:
    stated = ubl("4", "3.50", base=base, row=row)
    assert (verdict, unit_price) == (stated.verdict, summarize((stated,))["lines"][0]["unit_price"])


def test_a_total_of_prices_that_the_partners_agreed_on_holds_no_order() -> None:
    stated = ubl("4", "", total="14")
    assert ("accept", (), 1400) == (stated.verdict, stated.order.holds, stated.order.totals.grand_total_minor)
