"""A Shopware 5 order, as its REST API gives it -> canonical Order; `normalizers.shopware` hands it over.

Input:   an order's object, already out of the answer's `data`: `details` are its lines. A list leaves them out, and such an order is incomplete.
Output:  Order in the order's currency, integer minor units. Amounts have tax in them, get it on top where the order is `net`, and have none
         where it is `taxFree`. A voucher, a rebate or a surcharge is a line of another mode there, and a discount or a fee here.
Drafts:  an order of state -1 is a basket that somebody left: nothing anybody placed.
Loses:   nothing; unmapped fields go to `extensions`, JSON pointer -> JSON text.
Fails:   NormalizationFailed with the JSON pointer of the first bad field.
Source:  Shopware 5 developer documentation, "REST API: orders" and its models (order, detail, billing, shipping, order and payment status); read 2026-11-29.
         States are known by their ids (table s_core_states); an order states its tax only as the difference of two amounts.
"""

from collections.abc import Mapping

from normalizers.amounts import amount_of, currency_of, price_of
from normalizers.building import address_of, line_ids, not_placed, part_of, stated_totals
from normalizers.channel import Result, StatedOrder
from normalizers.draft import Draft
from normalizers.leftovers import inside
from normalizers.wire import Json, Report, child, instant, names, need_text, present, quantity, rows, text, unmapped
from normalizers.wire import whole as count
from schemas.money import UnitPrice, to_text
from schemas.order import Address, Contact, FulfillmentState, Order, PaymentState, Source, order_id_of
from schemas.statement import StatedEvent

_UNPLACED, _CANCELLED = "-1", "4"
_PAYMENT: Mapping[str, PaymentState] = {
    "11": "partially_paid", "12": "paid", "18": "authorized", "20": "refunded", "31": "authorized", "32": "authorized", "35": "voided",
}  # fmt: skip
"""What a payment status means; all others (invoiced, reminded, open, delayed, in review) are not paid."""
_FULFILLED, _PARTLY = frozenset({"2", "7"}), frozenset({"3", "6"})
"""2 completed, 7 completely delivered; 3 partially completed, 6 partially delivered."""
_STATE_IDS = {"orderStatus": "orderStatusId", "paymentStatus": "paymentStatusId"}
_GOODS = frozenset({None, "0", "1"})
"""Modes of a line that is an article: sold, or given as a premium. All others are vouchers, rebates and surcharges."""
_MAPPED = names(
    "id number currency orderTime invoiceAmount invoiceAmountNet invoiceShipping invoiceShippingNet net taxFree details payment paymentStatus "
    "paymentStatusId orderStatus orderStatusId customer billing shipping dispatch customerComment"
)
_LINE = names("id mode articleNumber articleName price quantity shipped")
_ADDRESS = names(
    "company department firstName lastName street additionalAddressLine1 additionalAddressLine2 zipCode city country state phone"
)
_INSIDE = inside(
    """
    payment: description
    dispatch: name
    paymentStatus orderStatus: id name
    customer: email id
    country: iso
    state: shortCode
    """
)


def is_shopware_5(body: Json) -> bool:
    """Say whether the object is an order of Shopware 5: no other version calls its total so."""
    return "invoiceAmount" in body


def order_5(body: Json, at: str, named: tuple[str, str, int], report: Report) -> Result:
    """Return what an order says; `named` is the channel's name, the account, and the mapping's version."""
    state = _state(body, "orderStatus", at)
    event: StatedEvent = "draft" if state == _UNPLACED else "cancel" if state == _CANCELLED else "snapshot"
    stated = _order(body, at, named, event, report)
    if not stated.order.lines:
        return part_of(stated, ("items",))
    return not_placed(stated) if event == "draft" else stated


def id_5(body: Json, at: str) -> str:
    """Return the order's id, or its number where it is known by that."""
    return need_text(body, "number" if body.get("id") is None and body.get("number") is not None else "id", at)


def _state(body: Json, key: str, at: str) -> str | None:
    """Return the id of a state: of its own object, else as the order names it."""
    return text(child(body, key, at) or {}, "id") or text(body, _STATE_IDS[key])


def _word(body: Json, key: str, at: str) -> str | None:
    return text(child(body, key, at) or {}, "name") or text(body, _STATE_IDS[key])


def _yes(row: Json, key: str) -> bool:
    return row.get(key) is True or text(row, key) in {"1", "true"}


def _order(body: Json, at: str, named: tuple[str, str, int], event: StatedEvent, report: Report) -> StatedOrder:
    channel, account, version = named
    draft = Draft(currency_of(text(body, "currency"), f"{at}/currency", report), report, cancelled=event == "cancel")
    extensions, state = report.kept, _state(body, "orderStatus", at)
    free = _yes(body, "taxFree")
    net = _yes(body, "net") or free

    def amount(key: str) -> int | None:
        return amount_of(body, key, at, draft.currency, report)

    discount = _lines(draft, body, at, extensions, included=not net, shipped=state in _FULFILLED)
    shipping = amount("invoiceShippingNet" if net and body.get("invoiceShippingNet") is not None else "invoiceShipping")
    if shipping is not None:
        draft.charge("shipping", "shipping", shipping)
    grand, without = amount("invoiceAmount"), amount("invoiceAmountNet")
    tax = 0 if free else None if grand is None or without is None else grand - without
    if tax and draft.lines:
        draft.tax("tax:order", tax, included=not net)
    totals = draft.totals(grand if draft.lines else None)
    payment = _payments(draft, body, at, event, totals.grand_total_minor)
    unmapped(body, _MAPPED - _otherwise(body, at), at, extensions)
    who, billing = child(body, "customer", at) or {}, child(body, "billing", at)
    number = id_5(body, at)
    order = Order(
        order_id=order_id_of(channel, account, number),
        order_number=text(body, "number") or number,
        source=Source(
            channel=channel, mapping_version=version, account=account, channel_order_id=number, status=_word(body, "orderStatus", at),
            payment_status=_word(body, "paymentStatus", at),
        ),
        currency=draft.currency,
        placed_at=instant(body, "orderTime", at, report),
        lifecycle="cancelled" if draft.cancelled else "received",
        contact=Contact(
            name=" ".join(present((text(billing or {}, "firstName"), text(billing or {}, "lastName")))) or None,
            email=text(who, "email"),
            phone=text(billing or {}, "phone"),
            customer_ref=text(who, "id"),
        ),
        ship_to=_address(child(body, "shipping", at), f"{at}/shipping", extensions),
        bill_to=_address(billing, f"{at}/billing", extensions),
        ship_method=text(child(body, "dispatch", at) or {}, "name"),
        payment_method=text(child(body, "payment", at) or {}, "description") or text(child(body, "payment", at) or {}, "name"),
        note=text(body, "customerComment"),
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        payments=tuple(draft.payments),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated_totals(discount=discount or None, shipping=shipping, tax=tax, grand=grand if draft.lines else None),
        extensions=extensions,
    )  # fmt: skip
    summary: dict[str, object] = {"tax_included": not net}
    if draft.lines:
        summary["subtotal"] = to_text(totals.subtotal_minor, draft.currency)
    elif grand is not None:
        summary["grand_total"] = to_text(grand, draft.currency)
    fulfillment = _fulfillment(draft, event, state)
    return draft.stated_order(
        order, event=event, payment=payment, fulfillment=fulfillment, stated=summary, of=((body, at),), inside=_INSIDE
    )


def _otherwise(body: Json, at: str) -> frozenset[str]:
    """Return the ids of states that are not what the state's own object says."""
    return frozenset([name for key, name in _STATE_IDS.items() if _state(body, key, at) != text(body, name)])


def _lines(draft: Draft, body: Json, at: str, extensions: dict[str, str], *, included: bool, shipped: bool) -> int:
    """Add the articles as lines, and all else as discounts and fees; return what the discounts come to."""
    found = [(row, f"{at}/details/{index}") for index, row in enumerate(rows(body, "details", at))]
    goods = [(row, where) for row, where in found if text(row, "mode") in _GOODS]
    ids = [text(row, "id") for row, _ in goods]
    for (row, where), number, line_id in zip(goods, ids, line_ids(ids), strict=True):
        ordered, exponent = quantity(row, "quantity", where)
        price = price_of(row, "price", where)
        draft.line(
            line_id,
            channel_line_id=number,
            sku=text(row, "articleNumber"),
            name=text(row, "articleName") or "",
            unit_price=price,
            ordered=ordered,
            quantity_exponent=exponent,
            gross=_gross(draft, price, ordered, exponent),
            tax_included=included,
            shipped=ordered if shipped else min(count(row, "shipped"), ordered),
        )
        unmapped(row, _LINE, where, extensions)
    total = 0
    for row, where in found:
        if text(row, "mode") in _GOODS:
            continue
        amount, label = -_gross(draft, price_of(row, "price", where), *quantity(row, "quantity", where)), text(row, "articleName") or ""
        name = text(row, "id") or where.rpartition("/")[2]
        if amount > 0:
            draft.discount(f"discount:{name}", amount, label=label, code=text(row, "articleNumber"))
            total += amount
        elif amount < 0:
            draft.charge("fee", f"fee:{name}", -amount, label=label, code=text(row, "articleNumber"))
    return total


def _gross(draft: Draft, price: UnitPrice | None, ordered: int, exponent: int) -> int:
    return 0 if price is None else price.times(ordered, exponent, draft.currency, "half_up")


def _payments(draft: Draft, body: Json, at: str, event: StatedEvent, grand: int) -> PaymentState | None:
    if event == "draft":
        return None
    state = _PAYMENT.get(_state(body, "paymentStatus", at) or "", "unpaid")
    if draft.lines:
        draft.stated_payment(state, "SHOPWARE", grand)
    return state


def _fulfillment(draft: Draft, event: StatedEvent, state: str | None) -> FulfillmentState | None:
    if event == "draft":
        return None
    if draft.cancelled:
        return "cancelled"
    if state in _FULFILLED:
        return "fulfilled"
    return "partially_fulfilled" if state in _PARTLY or any(line.shipped for line in draft.lines) else "unfulfilled"


def _address(row: Json | None, at: str, extensions: dict[str, str]) -> Address | None:
    if not row or not any(text(row, key) for key in ("street", "city", "zipCode")):
        return None
    unmapped(row, _ADDRESS, at, extensions)
    country, state = child(row, "country", at) or {}, child(row, "state", at) or {}
    return address_of(
        name=" ".join(present((text(row, "firstName"), text(row, "lastName")))) or None,
        company=" ".join(present((text(row, "company"), text(row, "department")))) or None,
        lines=present((text(row, "street"), text(row, "additionalAddressLine1"), text(row, "additionalAddressLine2"))),
        city=text(row, "city"),
        region=text(state, "shortCode") or text(state, "name"),
        postal_code=text(row, "zipCode"),
        country=text(country, "iso") or text(country, "name"),
        phone=text(row, "phone"),
    )
