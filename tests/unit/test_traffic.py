"""The demo traffic is deterministic, adds up by each channel's own rules, and its broken documents are broken."""

import json
import random
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest

from normalizers import discover
from normalizers.channel import Document, Result, StatedOrder
from ordermend.local.traffic.breakage import break_document, breakers
from ordermend.local.traffic.schedule import GENERATORS, START, WEIGHTS, Plan, channel_cycle, plan
from ordermend.local.traffic.sketch import ChannelDocument
from schemas.failures import OrdermendError
from schemas.money import to_minor

CHANNELS = tuple(GENERATORS)
JSON_CHANNELS = tuple(name for name in CHANNELS if name != "x12")
COUNT = 300


def documents(channel: str, count: int = COUNT) -> Iterator[ChannelDocument]:
    for number in range(count):
        yield GENERATORS[channel].order_document(random.Random(number), number, START + number * timedelta(seconds=61))


def updated(channel: str, number: int) -> ChannelDocument:
    return GENERATORS[channel].update_document(random.Random(number), number, START, START + timedelta(hours=2))


def normalize(channel: str, body: bytes, headers: dict[str, str]) -> tuple[Result, ...]:
    found = discover().get(channel)
    if found is None:
        pytest.skip(f"no normaliser for {channel} yet")
    return found.normalize((Document(body, headers),))


def minor(value: Any, currency: str) -> int:
    return to_minor(value, currency)


# --- the same seed gives the same bytes


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_document_is_made_from_seed_and_number_alone(channel: str) -> None:
    assert list(documents(channel, 40)) == list(documents(channel, 40))


def test_the_same_plan_gives_the_same_stream_twice() -> None:
    made = plan(400, 50, seed=7)

    assert list(made) == list(made)
    assert [send.body for send in made] != [send.body for send in plan(400, 50, seed=8)]


@pytest.mark.parametrize("channel", CHANNELS)
def test_ids_are_never_used_twice(channel: str) -> None:
    made = [document.sketch for document in documents(channel, 2000)]

    assert len({sketch.channel_order_id for sketch in made}) == 2000
    assert all(len({line.channel_line_id for line in sketch.lines}) == len(sketch.lines) for sketch in made)


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_restatement_is_the_same_order_with_other_bytes(channel: str) -> None:
    for number in range(50):
        order = GENERATORS[channel].order_document(random.Random(number), number, START)
        update = updated(channel, number)

        assert update.sketch == order.sketch
        assert update.key == order.key
        assert update.body != order.body


# --- the shares


def labels(made: Plan) -> Counter[str]:
    return Counter(send.label for send in made)


@pytest.mark.parametrize(("orders", "seed"), [(1, 1), (20, 2), (1000, 1), (3000, 9)])
def test_a_plan_keeps_its_counts_exactly(orders: int, seed: int) -> None:
    made = plan(orders, orders // 10, seed)
    found = labels(made)

    assert found == Counter(order=orders, broken=made.broken, twice=made.twice, restated=made.restated)
    assert found.total() == len(made)
    assert orders // 10 == sum(send.edits_before + send.edits_after for send in made)


def test_shares_are_of_all_that_is_sent() -> None:
    found = labels(plan(3000, 0, seed=3))

    assert 0.018 <= found["broken"] / found.total() <= 0.022
    assert 0.008 <= found["twice"] / found.total() <= 0.012
    assert 0.018 <= found["restated"] / found.total() <= 0.022


def test_a_share_of_nothing_sends_nothing() -> None:
    assert Counter(order=100) == labels(plan(100, 0, seed=1, broken_share=0, twice_share=0, restated_share=0))


@pytest.mark.parametrize(("orders", "edits", "share"), [(0, 0, 0.02), (10, -1, 0.02), (10, 1, 1.0), (10, 1, -0.1)])
def test_an_impossible_plan_is_refused(orders: int, edits: int, share: float) -> None:
    with pytest.raises(ValueError, match="no plan of"):
        plan(orders, edits, 1, broken_share=share)


def test_a_repeat_is_an_earlier_send_byte_for_byte_and_never_stale() -> None:
    seen: dict[bytes, bytes] = {}
    restated: set[bytes] = set()
    for send in plan(2000, 100, seed=4, twice_share=0.1, restated_share=0.1):
        key = send.channel.encode() + b":" + send.key
        if send.label == "order":
            seen[key] = send.body
        elif send.label == "twice":
            assert seen[key] == send.body
            assert key not in restated
        elif send.label == "restated":
            assert seen[key] != send.body
            restated.add(key)
        else:
            assert key not in seen


def test_channels_take_turns_by_weight() -> None:
    found = Counter(send.channel for send in plan(2000, 0, seed=1) if send.label == "order")

    assert {name: 100 * weight for name, weight in WEIGHTS.items()} == dict(found)

    expected = ("a", "a", "b", "a")
    assert expected == channel_cycle({"a": 3, "b": 1})


def test_a_long_plan_needs_little_memory() -> None:
    for _ in islice(plan(100_000, 10_000, seed=1), 100):
        pass
    tracemalloc.start()
    for _ in islice(plan(100_000, 10_000, seed=1), 1500):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 4 * 2**20


# --- the sums, by each document's own stated totals


def test_shopify_adds_up() -> None:
    seen = Counter[str]()
    for document in documents("shopify"):
        order = json.loads(document.body, parse_float=Decimal)
        currency = order["currency"]
        seen.update((currency, f"included {order['taxes_included']}", f"discount {bool(order['discount_codes'])}"))
        lines = order["line_items"]
        gross = sum(minor(line["price"], currency) * line["quantity"] for line in lines)
        off = sum(minor(row["amount"], currency) for line in lines for row in line["discount_allocations"])
        taxes = sum(minor(row["price"], currency) for part in (*lines, *order["shipping_lines"]) for row in part["tax_lines"])
        shipping = sum(minor(row["discounted_price"], currency) for row in order["shipping_lines"])

        assert minor(order["total_line_items_price"], currency) == gross
        assert minor(order["total_discounts"], currency) == off == sum(minor(row["amount"], currency) for row in order["discount_codes"])
        assert minor(order["subtotal_price"], currency) == gross - off
        assert minor(order["total_shipping_price_set"]["shop_money"]["amount"], currency) == shipping
        assert minor(order["total_tax"], currency) == taxes == sum(minor(row["price"], currency) for row in order["tax_lines"])
        assert minor(order["total_price"], currency) == gross - off + shipping + (0 if order["taxes_included"] else taxes)
        assert document.sketch.total_minor == minor(order["total_price"], currency)
        assert [str(line["id"]) for line in lines] == [line.channel_line_id for line in document.sketch.lines]
        assert 2_000 <= len(document.body) <= 20_000
    assert {"GBP", "EUR", "USD", "JPY", "included True", "included False"} <= set(seen)
    assert 0.15 * COUNT <= seen["discount True"] <= 0.35 * COUNT


def test_woocommerce_adds_up() -> None:
    for document in documents("woocommerce"):
        order = json.loads(document.body, parse_float=Decimal)
        currency = order["currency"]

        def amount(name: str, rows: list[dict[str, Any]], currency: str = currency) -> int:
            return sum(minor(row[name], currency) for row in rows)

        lines, shipping = order["line_items"], order["shipping_lines"]
        assert minor(order["discount_total"], currency) == amount("subtotal", lines) - amount("total", lines)
        assert minor(order["discount_tax"], currency) == amount("subtotal_tax", lines) - amount("total_tax", lines)
        assert minor(order["discount_total"], currency) == amount("discount", order["coupon_lines"])
        assert minor(order["shipping_total"], currency) == amount("total", shipping)
        assert minor(order["cart_tax"], currency) == amount("total_tax", lines) == amount("tax_total", order["tax_lines"])
        assert minor(order["total_tax"], currency) == amount("total_tax", lines) + amount("total_tax", shipping)
        total = amount("total", lines) + amount("total", shipping) + minor(order["total_tax"], currency)
        assert minor(order["total"], currency) == total == document.sketch.total_minor
        for line in lines:
            assert abs(Decimal(line["price"]) * line["quantity"] - Decimal(line["total"])) < Decimal("1e-9")


def test_amazon_adds_up() -> None:
    for document in documents("amazon"):
        order = json.loads(document.body)["order"]

        def amount(money: dict[str, str], currency: str = document.sketch.currency) -> int:
            assert money["currencyCode"] == currency
            return minor(money["amount"], currency)

        def breakdown(proceeds: dict[str, Any]) -> Counter[str]:
            return Counter({row["type"]: amount(row["subtotal"]) for row in proceeds["breakdowns"]})

        items = order["orderItems"]
        whole = breakdown(order["proceeds"])
        assert amount(order["proceeds"]["grandTotal"]) == whole.total() == document.sketch.total_minor
        parts: Counter[str] = Counter()
        for item in items:
            part = breakdown(item["proceeds"])
            assert amount(item["proceeds"]["proceedsTotal"]) == part.total()
            assert part["ITEM"] == amount(item["product"]["price"]["unitPrice"]) * item["quantityOrdered"]
            for row in item["proceeds"]["breakdowns"]:
                detail = row.get("detailedBreakdowns")
                assert detail is None or amount(row["subtotal"]) == sum(amount(entry["value"]) for entry in detail)
            parts.update(part)
        assert {kind: value for kind, value in parts.items() if value} == {kind: value for kind, value in whole.items() if value}


def test_ebay_adds_up() -> None:
    for document in documents("ebay"):
        order = json.loads(document.body)

        def amount(money: dict[str, str] | None, currency: str = document.sketch.currency) -> int:
            if money is None:
                return 0
            assert money["currency"] == currency
            return minor(money["value"], currency)

        pricing, lines = order["pricingSummary"], order["lineItems"]
        tax = sum(amount(row["amount"]) for line in lines for row in line["taxes"])
        off = sum(amount(row["discountAmount"]) for line in lines for row in line["appliedPromotions"])
        shipping = sum(amount(line["deliveryCost"]["shippingCost"]) for line in lines)
        subtotal = sum(amount(line["lineItemCost"]) for line in lines)
        assert amount(pricing["priceSubtotal"]) == subtotal
        assert amount(pricing.get("priceDiscount")) == -off
        assert amount(pricing["deliveryCost"]) == shipping
        assert amount(pricing.get("tax")) == tax
        assert amount(pricing["total"]) == subtotal - off + shipping + tax == document.sketch.total_minor
        assert amount(pricing["total"]) == sum(amount(line["total"]) for line in lines)
        assert amount(pricing["total"]) == amount(order["paymentSummary"]["payments"][0]["amount"])
        for line in lines:
            assert amount(line["lineItemCost"]) % line["quantity"] == 0


def test_x12_adds_up_and_its_envelopes_agree() -> None:
    for document in documents("x12"):
        text = document.body.decode("ascii")
        segments = [segment.strip().split("*") for segment in text.split("~") if segment.strip()]
        named: dict[str, list[list[str]]] = {}
        for segment in segments:
            named.setdefault(segment[0], []).append(segment)
        assert text.index("~") == 105
        assert named["ISA"][0][13] == named["IEA"][0][2]
        assert named["GS"][0][6] == named["GE"][0][2]
        inner = [segment[0] for segment in segments]
        assert int(named["SE"][0][1]) == inner.index("SE") - inner.index("ST") + 1
        quantities = [int(line[2]) for line in named["PO1"]]
        total = sum(int(line[2]) * minor(line[4], "USD") for line in named["PO1"])
        for sac in named.get("SAC", []):
            total += int(sac[5]) if sac[1] == "C" else -int(sac[5])
        assert named["CTT"][0][1:] == [str(len(quantities)), str(sum(quantities))]
        assert minor(named["AMT"][0][2], "USD") == total == document.sketch.total_minor


@pytest.mark.parametrize("channel", CHANNELS)
def test_orders_are_as_varied_as_asked(channel: str) -> None:
    made = [document.sketch for document in documents(channel, 400)]

    assert {1, 2, 3, 4, 5} == {len(sketch.lines) for sketch in made}
    assert {1, 2, 3, 4} == {line.quantity for sketch in made for line in sketch.lines}
    assert {"US"} <= {sketch.country for sketch in made}
    assert channel == "x12" or {"GB", "DE", "FR", "US"} <= {sketch.country for sketch in made}


# --- what the normalisers make of them


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_document_normalises_to_its_sketch(channel: str) -> None:
    for document in documents(channel, 150):
        (result,) = normalize(channel, document.body, document.headers)

        assert isinstance(result, StatedOrder), result
        assert result.verdict == "accept", result.findings
        sketch, order = document.sketch, result.order
        assert sketch.order_id == order.order_id
        assert sketch.currency == order.currency
        assert sketch.total_minor == order.totals.grand_total_minor
        assert [(line.line_id, line.sku, line.quantity) for line in sketch.lines] == [
            (line.line_id, line.sku, line.ordered) for line in order.lines
        ]


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_restatement_is_newer(channel: str) -> None:
    for number in range(30):
        document = GENERATORS[channel].order_document(random.Random(number), number, START)
        update = updated(channel, number)
        (first,) = normalize(channel, document.body, document.headers)
        (second,) = normalize(channel, update.body, update.headers)

        assert isinstance(first, StatedOrder)
        assert isinstance(second, StatedOrder), second
        assert second.verdict == "accept", second.findings
        assert first.order.order_id == second.order.order_id
        before, after = first.order.source.channel_updated_at, second.order.source.channel_updated_at
        if channel == "x12" and before is None:  # an 850 has no stamp of its own state: the log's order decides
            assert after is None
            continue
        assert before is not None
        assert after is not None
        assert before < after


@pytest.mark.parametrize(("channel", "kind"), [(channel, kind) for channel in CHANNELS for kind, _ in breakers(channel)])
def test_a_broken_document_is_never_taken_for_an_order(channel: str, kind: str) -> None:
    breaker = dict(breakers(channel))[kind]
    for number, document in enumerate(documents(channel, 25)):
        body = breaker(random.Random(number), document.body)
        assert document.body != body
        try:
            results = normalize(channel, body, document.headers)
        except OrdermendError:
            continue
        assert not [result for result in results if isinstance(result, StatedOrder)], body[:400]


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_kind_of_damage_occurs(channel: str) -> None:
    body = next(documents(channel)).body
    kinds = {break_document(random.Random(number), body, channel)[1] for number in range(400)}

    assert {kind for kind, _ in breakers(channel)} == kinds


@pytest.mark.parametrize("channel", JSON_CHANNELS)
@pytest.mark.parametrize("kind", ["truncated", "gateway_page", "empty", "invalid_utf8"])
def test_what_is_no_json_is_no_json(channel: str, kind: str) -> None:
    breaker = dict(breakers(channel))[kind]
    for number, document in enumerate(documents(channel, 50)):
        with pytest.raises(ValueError):  # noqa: PT011 - JSON and UTF-8 errors alike
            json.loads(breaker(random.Random(number), document.body).decode())


@pytest.mark.parametrize("channel", [name for name in CHANNELS if name != "amazon"])
def test_the_account_header_says_what_the_document_says(channel: str) -> None:
    # Amazon's answer names a marketplace, not the seller: there the header alone says whose it is.
    for document in documents(channel, 40):
        headers = {name: value for name, value in document.headers.items() if name != "account"}
        (result,) = normalize(channel, document.body, headers)

        assert isinstance(result, StatedOrder)
        assert document.sketch.order_id == result.order.order_id
