"""Amazon Selling Partner API, Orders 2026-01-01, invented: the answer of getOrder, order and items in one.

Sums:    the breakdowns of `proceeds` (ITEM, SHIPPING, TAX, DISCOUNT; a discount is negative) add up to the
         item's `proceedsTotal`, those of the order to `grandTotal`; ITEM = unitPrice * quantityOrdered.
Headers: a poller wrote the record, so there is only a content type and the seller's account.
Source:  developer-docs.amazon.com, Orders API 2026-01-01 model, read 2026-11-23. It does not say the sign of DISCOUNT;
         negative is what makes a breakdown add up.
"""

import random
from datetime import datetime, timedelta
from typing import Any

import orjson

from ordermend.local.traffic.basket import Basket, BasketLine, Storefront, fill
from ordermend.local.traffic.catalogue import Recipient, another_phone
from ordermend.local.traffic.sketch import ChannelDocument, LineSketch, OrderSketch
from schemas.money import allocate, to_text

CHANNEL = "amazon"
STOREFRONTS = (
    Storefront("A9TIDELINE7GBX", "GBP", ("GB",), tax_included=False),
    Storefront("A4WOLKENM2EUQ", "EUR", ("DE",), tax_included=False),
    Storefront("A4WOLKENM2EUQ", "EUR", ("FR",), tax_included=False),
    Storefront("A2HARBORH5USK", "USD", ("US",), tax_included=False),
)
_MARKETPLACES = {
    "GB": ("A1F83G8C2ARO7P", "Amazon.co.uk", "amazon.co.uk"),
    "DE": ("A1PA6795UKMFR9", "Amazon.de", "amazon.de"),
    "FR": ("A13V1IB3VIYZZH", "Amazon.fr", "amazon.fr"),
    "US": ("ATVPDKIKX0DER", "Amazon.com", "amazon.com"),
}


def order_document(rng: random.Random, number: int, at: datetime) -> ChannelDocument:
    """Make the getOrder answer of order `number`, placed at `at` and not yet shipped."""
    return _document(*_order(rng, number, at))


def update_document(rng: random.Random, number: int, placed_at: datetime, at: datetime) -> ChannelDocument:
    """Restate that order as of `at`: another phone or delivery note. `rng` is seeded as it was for the order."""
    order, sketch = _order(rng, number, placed_at)
    change = random.Random(rng.getrandbits(64) ^ int(at.timestamp()))  # noqa: S311 - demo data
    order["lastUpdatedTime"] = _stamp(at)
    address = order["recipient"]["deliveryAddress"]
    if change.random() < 0.5:
        address["phone"] = another_phone(change, sketch.country)
    else:
        address["addressLine3"] = f"Gate code {change.randrange(1000, 9999)}"
    return _document(order, sketch)


def _document(order: dict[str, Any], sketch: OrderSketch) -> ChannelDocument:
    headers = {"content-type": "application/json", "account": sketch.account}
    return ChannelDocument(sketch.channel_order_id.encode(), headers, orjson.dumps({"order": order}), sketch)


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _money(amount: int, currency: str) -> dict[str, str]:
    return {"amount": to_text(amount, currency), "currencyCode": currency}


def _order_id(number: int) -> str:
    return f"{200 + number % 7 * 3:03d}-{(number * 7_368_787 + 1_204_391) % 10_000_000:07d}-{(number * 3_141_593 + 592) % 10_000_000:07d}"


def _order(rng: random.Random, number: int, at: datetime) -> tuple[dict[str, Any], OrderSketch]:
    storefront = rng.choice(STOREFRONTS)
    basket = fill(rng, storefront)
    who, currency, order_id = basket.recipient, storefront.currency, _order_id(number)
    marketplace, name, domain = _MARKETPLACES[who.country]
    shares = allocate(basket.shipping, [line.gross for line in basket.lines])
    taxes = allocate(basket.shipping_tax, shares)
    prime = rng.random() < 0.3
    order: dict[str, Any] = {
        "orderId": order_id,
        "createdTime": _stamp(at),
        "lastUpdatedTime": _stamp(at),
        **({"programs": ["PRIME"]} if prime else {}),
        "salesChannel": {"channelName": "AMAZON", "marketplaceId": marketplace, "marketplaceName": name},
        "buyer": {"buyerName": who.name, "buyerEmail": f"{rng.getrandbits(60):x}@marketplace.{domain}"},
        "recipient": {"deliveryAddress": _address(who)},
        "proceeds": {
            "grandTotal": _money(basket.total, currency),
            "breakdowns": _breakdowns(basket.subtotal, basket.shipping, basket.tax, basket.discount_total, currency),
        },
        "fulfillment": {
            "fulfillmentStatus": "UNSHIPPED",
            "fulfilledBy": "MERCHANT",
            "fulfillmentServiceLevel": "EXPEDITED" if prime else "STANDARD",
            "shipByWindow": _window(at, 0, 2),
            "deliverByWindow": _window(at, 2, 6),
        },
        "orderItems": [
            _item(basket, line, _item_id(number, position), shares[position], taxes[position]) for position, line in enumerate(basket.lines)
        ],
    }
    return order, _sketch(basket, order_id, number, at)


def _item_id(number: int, position: int) -> str:
    return str(40_712_300_000_000 + number * 8 + position)


def _sketch(basket: Basket, order_id: str, number: int, at: datetime) -> OrderSketch:
    return OrderSketch(
        channel=CHANNEL,
        account=basket.storefront.account,
        channel_order_id=order_id,
        country=basket.recipient.country,
        currency=basket.storefront.currency,
        total_minor=basket.total,
        placed_at=at,
        lines=tuple(
            LineSketch(_item_id(number, position), line.product.sku, line.quantity, line.unit) for position, line in enumerate(basket.lines)
        ),
    )


def _window(at: datetime, first_day: int, last_day: int) -> dict[str, str]:
    return {
        "earliestDateTime": (at + timedelta(days=first_day)).strftime("%Y-%m-%dT00:00:00Z"),
        "latestDateTime": (at + timedelta(days=last_day)).strftime("%Y-%m-%dT23:59:59Z"),
    }


def _breakdowns(item: int, shipping: int, tax: int, discount: int, currency: str) -> list[dict[str, Any]]:
    parts = (("ITEM", item), ("SHIPPING", shipping), ("TAX", tax), ("DISCOUNT", -discount))
    return [{"type": kind, "subtotal": _money(amount, currency)} for kind, amount in parts if amount or kind == "ITEM"]


def _item(basket: Basket, line: BasketLine, item_id: str, shipping: int, shipping_tax: int) -> dict[str, Any]:
    currency, product = basket.storefront.currency, line.product
    tax = line.tax + shipping_tax
    breakdowns = _breakdowns(line.gross, shipping, tax, line.discount, currency)
    for row in breakdowns:
        if row["type"] == "TAX":
            parts = (("ITEM", line.tax), ("SHIPPING", shipping_tax))
            row["detailedBreakdowns"] = [{"subtype": kind, "value": _money(amount, currency)} for kind, amount in parts if amount]
    item: dict[str, Any] = {
        "orderItemId": item_id,
        "quantityOrdered": line.quantity,
        "product": {
            "asin": f"B0{product.number * 60_466_177 % 10**8:08d}",
            "title": product.title,
            "sellerSku": product.sku,
            "condition": {"conditionType": "NEW", "conditionSubtype": "NEW"},
            "price": {"unitPrice": _money(line.unit, currency)},
        },
        "proceeds": {
            "proceedsTotal": _money(line.gross + shipping + tax - line.discount, currency),
            "breakdowns": breakdowns,
        },
        "fulfillment": {"quantityFulfilled": 0, "quantityUnfulfilled": line.quantity},
    }
    if basket.discount and line.discount:
        item["promotion"] = {"breakdowns": [{"promotionId": basket.discount.code}]}
    return item


def _address(who: Recipient) -> dict[str, Any]:
    address = {
        "name": who.name,
        "companyName": who.company,
        "addressLine1": who.street,
        "addressLine2": who.extra,
        "city": who.town.name,
        "stateOrRegion": who.town.region_code if who.country == "US" else who.town.region,
        "postalCode": who.postal_code,
        "countryCode": who.country,
        "phone": who.phone,
        "addressType": "COMMERCIAL" if who.company else "RESIDENTIAL",
    }
    return {name: value for name, value in address.items() if value is not None}
