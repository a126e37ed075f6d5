"""A catalogue file is read whole, or refused with every problem's line, column, rule and value."""

import pytest

from ordermend.catalogue_csv import CatalogueFileInvalid, read
from schemas.catalogue import Promotion, TaxRates


def test_promotions_are_read_with_their_conditions() -> None:
    text = "code,currency,kind,amount,threshold,skus,exclusive,limit,ends_at\nA,EUR,amount,5,50,TEA|CUP,yes,3,2026-12-01T00:00:00+01:00\n"
    (entry,) = read(text.encode(), "promotions", "p.csv")
    assert isinstance(entry, Promotion)
    assert (entry.amount, entry.threshold, entry.skus, entry.exclusive, entry.limit) == ("5", "50", ("TEA", "CUP"), True, 3)
    assert entry.ends_at is not None
    assert entry.ends_at.isoformat() == "2026-11-30T23:00:00+00:00"


def test_the_taxes_of_an_area_are_one_entry() -> None:
    (entry,) = read(b"country,region,title,rate,compound\nCA,QC,GST,0.05,no\nCA,QC,QST,0.095,yes\n", "tax-rates", "t.csv")
    assert isinstance(entry, TaxRates)
    assert (("GST", "0.05"), ("QST", "0.09975")) == entry.effective()


@pytest.mark.parametrize(
    ("kind", "text", "problem"),
    [
        ("prices", "sku,currency,unit_price\nA,EUR,1\nB,EUR,-1\n", "f.csv:3: column unit_price: rule plain_decimal: value '-1'"),
        ("prices", "sku,currency,unit_price\nA,*,1\n", "f.csv:2: column currency: rule one_currency: value '*'"),
        ("prices", "sku,currency,unit_price\nA,EUR,1\nA,EUR,2\n", "f.csv:3: rule once: A EUR"),
        ("prices", "sku,currency,price\nA,EUR,1\n", "f.csv:1: column 'price': rule known_column"),
        ("prices", "sku,currency,unit_price\nA,EUR\n", "f.csv:2: rule cells: 2 cells under 3 columns"),
        ("promotions", "code,kind,percent\nA,percent,101\n", "f.csv:2: column percent: rule percent: value '101'"),
        ("promotions", "code,kind\nA,percent\n", "f.csv:2: column percent: rule needed: no value"),
        ("promotions", "code,kind,percent,limit\nA,percent,5,many\n", "f.csv:2: column limit: rule whole_number: value 'many'"),
        ("tax-rates", "country,title,rate\nFR,VAT,20\n", "f.csv:2: column rate: rule rate: value '20'"),
    ],
)
def test_a_problem_names_line_column_rule_and_value(kind: str, text: str, problem: str) -> None:
    with pytest.raises(CatalogueFileInvalid) as caught:
        read(text.encode(), kind, "f.csv")
    assert any(note.startswith(problem) for note in caught.value.__notes__), caught.value.__notes__
