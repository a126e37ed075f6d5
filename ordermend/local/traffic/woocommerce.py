"""WooCommerce order webhooks, invented: order.created and order.updated with the REST v3 order as body.

Sums:    every row amount is net of tax, however prices were entered (`prices_include_tax` only says how);
         total = Σ line total + shipping_total + total_tax; discount_total = Σ (subtotal - total).
         `price` is a JSON number: the line's total by its quantity, unrounded as PHP writes it.
Source:  woocommerce.github.io REST API v3, "Order properties", read 2026-11-23.
"""

import random
from datetime import datetime, timedelta, timezone
from decimal import Context, Decimal
from typing import Any

import orjson

from ordermend.local.traffic.basket import Basket, BasketLine, Storefront, fill, tax_on
from ordermend.local.traffic.catalogue import Recipient, another_phone
from ordermend.local.traffic.sketch import ChannelDocument, LineSketch, OrderSketch
from schemas.money import to_text

CHANNEL = "woocommerce"
STOREFRONTS = (
    Storefront("netherwick-trade.example", "GBP", ("GB",), tax_included=False),
    Storefront("laden-moehringsdorf.example", "EUR", ("DE", "FR"), tax_included=True, utc_offset_hours=1),
    Storefront("prairielantern.example", "USD", ("US",), tax_included=False, utc_offset_hours=-6),
)
_SYMBOLS = {"GBP": "£", "EUR": "€", "USD": "$"}
_PAYMENTS = (("stripe", "Credit Card"), ("ppcp-gateway", "PayPal"), ("cod", "Cash on delivery"))
_NOTES = ("Leave it in the porch, please.", "Bitte beim Nachbarn abgeben.", "Sonnette en panne, merci d'appeler.")
_SAME_FOR_ALL: dict[str, Any] = {
    "parent_id": 0,
    "status": "processing",
    "version": "10.3.4",
    "customer_user_agent": "",
    "created_via": "checkout",
    "date_completed": None,
    "date_completed_gmt": None,
    "fee_lines": [],
    "refunds": [],
    "is_editable": False,
    "needs_payment": False,
    "needs_processing": True,
}
_PHP_FLOAT = Context(prec=15)


def order_document(rng: random.Random, number: int, at: datetime) -> ChannelDocument:
    """Make the order.created webhook of order `number`, placed at `at`."""
    body, sketch = _order(rng, number, at)
    return _document(rng, "created", body, sketch)


def update_document(rng: random.Random, number: int, placed_at: datetime, at: datetime) -> ChannelDocument:
    """Restate that order as of `at`: its note or phone changed. `rng` is seeded as it was for the order."""
    body, sketch = _order(rng, number, placed_at)
    change = random.Random(rng.getrandbits(64) ^ int(at.timestamp()))  # noqa: S311 - demo data
    body["date_modified"], body["date_modified_gmt"] = _times(at, sketch.account)
    if change.random() < 0.5:
        body["customer_note"] = change.choice(_NOTES)
    else:
        body["billing"] = {**body["billing"], "phone": another_phone(change, sketch.country)}
    return _document(change, "updated", body, sketch)


def _document(rng: random.Random, event: str, body: dict[str, Any], sketch: OrderSketch) -> ChannelDocument:
    headers = {
        "content-type": "application/json",
        "account": sketch.account,
        "x-wc-webhook-source": f"https://{sketch.account}/",
        "x-wc-webhook-topic": f"order.{event}",
        "x-wc-webhook-resource": "order",
        "x-wc-webhook-event": event,
        "x-wc-webhook-id": "3",
        "x-wc-webhook-delivery-id": f"{rng.getrandbits(128):032x}",
    }
    return ChannelDocument(sketch.channel_order_id.encode(), headers, orjson.dumps(body), sketch)


_ZONES = {front.account: timezone(timedelta(hours=front.utc_offset_hours)) for front in STOREFRONTS}


def _times(at: datetime, account: str) -> tuple[str, str]:
    """Return shop time and UTC, neither with an offset, as WooCommerce writes them."""
    return at.astimezone(_ZONES[account]).strftime("%Y-%m-%dT%H:%M:%S"), at.strftime("%Y-%m-%dT%H:%M:%S")


def _order(rng: random.Random, number: int, at: datetime) -> tuple[dict[str, Any], OrderSketch]:
    storefront = rng.choice(STOREFRONTS)
    basket = fill(rng, storefront)
    order_id, currency, who = 20_417 + number, storefront.currency, basket.recipient
    local, utc = _times(at, storefront.account)
    method, method_title = rng.choice(_PAYMENTS)
    paid = method != "cod"
    rows = [_Row(basket, line, order_id * 16 + position) for position, line in enumerate(basket.lines)]
    shipping_net = basket.shipping - basket.shipping_tax if storefront.tax_included else basket.shipping
    key = f"{rng.getrandbits(64):013x}"[:13]
    body = {
        **_SAME_FOR_ALL,
        "id": order_id,
        "currency": currency,
        "prices_include_tax": storefront.tax_included,
        "date_created": local,
        "date_modified": local,
        "discount_total": to_text(sum(row.off for row in rows), currency),
        "discount_tax": to_text(sum(row.off_tax for row in rows), currency),
        "shipping_total": to_text(shipping_net, currency),
        "shipping_tax": to_text(basket.shipping_tax, currency),
        "cart_tax": to_text(basket.tax - basket.shipping_tax, currency),
        "total": to_text(basket.total, currency),
        "total_tax": to_text(basket.tax, currency),
        "customer_id": number % 5 and 900 + number % 700,
        "order_key": f"wc_order_{key}",
        "billing": {**_address(who), "email": who.email, "phone": who.phone or ""},
        "shipping": {**_address(who), "phone": ""},
        "payment_method": method,
        "payment_method_title": method_title,
        "transaction_id": f"txn_{rng.getrandbits(72):018x}" if paid else "",
        "customer_ip_address": f"203.0.113.{number % 254 + 1}",
        "customer_note": _NOTES[number % 3] if rng.random() < 0.08 else "",
        "date_paid": local if paid else None,
        "cart_hash": f"{rng.getrandbits(128):032x}",
        "number": str(order_id),
        "meta_data": [{"id": order_id * 40 + 1, "key": "is_vat_exempt", "value": "no"}],
        "line_items": [row.json() for row in rows],
        "tax_lines": _tax_lines(basket, order_id),
        "shipping_lines": [_shipping(basket, shipping_net, order_id)],
        "coupon_lines": _coupons(basket, rows, order_id),
        "payment_url": f"https://{storefront.account}/checkout/order-pay/{order_id}/?pay_for_order=true&key=wc_order_{key}",
        "date_created_gmt": utc,
        "date_modified_gmt": utc,
        "date_paid_gmt": utc if paid else None,
        "currency_symbol": _SYMBOLS[currency],
        "_links": {
            "self": [{"href": f"https://{storefront.account}/wp-json/wc/v3/orders/{order_id}"}],
            "collection": [{"href": f"https://{storefront.account}/wp-json/wc/v3/orders"}],
        },
    }
    return body, _sketch(basket, rows, order_id, at)


class _Row:
    """A line with its amounts net of tax: before the coupon (`subtotal`) and after it (`total`)."""

    def __init__(self, basket: Basket, line: BasketLine, row_id: int) -> None:
        included = basket.storefront.tax_included
        self.basket, self.line, self.row_id = basket, line, row_id
        self.subtotal_tax = tax_on(line.gross, basket.rate_bp, included=included)
        self.subtotal = line.gross - (self.subtotal_tax if included else 0)
        self.total = line.gross - line.discount - (line.tax if included else 0)
        self.off = self.subtotal - self.total
        self.off_tax = self.subtotal_tax - line.tax

    def json(self) -> dict[str, Any]:
        """Return the line as WooCommerce states it."""
        currency, line, product = self.basket.storefront.currency, self.line, self.line.product
        total_tax, subtotal_tax = to_text(line.tax, currency), to_text(self.subtotal_tax, currency)
        return {
            "id": self.row_id,
            "name": product.title,
            "product_id": 310 + product.number,
            "variation_id": 0,
            "quantity": line.quantity,
            "tax_class": "",
            "subtotal": to_text(self.subtotal, currency),
            "subtotal_tax": subtotal_tax,
            "total": to_text(self.total, currency),
            "total_tax": total_tax,
            "taxes": [{"id": self.basket.rate_bp, "total": total_tax, "subtotal": subtotal_tax}] if self.basket.rate_bp else [],
            "meta_data": [],
            "sku": product.sku,
            "global_unique_id": "",
            "price": orjson.Fragment(_per_unit(self.total, line.quantity)),
            "image": {"id": "", "src": ""},
            "parent_name": None,
        }


def _per_unit(total: int, quantity: int) -> str:
    """Show hundredths by a quantity as PHP shows the float: 15 digits, no trailing zeros.

    >>> _per_unit(2500, 3), _per_unit(600, 2), _per_unit(1250, 1)
    ('8.33333333333333', '3', '12.5')
    """
    value = _PHP_FLOAT.divide(Decimal(total), Decimal(100 * quantity))
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _sketch(basket: Basket, rows: list[_Row], order_id: int, at: datetime) -> OrderSketch:
    return OrderSketch(
        channel=CHANNEL,
        account=basket.storefront.account,
        channel_order_id=str(order_id),
        country=basket.recipient.country,
        currency=basket.storefront.currency,
        total_minor=basket.total,
        placed_at=at,
        lines=tuple(LineSketch(str(row.row_id), row.line.product.sku, row.line.quantity, row.line.unit) for row in rows),
    )


def _address(who: Recipient) -> dict[str, Any]:
    return {
        "first_name": who.first_name,
        "last_name": who.last_name,
        "company": who.company or "",
        "address_1": who.street,
        "address_2": who.extra or "",
        "city": who.town.name,
        "state": who.town.region_code if who.country == "US" else "",
        "postcode": who.postal_code,
        "country": who.country,
    }


def _tax_lines(basket: Basket, order_id: int) -> list[dict[str, Any]]:
    if not basket.rate_bp:
        return []
    currency = basket.storefront.currency
    percent = _per_unit(basket.rate_bp, 1)
    return [
        {
            "id": order_id * 16 + 14,
            "rate_code": f"{basket.recipient.country}-{basket.tax_title.upper()}-1",
            "rate_id": basket.rate_bp,
            "label": basket.tax_title,
            "compound": False,
            "tax_total": to_text(basket.tax - basket.shipping_tax, currency),
            "shipping_tax_total": to_text(basket.shipping_tax, currency),
            "rate_percent": orjson.Fragment(percent),
            "meta_data": [],
        }
    ]


def _shipping(basket: Basket, net: int, order_id: int) -> dict[str, Any]:
    currency = basket.storefront.currency
    tax = to_text(basket.shipping_tax, currency)
    return {
        "id": order_id * 16 + 13,
        "method_title": "Flat rate" if basket.shipping else "Free shipping",
        "method_id": "flat_rate" if basket.shipping else "free_shipping",
        "instance_id": "1",
        "total": to_text(net, currency),
        "total_tax": tax,
        "taxes": [{"id": basket.rate_bp, "total": tax, "subtotal": ""}] if basket.shipping_tax else [],
        "meta_data": [],
    }


def _coupons(basket: Basket, rows: list[_Row], order_id: int) -> list[dict[str, Any]]:
    discount, currency = basket.discount, basket.storefront.currency
    if discount is None:
        return []
    return [
        {
            "id": order_id * 16 + 15,
            "code": discount.code.lower(),
            "discount": to_text(sum(row.off for row in rows), currency),
            "discount_tax": to_text(sum(row.off_tax for row in rows), currency),
            "meta_data": [],
            "discount_type": "fixed_cart" if discount.percent is None else "percent",
            "nominal_amount": orjson.Fragment(_per_unit(discount.amount, 1) if discount.percent is None else str(discount.percent)),
            "free_shipping": False,
        }
    ]
