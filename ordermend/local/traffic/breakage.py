"""Documents damaged on purpose, each in one named way that no correct normaliser may take for an order.

A currency that is none is not among them: our normalisers read it as "no currency stated", with a warning.

Input:   a good document's bytes and its channel.
Output:  other bytes, and the kind of damage. The same generator state gives the same damage.
"""

import random
from collections.abc import Callable
from typing import Any

import orjson

Breaker = Callable[[random.Random, bytes], bytes]

_ORDER_IDS = {
    "shopify": ("id", "admin_graphql_api_id"),
    "woocommerce": ("id", "number"),
    "amazon": ("orderId",),
    "ebay": ("orderId", "legacyOrderId"),
}
_LINES = {"shopify": "line_items", "woocommerce": "line_items", "amazon": "orderItems", "ebay": "lineItems"}
_QUANTITY = {"shopify": "quantity", "woocommerce": "quantity", "amazon": "quantityOrdered", "ebay": "quantity"}
_PRICE = {
    "shopify": ("price",),
    "woocommerce": ("total",),
    "amazon": ("product", "price", "unitPrice", "amount"),
    "ebay": ("lineItemCost", "value"),
}
_GATEWAY_PAGE = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_PLACEHOLDER = "@@number@@"


def break_document(rng: random.Random, body: bytes, channel: str) -> tuple[bytes, str]:
    """Damage `body`; return the damaged bytes and the kind of damage."""
    kind, breaker = rng.choice(breakers(channel))
    return breaker(rng, body), kind


def breakers(channel: str) -> tuple[tuple[str, Breaker], ...]:
    """Return every kind of damage for `channel` with its function."""
    return _X12 if channel == "x12" else _JSON[channel]


def _truncated(rng: random.Random, body: bytes) -> bytes:
    return body[: rng.randrange(len(body) // 10, len(body) * 9 // 10)]


def _gateway_page(rng: random.Random, body: bytes) -> bytes:
    del rng, body
    return _GATEWAY_PAGE


def _empty(rng: random.Random, body: bytes) -> bytes:
    del rng, body
    return b""


def _not_an_object(rng: random.Random, body: bytes) -> bytes:
    del body
    return rng.choice((b"null", b"[]", b'"order"', b"42"))


def _invalid_utf8(rng: random.Random, body: bytes) -> bytes:
    """Put a byte that UTF-8 never has into the first string value after a random place."""
    place = body.find(b':"', rng.randrange(len(body) // 2))
    return body[: place + 2] + rng.choice((b"\xff", b"\xc3\x28", b"\xed\xa0\x80")) + body[place + 2 :]


def _order_of(document: dict[str, Any], channel: str) -> dict[str, Any]:
    order = document["order"] if channel == "amazon" else document
    assert isinstance(order, dict)
    return order


def _duplicate_key(channel: str) -> Breaker:
    name = _ORDER_IDS[channel][0].encode()

    def breaker(rng: random.Random, body: bytes) -> bytes:
        """Name the order twice, with two ids, in the object that holds it."""
        other = b'"%s":"%d",' % (name, rng.randrange(10**9))
        place = body.index(b'"%s":' % name)
        return body[:place] + other + body[place:]

    return breaker


def _edited(channel: str, edit: Callable[[random.Random, dict[str, Any]], None]) -> Breaker:
    def breaker(rng: random.Random, body: bytes) -> bytes:
        document = orjson.loads(body)
        edit(rng, _order_of(document, channel))
        return orjson.dumps(document)

    return breaker


def _no_order_id(channel: str) -> Breaker:
    def edit(_: random.Random, order: dict[str, Any]) -> None:
        for name in _ORDER_IDS[channel]:
            order.pop(name, None)

    return _edited(channel, edit)


def _lines_no_list(channel: str) -> Breaker:
    def edit(rng: random.Random, order: dict[str, Any]) -> None:
        order[_LINES[channel]] = rng.choice((7, "none", True, {"first": order[_LINES[channel]][0]}))

    return _edited(channel, edit)


def _line_no_object(channel: str) -> Breaker:
    def edit(rng: random.Random, order: dict[str, Any]) -> None:
        lines = order[_LINES[channel]]
        lines[rng.randrange(len(lines))] = "1 x something"

    return _edited(channel, edit)


def _quantity_no_number(channel: str) -> Breaker:
    def edit(rng: random.Random, order: dict[str, Any]) -> None:
        rng.choice(order[_LINES[channel]])[_QUANTITY[channel]] = rng.choice(("two", [], {"value": 1}))

    return _edited(channel, edit)


def _set_price(channel: str, line: dict[str, Any], value: object) -> None:
    *parents, name = _PRICE[channel]
    for parent in parents:
        line = line[parent]
    line[name] = value
    if channel == "shopify":
        line["price_set"] = {"shop_money": {"amount": value}}


def _price_no_number(channel: str) -> Breaker:
    def edit(rng: random.Random, order: dict[str, Any]) -> None:
        _set_price(channel, rng.choice(order[_LINES[channel]]), rng.choice(("twelve", "12,30 EUR", "1e", {"cents": 1230})))

    return _edited(channel, edit)


def _price_not_finite(channel: str) -> Breaker:
    def edit(rng: random.Random, order: dict[str, Any]) -> None:
        _set_price(channel, rng.choice(order[_LINES[channel]]), _PLACEHOLDER)

    edited = _edited(channel, edit)

    def breaker(rng: random.Random, body: bytes) -> bytes:
        """Write a number that JSON does not have."""
        value = rng.choice((b"NaN", b"Infinity", b"-Infinity"))
        return edited(rng, body).replace(b'"%s"' % _PLACEHOLDER.encode(), value)

    return breaker


def _json_breakers(channel: str) -> tuple[tuple[str, Breaker], ...]:
    return (
        ("truncated", _truncated),
        ("gateway_page", _gateway_page),
        ("empty", _empty),
        ("not_an_object", _not_an_object),
        ("invalid_utf8", _invalid_utf8),
        ("duplicate_key", _duplicate_key(channel)),
        ("missing_order_id", _no_order_id(channel)),
        ("lines_no_list", _lines_no_list(channel)),
        ("line_no_object", _line_no_object(channel)),
        ("quantity_no_number", _quantity_no_number(channel)),
        ("price_no_number", _price_no_number(channel)),
        ("price_not_finite", _price_not_finite(channel)),
    )


def _isa_cut_short(rng: random.Random, body: bytes) -> bytes:
    return body[: rng.randrange(10, 100)]


def _cut_before_lines(rng: random.Random, body: bytes) -> bytes:
    """Lose everything from somewhere in the heading on: no line, no trailer."""
    return body[: rng.randrange(body.index(b"ST*850"), body.index(b"BEG*") + 8)]


def _without(name: bytes) -> Breaker:
    def breaker(rng: random.Random, body: bytes) -> bytes:
        del rng
        return b"~\n".join(segment for segment in body.split(b"~\n") if not segment.startswith(name + b"*"))

    return breaker


def _with_element(segment: bytes, position: int, values: tuple[bytes, ...]) -> Breaker:
    """Replace one element of the first such segment."""

    def breaker(rng: random.Random, body: bytes) -> bytes:
        start = body.index(b"~\n" + segment + b"*") + 2
        end = body.index(b"~", start)
        elements = body[start:end].split(b"*")
        elements[position] = rng.choice(values)
        return body[:start] + b"*".join(elements) + body[end:]

    return breaker


_JSON = {channel: _json_breakers(channel) for channel in _ORDER_IDS}
_X12: tuple[tuple[str, Breaker], ...] = (
    ("isa_cut_short", _isa_cut_short),
    ("cut_before_lines", _cut_before_lines),
    ("gateway_page", _gateway_page),
    ("empty", _empty),
    ("missing_beg", _without(b"BEG")),
    ("missing_order_id", _with_element(b"BEG", 3, (b"",))),
    ("quantity_no_number", _with_element(b"PO1", 2, (b"TWO", b"1-2"))),
    ("price_no_number", _with_element(b"PO1", 4, (b"NAN", b"12,30", b"FREE"))),
)
