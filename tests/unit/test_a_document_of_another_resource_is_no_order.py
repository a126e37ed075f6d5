"""What a channel sends of a product, a coupon or a customer is refused as such: its id is never taken for an order's."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from normalizers import discover
from normalizers.channel import Document, StatedPart
from ordermend.commands.normalize import normalize
from schemas.failures import NormalizationFailed

OTHERS: tuple[tuple[str, dict[str, str], Any], ...] = (
    ("shopify", {"x-shopify-topic": "products/update"}, {"id": 7001, "title": "Tea"}),
    ("shopify", {}, {"id": 7001, "admin_graphql_api_id": "gid://shopify/Customer/7001"}),
    ("shopify", {"x-shopify-topic": "reverse_fulfillment_orders/dispose"}, {"id": 7001, "dispositions": []}),
    ("shopify", {}, {"fulfillment": {"id": 7001, "status": "success"}}),
    ("bigcommerce", {}, {"scope": "store/product/updated", "data": {"type": "product", "id": 7001}, "producer": "stores/tea"}),
    ("bigcommerce", {}, {"scope": "store/cart/created", "data": {"type": "cart", "id": "c-7001"}, "producer": "stores/tea"}),
    ("bol", {}, {"event": {"resource": "SHIPMENT", "resourceId": "7001"}}),
    ("commercetools", {}, {"id": "m-1", "type": "ProductPublished", "resource": {"typeId": "product", "id": "7001"}}),
    ("etsy", {}, {"resource_url": "https://openapi.etsy.com/v3/application/listings/7001"}),
    ("mercadolibre", {}, {"resource": "/items/MLB7001", "topic": "items", "user_id": 5}),
    ("mercadolibre", {}, {"id": 7001, "transaction_amount": 10, "status": "approved"}),
    ("shopware", {}, {"data": {"event": "product.written", "payload": [{"entity": "product", "primaryKey": "7001"}]}}),
    ("square", {}, {"merchant_id": "m", "type": "catalog.version.updated", "data": {"type": "catalog", "object": {"catalog_version": {}}}}),
    ("square", {}, {"payment": {"id": "7001", "amount_money": {"amount": 1, "currency": "USD"}, "total_money": {"amount": 1, "currency": "USD"}}}),
    ("squarespace", {}, {"id": "7001", "websiteId": "w", "topic": "extension.uninstall", "data": {}}),
    ("stripe", {}, {"id": "evt_1", "object": "event", "type": "product.created", "data": {"object": {"id": "prod_7001", "object": "product"}}}),
    ("wix", {}, {"data": {"entityFqdn": "wix.stores.v1.product", "entityId": "7001"}}),
    ("woocommerce", {"x-wc-webhook-topic": "coupon.created"}, {"id": 7001, "code": "tea"}),
    ("woocommerce", {"x-wc-webhook-resource": "subscription"}, {"id": 7001, "status": "active", "line_items": []}),
)  # fmt: skip

NAMING: tuple[tuple[str, dict[str, str], Any, tuple[str, str]], ...] = (
    ("shopify", {"x-shopify-topic": "disputes/create"}, {"id": 1, "order_id": 7001}, ("7001", "default")),
    ("shopify", {"x-shopify-topic": "returns/approve"}, {"id": 1, "order": {"id": 7001}}, ("7001", "default")),
    ("shopify", {"x-shopify-topic": "orders/updated", "x-shopify-shop-domain": "tea.example"}, {"id": 7001}, ("7001", "tea.example")),
    ("bigcommerce", {}, {"scope": "store/order/created", "data": {"type": "order", "id": 7001}, "producer": "stores/tea"}, ("7001", "tea")),
    ("bigcommerce", {}, {"scope": "store/shipment/created", "data": {"id": 1, "orderId": 7001}, "producer": "stores/tea"}, ("7001", "tea")),
    ("amazon", {}, {"orders": [{"purchaseOrderNumber": "7001", "orderDetails": {"purchaseOrderDate": "2026-01-01T00:00:00Z"}}]}, ("7001", "default")),
    ("bigcommerce", {}, {"scope": "store/order/metafield/created", "data": {"metafield_id": 1, "resource_id": "7001"}, "producer": "stores/tea"},
        ("7001", "tea")),
    ("bigcommerce", {}, [{"order_id": 7001, "street_1": "Tea Street 1", "zip": "10115"}], ("7001", "default")),
    ("square", {}, {"merchant_id": "m", "type": "payment.updated",
        "data": {"type": "payment", "object": {"payment": {"id": "p", "order_id": "7001", "created_at": "2026-01-01T00:00:00Z"}}}}, ("7001", "default")),
    ("ebay", {}, {"members": [{"returnId": "1", "orderId": "7001", "state": "CLOSED"}], "total": 1}, ("7001", "default")),
    ("ebay", {}, {"summary": {"returnId": "1", "orderId": "7001"}, "detail": {}}, ("7001", "default")),
    ("ebay", {}, {"transactions": [{"transactionId": "1", "orderId": "7001", "transactionType": "SALE"}]}, ("7001", "default")),
    ("walmart", {}, {"orderRefund": {"purchaseOrderId": "7001", "orderLines": {"orderLine": [{"lineNumber": "1", "refunds": {}}]}}}, ("7001", "default")),
    ("shopware", {}, {"data": {"event": "order.written", "payload": [{"entity": "order", "primaryKey": "7001"}]}}, ("7001", "default")),
    ("woocommerce", {"x-wc-webhook-topic": "order.restored"}, {"id": 7001}, ("7001", "default")),
)  # fmt: skip


@pytest.mark.parametrize(("channel", "headers", "body"), OTHERS, ids=[f"{row[0]}-{index}" for index, row in enumerate(OTHERS)])
def test_another_resource_is_refused_as_such(channel: str, headers: dict[str, str], body: Any) -> None:
    with pytest.raises(NormalizationFailed) as told:
        discover()[channel].normalize((Document(json.dumps(body).encode(), headers),))
    assert told.value.field
    assert told.value.rule != "required"


@pytest.mark.parametrize(("channel", "headers", "body", "named"), NAMING, ids=[f"{row[0]}-{index}" for index, row in enumerate(NAMING)])
def test_what_names_an_order_still_does_and_of_its_own_account(
    channel: str, headers: dict[str, str], body: Any, named: tuple[str, str]
) -> None:
    (part,) = discover()[channel].normalize((Document(json.dumps(body).encode(), headers),))
    assert isinstance(part, StatedPart)
    assert (part.channel_order_id, part.account, part.event) == (*named, "notification")


def test_a_document_without_any_order_is_refused_at_the_command_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "page.json"
    empty.write_text("[]", encoding="utf-8")
    with pytest.raises(typer.Exit) as ended:
        normalize([empty], "bigcommerce", summary=True)
    told = json.loads(capsys.readouterr().out)
    assert (2, "dead_letter") == (ended.value.exit_code, told["verdict"])
    assert [{"path": "", "rule": "names_an_order", "message": "the document names no order"}] == told["problems"]
