"""eBay Sell Fulfillment API v1, invented: the answer of getOrder.

Sums:    priceSubtotal = Σ lineItemCost (unit price * quantity, before discounts); total = priceSubtotal + priceDiscount
         (negative) + deliveryCost + tax. US sales tax is collected and remitted by eBay: it stands in `taxes` and in
         `ebayCollectAndRemitTaxes` of the line with the same amount, and is part of line total and order total.
         Elsewhere the price holds the tax and eBay says nothing of it.
Values:  decimals without trailing zeros but with at least one place ("24.5", "10.0").
Source:  developer.ebay.com, sell/fulfillment types Order, PricingSummary, LineItem, EbayCollectAndRemitTax, read 2026-11-23.
"""

import random
from datetime import datetime, timedelta
from typing import Any

import orjson

from ordermend.local.traffic.basket import Basket, BasketLine, Storefront, fill
from ordermend.local.traffic.catalogue import Recipient, another_phone
from ordermend.local.traffic.sketch import ChannelDocument, LineSketch, OrderSketch
from schemas.money import allocate, to_text

CHANNEL = "ebay"
STOREFRONTS = (
    Storefront("tideline_supply", "GBP", ("GB",), tax_included=True),
    Storefront("wolkenmoos-outlet", "EUR", ("DE",), tax_included=True),
    Storefront("wolkenmoos-outlet", "EUR", ("FR",), tax_included=True),
    Storefront("harbor_hollow", "USD", ("US",), tax_included=False),
)
_SERVICES = {
    "GB": ("Royal Mail", "UK_RoyalMailTracked"),
    "DE": ("DHL", "DE_DHLPaket"),
    "FR": ("Colissimo", "FR_ColiposteColissimo"),
    "US": ("USPS", "USPSGroundAdvantage"),
}
_NOTES = ("Could you combine this with my other order?", "Bitte gut polstern, danke.", "Merci d'emballer avec soin.")


def order_document(rng: random.Random, number: int, at: datetime) -> ChannelDocument:
    """Make the getOrder answer of order `number`, created at `at`, paid and not started."""
    return _document(*_order(rng, number, at))


def update_document(rng: random.Random, number: int, placed_at: datetime, at: datetime) -> ChannelDocument:
    """Restate that order as of `at`: a checkout note or a phone. `rng` is seeded as it was for the order."""
    body, sketch = _order(rng, number, placed_at)
    change = random.Random(rng.getrandbits(64) ^ int(at.timestamp()))  # noqa: S311 - demo data
    body["lastModifiedDate"] = _stamp(at)
    if change.random() < 0.5:
        body["buyerCheckoutNotes"] = change.choice(_NOTES)
    else:
        ship_to = body["fulfillmentStartInstructions"][0]["shippingStep"]["shipTo"]
        ship_to["primaryPhone"] = {"phoneNumber": another_phone(change, sketch.country)}
    return _document(body, sketch)


def _document(body: dict[str, Any], sketch: OrderSketch) -> ChannelDocument:
    headers = {"content-type": "application/json", "account": sketch.account}
    return ChannelDocument(sketch.channel_order_id.encode(), headers, orjson.dumps(body), sketch)


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _money(amount: int, currency: str) -> dict[str, str]:
    text = to_text(amount, currency)
    return {"value": text.removesuffix("0"), "currency": currency}


def _order_id(number: int) -> str:
    return f"{3 + number % 24:02d}-{(number * 31_607 + 11_213) % 100_000:05d}-{number % 100_000:05d}{number // 100_000 or ''}"


def _order(rng: random.Random, number: int, at: datetime) -> tuple[dict[str, Any], OrderSketch]:
    storefront = rng.choice(STOREFRONTS)
    basket = fill(rng, storefront)
    who, currency, order_id = basket.recipient, storefront.currency, _order_id(number)
    us = who.country == "US"
    shipping = allocate(basket.shipping, [line.gross for line in basket.lines])
    shipping_tax = allocate(basket.shipping_tax, shipping)
    lines = [
        _line(basket, line, _line_id(number, position), at, shipping=shipping[position], shipping_tax=shipping_tax[position] if us else 0)
        for position, line in enumerate(basket.lines)
    ]
    total = _money(basket.total, currency)
    body = {
        "orderId": order_id,
        "legacyOrderId": f"{order_id}!{2_204_000_000 + number}",
        "creationDate": _stamp(at),
        "lastModifiedDate": _stamp(at),
        "orderFulfillmentStatus": "NOT_STARTED",
        "orderPaymentStatus": "PAID",
        "sellerId": storefront.account,
        "buyer": _buyer(who, number),
        "pricingSummary": _pricing(basket, taxed=us),
        "cancelStatus": {"cancelState": "NONE_REQUESTED", "cancelRequests": []},
        "paymentSummary": {
            "totalDueSeller": total,
            "refunds": [],
            "payments": [
                {
                    "paymentMethod": "EBAY",
                    "paymentReferenceId": f"{rng.randrange(10**9, 10**10)}",
                    "paymentDate": _stamp(at + timedelta(seconds=2)),
                    "amount": total,
                    "paymentStatus": "PAID",
                }
            ],
        },
        "fulfillmentStartInstructions": [_instructions(who, at)],
        "fulfillmentHrefs": [],
        "lineItems": lines,
        "ebayCollectAndRemitTax": us,
        "salesRecordReference": str(1204 + number),
        "totalFeeBasisAmount": total,
        "totalMarketplaceFee": _money((basket.total * 118 + 500) // 1000, currency),
    }
    return body, _sketch(basket, order_id, number, at)


def _line_id(number: int, position: int) -> str:
    return str(10_063_000_000_000 + number * 8 + position)


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
            LineSketch(_line_id(number, position), line.product.sku, line.quantity, line.unit) for position, line in enumerate(basket.lines)
        ),
    )


def _pricing(basket: Basket, *, taxed: bool) -> dict[str, Any]:
    currency = basket.storefront.currency
    pricing = {
        "priceSubtotal": _money(basket.subtotal, currency),
        "deliveryCost": _money(basket.shipping, currency),
        "total": _money(basket.total, currency),
    }
    if basket.discount_total:
        pricing["priceDiscount"] = _money(-basket.discount_total, currency)
    if taxed and basket.tax:
        pricing["tax"] = _money(basket.tax, currency)
    return pricing


def _line(basket: Basket, line: BasketLine, line_id: str, at: datetime, *, shipping: int, shipping_tax: int) -> dict[str, Any]:
    currency, country = basket.storefront.currency, basket.recipient.country
    tax = line.tax + shipping_tax if country == "US" else 0
    marketplace = f"EBAY_{country}"
    item = {
        "lineItemId": line_id,
        "legacyItemId": str(126_400_000_000 + line.product.number),
        "sku": line.product.sku,
        "title": line.product.title,
        "lineItemCost": _money(line.gross, currency),
        "quantity": line.quantity,
        "soldFormat": "FIXED_PRICE",
        "listingMarketplaceId": marketplace,
        "purchaseMarketplaceId": marketplace,
        "lineItemFulfillmentStatus": "NOT_STARTED",
        "total": _money(line.gross - line.discount + shipping + tax, currency),
        "deliveryCost": {"shippingCost": _money(shipping, currency)},
        "appliedPromotions": [],
        "taxes": [{"amount": _money(tax, currency), "taxType": "STATE_SALES_TAX"}] if tax else [],
        "properties": {"buyerProtection": True},
        "lineItemFulfillmentInstructions": {
            "minEstimatedDeliveryDate": _stamp(at + timedelta(days=2)),
            "maxEstimatedDeliveryDate": _stamp(at + timedelta(days=5)),
            "shipByDate": _stamp(at + timedelta(days=1)),
            "guaranteedDelivery": False,
        },
        "itemLocation": {"location": "Warehouse", "countryCode": country, "postalCode": basket.recipient.town.postal_prefix},
    }
    if tax:
        item["ebayCollectAndRemitTaxes"] = [{"taxType": "STATE_SALES_TAX", "amount": _money(tax, currency), "collectionMethod": "NET"}]
    if line.discount and basket.discount:
        item["discountedLineItemCost"] = _money(line.gross - line.discount, currency)
        item["appliedPromotions"] = [
            {
                "discountAmount": _money(line.discount, currency),
                "promotionId": f"9{line.discount % 7}0017",
                "description": basket.discount.code,
            }
        ]
    return item


def _buyer(who: Recipient, number: int) -> dict[str, Any]:
    return {
        "username": f"{who.email.partition('@')[0]}_{number % 9973}",
        "taxAddress": {"postalCode": who.postal_code, "countryCode": who.country},
        "buyerRegistrationAddress": _ship_to(who),
    }


def _ship_to(who: Recipient) -> dict[str, Any]:
    address = {
        "addressLine1": who.street,
        "addressLine2": who.extra,
        "city": who.town.name,
        "stateOrProvince": who.town.region_code if who.country == "US" else who.town.region,
        "postalCode": who.postal_code,
        "countryCode": who.country,
    }
    return {
        "fullName": who.name,
        **({"companyName": who.company} if who.company else {}),
        "contactAddress": {name: value for name, value in address.items() if value is not None},
        "primaryPhone": {"phoneNumber": who.phone} if who.phone else {},
        "email": who.email,
    }


def _instructions(who: Recipient, at: datetime) -> dict[str, Any]:
    carrier, service = _SERVICES[who.country]
    return {
        "fulfillmentInstructionsType": "SHIP_TO",
        "minEstimatedDeliveryDate": _stamp(at + timedelta(days=2)),
        "maxEstimatedDeliveryDate": _stamp(at + timedelta(days=5)),
        "ebaySupportedFulfillment": False,
        "shippingStep": {"shipTo": _ship_to(who), "shippingCarrierCode": carrier, "shippingServiceCode": service},
    }
