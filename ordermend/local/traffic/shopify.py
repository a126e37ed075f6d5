"""Shopify order webhooks, invented: orders/create and orders/updated.

Output:  the JSON body as the Admin REST Order resource states it, and the webhook's headers.
Sums:    subtotal_price = Σ price * quantity - total_discounts; total_price = subtotal_price + shipping
         (+ total_tax where taxes_included is false). Yen amounts have no decimals.
Source:  shopify.dev, Admin REST Order resource and webhook headers, 2025-10, and captured deliveries, read 2026-11-23.
"""

import random
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from ordermend.local.traffic.basket import Basket, BasketLine, Storefront, fill
from ordermend.local.traffic.catalogue import COUNTRY_NAMES, LOCALES, Recipient, another_phone
from ordermend.local.traffic.sketch import ChannelDocument, LineSketch, OrderSketch
from schemas.money import to_text

CHANNEL = "shopify"
STOREFRONTS = (
    Storefront("tideline-supply.myshopify.com", "GBP", ("GB",), tax_included=True),
    Storefront("wolkenmoos.myshopify.com", "EUR", ("DE", "DE", "FR"), tax_included=True, utc_offset_hours=1),
    Storefront("harbor-and-hollow.myshopify.com", "USD", ("US",), tax_included=False, utc_offset_hours=-5),
    Storefront("kasumi-goods.myshopify.com", "JPY", ("JP",), tax_included=True, utc_offset_hours=9),
)
_STOREFRONT_WEIGHTS = (0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 3)
_GATEWAYS = (("shopify_payments", "paid"), ("shopify_payments", "paid"), ("paypal", "paid"), ("shopify_payments", "authorized"))
_NOTES = ("Please leave with a neighbour.", "Bitte klingeln, Hund ist freundlich.", "Cadeau, merci de ne pas joindre le prix.")
_SAME_FOR_ALL: dict[str, Any] = {
    **dict.fromkeys(
        [
            "cancel_reason",
            "cancelled_at",
            "closed_at",
            "company",
            "current_total_additional_fees_set",
            "current_total_duties_set",
            "device_id",
            "fulfillment_status",
            "landing_site_ref",
            "location_id",
            "merchant_of_record_app_id",
            "original_total_additional_fees_set",
            "original_total_duties_set",
            "payment_terms",
            "po_number",
            "reference",
            "referring_site",
            "source_identifier",
            "source_url",
            "user_id",
        ]
    ),
    "app_id": 580111,
    "confirmed": True,
    "duties_included": False,
    "estimated_taxes": False,
    "fulfillments": [],
    "landing_site": "/",
    "note_attributes": [],
    "refunds": [],
    "source_name": "web",
    "tax_exempt": False,
    "test": False,
}


@lru_cache(maxsize=8192)
def _money_set(amount: int, currency: str) -> tuple[str, dict[str, Any]]:
    """Return the text of an amount and its price set; the set is shared, nobody changes it."""
    money = {"amount": to_text(amount, currency), "currency_code": currency}
    return money["amount"], {"shop_money": money, "presentment_money": money}


def _priced(name: str, amount: int, currency: str) -> dict[str, Any]:
    text, price_set = _money_set(amount, currency)
    return {name: text, f"{name}_set": price_set}


def order_document(rng: random.Random, number: int, at: datetime) -> ChannelDocument:
    """Make the orders/create webhook of order `number`, placed at `at`."""
    body, sketch = _order(rng, number, at)
    return _document(rng, "orders/create", body, sketch, at)


def update_document(rng: random.Random, number: int, placed_at: datetime, at: datetime) -> ChannelDocument:
    """Restate that order as of `at`: a note, a tag or a phone changed. `rng` is seeded as it was for the order."""
    body, sketch = _order(rng, number, placed_at)
    change = random.Random(rng.getrandbits(64) ^ int(at.timestamp()))  # noqa: S311 - demo data
    body["updated_at"] = _local(at, sketch.account)
    kind = change.randrange(3 if sketch.country != "JP" else 2)
    if kind == 0:
        body["note"] = change.choice(_NOTES)
    elif kind == 1:
        body["tags"] = ", ".join(filter(None, (body["tags"], f"batch-{change.randrange(40)}")))
    else:
        body["shipping_address"] = {**body["shipping_address"], "phone": another_phone(change, sketch.country)}
    return _document(change, "orders/updated", body, sketch, at)


def _document(rng: random.Random, topic: str, body: dict[str, Any], sketch: OrderSketch, at: datetime) -> ChannelDocument:
    headers = {
        "content-type": "application/json",
        "account": sketch.account,
        "x-shopify-topic": topic,
        "x-shopify-shop-domain": sketch.account,
        "x-shopify-api-version": "2025-10",
        "x-shopify-webhook-id": str(UUID(int=rng.getrandbits(128), version=4)),
        "x-shopify-event-id": str(UUID(int=rng.getrandbits(128), version=4)),
        "x-shopify-triggered-at": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    return ChannelDocument(sketch.channel_order_id.encode(), headers, orjson.dumps(body), sketch)


_ZONES = {front.account: timezone(timedelta(hours=front.utc_offset_hours)) for front in STOREFRONTS}


def _local(at: datetime, account: str) -> str:
    return at.astimezone(_ZONES[account]).isoformat(timespec="seconds")


def _order(rng: random.Random, number: int, at: datetime) -> tuple[dict[str, Any], OrderSketch]:
    storefront = STOREFRONTS[rng.choice(_STOREFRONT_WEIGHTS)]
    basket = fill(rng, storefront)
    order_id = 5_480_113_000_000 + number * 32_768
    sketch = _sketch(basket, order_id, at)
    when = _local(at, storefront.account)
    who, currency = basket.recipient, storefront.currency
    gateway, status = rng.choice(_GATEWAYS)
    token = f"{rng.getrandbits(128):032x}"
    address = _address(who)
    paid = status == "paid"
    body = {
        **_SAME_FOR_ALL,
        "id": order_id,
        "admin_graphql_api_id": f"gid://shopify/Order/{order_id}",
        "browser_ip": f"198.51.100.{number % 254 + 1}",
        "buyer_accepts_marketing": number % 3 == 0,
        "cart_token": token[:24],
        "checkout_id": order_id + 7,
        "checkout_token": token[::-1],
        "client_details": {"accept_language": LOCALES[who.country], "browser_ip": f"198.51.100.{number % 254 + 1}", "user_agent": None},
        "confirmation_number": token[:9].upper(),
        "contact_email": who.email,
        "created_at": when,
        "currency": currency,
        **_current(basket, currency),
        "customer_locale": LOCALES[who.country],
        "discount_codes": _discount_codes(basket, currency),
        "email": who.email,
        "financial_status": status,
        "name": f"#{1001 + number}",
        "note": _NOTES[number % 3] if rng.random() < 0.08 else None,
        "number": 1 + number,
        "order_number": 1001 + number,
        "order_status_url": f"https://{storefront.account}/{order_id}/orders/{token}/authenticate",
        "payment_gateway_names": [gateway],
        "phone": who.phone,
        "presentment_currency": currency,
        "processed_at": when,
        **_priced("subtotal_price", basket.subtotal - basket.discount_total, currency),
        "tags": "gift" if rng.random() < 0.06 else "",
        "tax_lines": _tax_lines(basket, basket.tax, currency),
        "taxes_included": storefront.tax_included,
        "token": token,
        **_totals(basket, currency, outstanding=0 if paid else basket.total),
        "updated_at": when,
        "billing_address": address,
        "customer": _customer(who, order_id, currency),
        "discount_applications": _applications(basket, currency),
        "line_items": [_line(basket, line, position, order_id) for position, line in enumerate(basket.lines)],
        "shipping_address": address,
        "shipping_lines": [_shipping(basket, order_id)],
    }
    return body, sketch


def _sketch(basket: Basket, order_id: int, at: datetime) -> OrderSketch:
    return OrderSketch(
        channel=CHANNEL,
        account=basket.storefront.account,
        channel_order_id=str(order_id),
        country=basket.recipient.country,
        currency=basket.storefront.currency,
        total_minor=basket.total,
        placed_at=at,
        lines=tuple(
            LineSketch(str(_line_id(order_id, position)), line.product.sku, line.quantity, line.unit)
            for position, line in enumerate(basket.lines)
        ),
    )


def _line_id(order_id: int, position: int) -> int:
    return order_id * 2 + 3_000_000_000_000 + 32 * position


def _current(basket: Basket, currency: str) -> dict[str, Any]:
    return {
        **_priced("current_subtotal_price", basket.subtotal - basket.discount_total, currency),
        **_priced("current_total_discounts", basket.discount_total, currency),
        **_priced("current_total_price", basket.total, currency),
        **_priced("current_total_tax", basket.tax, currency),
    }


def _totals(basket: Basket, currency: str, *, outstanding: int) -> dict[str, Any]:
    return {
        **_priced("total_discounts", basket.discount_total, currency),
        **_priced("total_line_items_price", basket.subtotal, currency),
        "total_outstanding": to_text(outstanding, currency),
        **_priced("total_price", basket.total, currency),
        "total_shipping_price_set": _money_set(basket.shipping, currency)[1],
        **_priced("total_tax", basket.tax, currency),
        "total_tip_received": to_text(0, currency),
        "total_weight": sum(line.product.grams * line.quantity for line in basket.lines),
    }


def _tax_lines(basket: Basket, amount: int, currency: str) -> list[dict[str, Any]]:
    if not basket.rate_bp:
        return []
    rate = orjson.Fragment(basket.rate)
    return [{**_priced("price", amount, currency), "rate": rate, "title": basket.tax_title, "channel_liable": False}]


def _line(basket: Basket, line: BasketLine, position: int, order_id: int) -> dict[str, Any]:
    currency, product = basket.storefront.currency, line.product
    line_id = _line_id(order_id, position)
    return {
        "id": line_id,
        "admin_graphql_api_id": f"gid://shopify/LineItem/{line_id}",
        "attributed_staffs": [],
        "current_quantity": line.quantity,
        "fulfillable_quantity": line.quantity,
        "fulfillment_service": "manual",
        "fulfillment_status": None,
        "gift_card": False,
        "grams": product.grams,
        "name": product.title,
        **_priced("price", line.unit, currency),
        "product_exists": True,
        "product_id": 8_120_400_000 + product.number,
        "properties": [],
        "quantity": line.quantity,
        "requires_shipping": True,
        "sku": product.sku,
        "taxable": True,
        "title": product.title,
        **_priced("total_discount", 0, currency),
        "variant_id": 44_210_900_000 + product.number,
        "variant_inventory_management": "shopify",
        "variant_title": None,
        "vendor": None,
        "tax_lines": _tax_lines(basket, line.tax, currency),
        "duties": [],
        "discount_allocations": [{**_priced("amount", line.discount, currency), "discount_application_index": 0}] if line.discount else [],
    }


def _shipping(basket: Basket, order_id: int) -> dict[str, Any]:
    currency = basket.storefront.currency
    title, code = ("Standard", "standard") if basket.shipping else ("Free shipping", "free")
    return {
        "id": order_id - 1_100_000_000_000,
        "carrier_identifier": None,
        "code": code,
        **_priced("discounted_price", basket.shipping, currency),
        "is_removed": False,
        "phone": None,
        **_priced("price", basket.shipping, currency),
        "requested_fulfillment_service_id": None,
        "source": "shopify",
        "title": title,
        "tax_lines": _tax_lines(basket, basket.shipping_tax, currency),
        "discount_allocations": [],
    }


def _discount_codes(basket: Basket, currency: str) -> list[dict[str, Any]]:
    discount = basket.discount
    if discount is None:
        return []
    kind = "fixed_amount" if discount.percent is None else "percentage"
    return [{"code": discount.code, "amount": to_text(discount.amount, currency), "type": kind}]


def _applications(basket: Basket, currency: str) -> list[dict[str, Any]]:
    discount = basket.discount
    if discount is None:
        return []
    fixed = discount.percent is None
    return [
        {
            "target_type": "line_item",
            "type": "discount_code",
            "value": to_text(discount.amount, currency) if fixed else f"{discount.percent}.0",
            "value_type": "fixed_amount" if fixed else "percentage",
            "allocation_method": "across",
            "target_selection": "all",
            "code": discount.code,
        }
    ]


def _address(who: Recipient) -> dict[str, Any]:
    return {
        "first_name": who.first_name,
        "address1": who.street,
        "phone": who.phone,
        "city": who.town.name,
        "zip": who.postal_code,
        "province": who.town.region,
        "country": COUNTRY_NAMES[who.country],
        "last_name": who.last_name,
        "address2": who.extra,
        "company": who.company,
        "latitude": None,
        "longitude": None,
        "name": who.name,
        "country_code": who.country,
        "province_code": who.town.region_code,
    }


def _customer(who: Recipient, order_id: int, currency: str) -> dict[str, Any]:
    return {
        "id": order_id + 1_900_000_000_000,
        "created_at": None,
        "updated_at": None,
        "first_name": who.first_name,
        "last_name": who.last_name,
        "state": "disabled",
        "note": None,
        "verified_email": True,
        "multipass_identifier": None,
        "tax_exempt": False,
        "email": who.email,
        "phone": who.phone,
        "currency": currency,
        "tax_exemptions": [],
        "admin_graphql_api_id": f"gid://shopify/Customer/{order_id + 1_900_000_000_000}",
    }
