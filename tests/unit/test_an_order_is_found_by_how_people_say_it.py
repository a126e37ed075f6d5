"""However a number, a name or an address is typed, it is read as the term under which its order is stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.order import without_person
from store.search import PERSONAL_KINDS, terms_of, wanted
from tests.line import order_in, shopify_order

ORDER = order_in(
    shopify_order(
        1001,
        phone="+44 7700 900123",
        shipping_address={
            "name": "Zoë Straße", "address1": "1 High Street", "city": "Leeds", "zip": "LS1 1AA", "country_code": "GB", "phone": "07700 900456"
        },
    )
)  # fmt: skip


def found(query: str) -> bool:
    terms, asked = set(terms_of(ORDER)), wanted(query)
    return bool(terms & set(asked.any_of)) or bool(asked.all_of and terms.issuperset(asked.all_of))


@pytest.mark.parametrize(
    "query",
    [
        "#1001", "1001", " 1001 ", "ida@example.com", "IDA@Example.com ", "LS1 1AA", "ls11aa", "SKU-A", "sku-b", "Zoë Straße", "zoe STRASSE",
        "strasse", "Ida Example", "07700 900456", "+44 (0) 7700 900456", "+447700900456",
    ],
)  # fmt: skip
def test_what_people_say_finds_the_order(query: str) -> None:
    assert found(query)


@pytest.mark.parametrize("query", ["", " ", "1002", "ida", "ida@example.org", "LS1", "SKU", "Ida Strasse Smith", "900456 1", "%", "*"])
def test_other_things_do_not(query: str) -> None:
    assert found(query) == (query == "ida")  # a word of a name is enough


def test_an_order_without_its_person_has_no_term_of_theirs() -> None:
    assert [] == [term for term in terms_of(without_person(ORDER)) if term.startswith(PERSONAL_KINDS)]
    assert [] != [term for term in terms_of(ORDER) if term.startswith(PERSONAL_KINDS)]


@given(st.text())
def test_anything_may_be_typed(query: str) -> None:
    asked = wanted(query)
    for term in (*asked.any_of, *asked.all_of):
        assert "\x00" not in term
        assert term.encode()
        assert len(term) <= 256
