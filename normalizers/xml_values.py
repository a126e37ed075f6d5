"""Elements of an XML document -> amounts, decimals and quantities, each failing with the element's path.

Input:   `Node`s; the currency of an amount is an attribute of its element.
Output:  integer minor units of the order's currency, exact decimals, (units, exponent). Reading marks the element as read; `peek`
         does not.
Fails:   NormalizationFailed with the element's path; an amount in another currency than the order's is refused, never converted.
Source:  W3C XML Schema part 2, decimal; OASIS UBL AmountType (currencyID); cXML Money (currency); read 2026-11-24.
"""

from decimal import Decimal

from normalizers.amounts import decimal_in, minor
from normalizers.draft import Draft
from normalizers.wire import fail, quantity
from normalizers.xml_tree import Node


def amount_at(node: Node | None, draft: Draft, code: str) -> int | None:
    """Read an amount in minor units, or None where there is none; `code` is the attribute with its currency."""
    if node is None or (value := node.read()) is None:
        return None
    check_currency(node, draft, code)
    at, key = node.place
    return minor(value, draft.currency, at, key, draft.report)


def check_currency(node: Node, draft: Draft, code: str) -> None:
    """Refuse an amount in another currency than the order's."""
    stated = node.attribute(code)
    if draft.foreign(stated):
        fail(*node.place, "one_currency", stated, f"{node.path} is in another currency than the order's {draft.currency}")


def peek(node: Node | None, draft: Draft) -> int | None:
    """Read an amount without saying that it has found its place in the order."""
    if node is None or not node.text:
        return None
    at, key = node.place
    return minor(node.text, draft.currency, at, key, draft.report)


def decimal_at(node: Node | None) -> Decimal | None:
    """Read an exact decimal, or None where there is none."""
    if node is None or (value := node.read()) is None:
        return None
    at, key = node.place
    return decimal_in({key: value}, key, at)


def quantity_at(node: Node) -> tuple[int, int]:
    """Read a quantity as (units, exponent); an empty or negative one fails."""
    at, key = node.place
    return quantity({key: node.read()}, key, at)
