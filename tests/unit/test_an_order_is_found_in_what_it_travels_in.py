"""A delivery service's envelope, an API's answer and an event's wrapping are taken off: the order in them is read, and an envelope's id is never an order's."""

import json
from base64 import b64encode
from typing import Any

import pytest

from normalizers import discover
from normalizers.channel import Document, Result, StatedChange, StatedOrder, StatedPart
from schemas.failures import UndecodableMessage

WOO = {"id": 7001, "status": "processing", "currency": "EUR", "total": "4.00", "line_items": [{"id": 1, "quantity": 1, "total": "4.00"}]}
SHOPIFY = {"id": 7001, "currency": "EUR", "total_price": "4.00", "line_items": [{"id": 1, "quantity": 1, "price": "4.00"}]}
CENTS = {"currencyCode": "EUR", "centAmount": 400}
COMMERCETOOLS = {
    "id": "7001",
    "totalPrice": CENTS,
    "lineItems": [{"id": "1", "quantity": 1, "price": {"value": CENTS}, "totalPrice": CENTS}],
}
SHOPWARE = {
    "id": "7001", "orderNumber": "1", "currency": {"isoCode": "EUR"}, "amountTotal": 4,
    "lineItems": [{"id": "1", "quantity": 1, "unitPrice": 4, "totalPrice": 4, "type": "product"}],
}  # fmt: skip
MAGENTO = {
    "increment_id": "7001", "order_currency_code": "EUR", "grand_total": 4, "subtotal": 4,
    "items": [{"item_id": 1, "sku": "A", "qty_ordered": 1, "price": 4, "row_total": 4}],
}  # fmt: skip
WIX = {
    "_id": "7001",
    "currency": "EUR",
    "totals": {"subtotal": 4, "total": 4},
    "lineItems": [{"index": 1, "name": "A", "quantity": 1, "price": 4}],
}


def pushed(value: Any, **attributes: str) -> Any:
    data = b64encode(json.dumps(value).encode()).decode()
    return {"message": {"data": data, "messageId": "m-1", "attributes": attributes}, "subscription": "projects/p/subscriptions/s"}


def bridged(detail: Any) -> Any:
    return {"version": "0", "id": "e-1", "detail-type": "order", "source": "aws.partner/tea", "detail": detail}


ORDERS: tuple[tuple[str, Any], ...] = (
    ("commercetools", {"data": {"order": COMMERCETOOLS}}),
    ("commercetools", {"data": {"orders": {"results": [COMMERCETOOLS], "total": 1}}}),
    ("magento", {"entity": MAGENTO}),
    ("magento", {"specversion": "1.0", "id": "e-1", "type": "com.adobe.commerce.order", "data": {"key": "k", "value": MAGENTO}}),
    ("magento", {"specversion": "1.0", "id": "e-1", "type": "com.adobe.commerce.order", "data": MAGENTO}),
    ("shopify", bridged({"payload": SHOPIFY, "metadata": {"X-Shopify-Topic": "orders/updated"}})),
    ("shopify", pushed(SHOPIFY)),
    ("shopware", {"apiAlias": "order_list", "orders": {"entity": "order", "total": 1, "elements": [SHOPWARE]}}),
    ("shopware", {"order": SHOPWARE}),
    ("wix", {"metadata": {"entityId": "7001"}, "entity": WIX}),
    ("wix", {"metadata": {"entityId": "7001"}, "data": {"order": WIX}}),
    ("woocommerce", {"data": {"body": WOO, "status": 200, "headers": {}}}),
    ("woocommerce", {"create": [], "update": [WOO], "delete": []}),
)
NAMED = {"notificationType": "ResourceUpdated", "projectKey": "tea", "resource": {"typeId": "order", "id": "7001"}}
NAMES: tuple[tuple[str, Any], ...] = (
    ("commercetools", pushed(NAMED)),
    ("commercetools", bridged(NAMED)),
    ("commercetools", {"Type": "Notification", "MessageId": "m-1", "TopicArn": "arn:aws:sns:eu:1:tea", "Message": json.dumps(NAMED)}),
    ("shopify", {"fulfillment_orders": [{"id": 1, "order_id": 7001, "line_items": []}]}),
    ("shopify", {"transactions": [{"id": 1, "order_id": 7001, "kind": "sale", "amount": "4.00"}]}),
    ("woocommerce", {"action": "woocommerce_order_status_completed", "arg": 7001}),
)
PAGES: tuple[tuple[str, Any], ...] = (
    ("commercetools", {key: value for key, value in COMMERCETOOLS.items() if key != "lineItems"}),
    (
        "prestashop",
        {"order": {"id": 7001, "date_add": "2026-01-01 10:00:00", "id_currency": 1, "total_paid": "4.00", "total_paid_real": "0.00"}},
    ),
    ("shopware", {"id": 7001, "number": "1", "currency": "EUR", "invoiceAmount": 4, "invoiceAmountNet": 4}),
)


def read(channel: str, body: Any) -> Result:
    (result,) = discover()[channel].normalize((Document(json.dumps(body).encode()),))
    return result


@pytest.mark.parametrize(("channel", "body"), ORDERS, ids=[f"{row[0]}-{index}" for index, row in enumerate(ORDERS)])
def test_the_order_inside_is_read(channel: str, body: Any) -> None:
    result = read(channel, body)
    assert isinstance(result, StatedOrder)
    assert ("7001", 400, 1) == (result.order.source.channel_order_id, result.order.totals.grand_total_minor, len(result.order.lines))
    assert "accept" == result.verdict


@pytest.mark.parametrize(("channel", "body"), NAMES, ids=[f"{row[0]}-{index}" for index, row in enumerate(NAMES)])
def test_what_only_names_an_order_does_so_in_an_envelope_too(channel: str, body: Any) -> None:
    result = read(channel, body)
    assert isinstance(result, StatedPart)
    assert ("7001", "notification") == (result.channel_order_id, result.event)


@pytest.mark.parametrize(("channel", "body"), PAGES, ids=[row[0] for row in PAGES])
def test_an_order_without_its_lines_is_incomplete_and_nothing_is_said_of_their_sum(channel: str, body: Any) -> None:
    result = read(channel, body)
    assert isinstance(result, StatedPart)
    assert ("7001", ("items",), "incomplete") == (result.channel_order_id, result.missing, result.verdict)
    assert not {finding.rule for finding in result.findings} & {"totals_mismatch", "no_lines"}
    assert result.stated["lines"] is None


def test_an_envelopes_headers_are_the_messages() -> None:
    result = read("shopify", pushed({"id": 7001}, **{"X-Shopify-Topic": "orders/delete", "X-Shopify-Shop-Domain": "tea.example"}))
    assert isinstance(result, StatedChange)
    assert ("7001", "tea.example", "cancel") == (result.channel_order_id, result.account, result.event)


def test_an_envelope_whose_data_is_no_base64_says_so() -> None:
    with pytest.raises(UndecodableMessage) as told:
        read("shopify", {"message": {"data": "@@"}, "subscription": "s"})
    assert ("/message/data", "base64") == (told.value.field, told.value.rule)
