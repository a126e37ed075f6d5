"""Stripe invoices -> canonical Order.

Input:   an invoice with its lines, as the API gives it or in an event.
Output:  Order in the invoice's currency, under the invoice's id. A line's amount is for the row, before the invoice's discounts and taxes that are on
         top. A draft is none that anybody placed yet; a void one is cancelled. Lines that a page leaves out have to be fetched.
Loses:   nothing; unmapped fields go to `extensions`, JSON pointer -> JSON text.
Fails:   NormalizationFailed with the JSON pointer of the first bad field.
Source:  docs.stripe.com/api: Invoices (object, `status_transitions`, `total_taxes` and, before 2025-03-31, `tax` and `total_tax_amounts`), Invoice line
         items; read 2026-11-29. `subtotal` has the discounts of single lines in it; `total_discount_amounts` are those of all.
         A Checkout Session can make an invoice: of a shop that takes both, either is the order, and the other is another.
"""

from collections.abc import Mapping
from decimal import Decimal

from normalizers.amounts import currency_of, quotient_price
from normalizers.building import line_ids, stated_totals
from normalizers.channel import Result
from normalizers.draft import Draft
from normalizers.leftovers import inside
from normalizers.stripe_values import MAPPING, NAME, address_in, amount_in, sku_of, without_lines
from normalizers.wire import Json, Report, child, epoch, names, quantity, rows, text, unmapped
from schemas.money import exponent_of
from schemas.order import Contact, Order, PaymentState, Source, order_id_of
from schemas.statement import StatedEvent

_PAYMENT: Mapping[str, PaymentState] = {"paid": "paid", "open": "unpaid", "uncollectible": "unpaid", "draft": "unpaid", "void": "voided"}
_EVENTS: Mapping[str, StatedEvent] = {
    "": "snapshot",
    "invoice.created": "create",
    "invoice.finalized": "create",
    "invoice.voided": "cancel",
}
_MAPPED = names(
    "id object created currency number customer customer_email customer_name customer_phone customer_address customer_shipping shipping_details "
    "status subtotal total tax total_taxes total_tax_amounts total_discount_amounts shipping_cost lines description"
)
_TAX_LISTS = names("total_taxes total_tax_amounts")
_LINE = names("id object amount currency description quantity price discount_amounts tax_amounts taxes metadata")
_INSIDE = inside(
    """
    customer_shipping shipping_details: address name phone
    address customer_address: city country line1 line2 postal_code state
    lines: data has_more
    discount_amounts total_discount_amounts: amount
    total_taxes total_tax_amounts tax_amounts taxes: amount inclusive tax_behavior
    shipping_cost: amount_subtotal amount_tax
    metadata: sku
    """
)


def invoice_order(body: Json, at: str, invoice: str, account: str, kind: str, report: Report) -> Result:
    """Return what an invoice says; `kind` is the type of the event that told it, empty where the API did."""
    draft = Draft(currency_of(text(body, "currency"), f"{at}/currency", report), report, cancelled=text(body, "status") == "void")
    extensions = report.kept
    listed = child(body, "lines", at)
    items = rows(listed or {}, "data", f"{at}/lines")
    _lines(draft, items, f"{at}/lines/data", extensions)
    shipping = _shipping(draft, body, at)
    _taxes(draft, items, f"{at}/lines/data")
    grand, subtotal = amount_in(body, "total", at, draft), amount_in(body, "subtotal", at, draft)
    whole = listed is not None and "data" in listed and listed.get("has_more") is not True
    totals = draft.totals(grand if whole else None)
    payment = _payment(draft, body, at, grand)
    unmapped(body, _MAPPED if body.get("tax") is None else _MAPPED - _TAX_LISTS, at, extensions)
    order = Order(
        order_id=order_id_of(NAME, account, invoice),
        order_number=text(body, "number") or invoice,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            channel_order_id=invoice,
            status=text(body, "status"),
        ),
        currency=draft.currency,
        placed_at=epoch(body, "created", at, report),
        lifecycle="cancelled" if draft.cancelled else "received",
        contact=Contact(
            name=text(body, "customer_name"),
            email=text(body, "customer_email"),
            phone=text(body, "customer_phone"),
            customer_ref=text(body, "customer") if isinstance(body.get("customer"), str) else None,
        ),
        ship_to=address_in(child(body, "customer_shipping", at) or child(body, "shipping_details", at), f"{at}/customer_shipping"),
        bill_to=address_in({"name": body.get("customer_name"), "address": child(body, "customer_address", at)}, at),
        note=text(body, "description"),
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        payments=tuple(draft.payments),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated_totals(
            subtotal=subtotal,
            discount=_sum(draft, body, "total_discount_amounts", at),
            shipping=shipping,
            tax=_tax(draft, body, at),
            grand=grand,
        ),
        extensions=extensions,
    )
    stated = draft.stated_order(
        order,
        event=_event(body, kind, cancelled=draft.cancelled),
        payment=payment,
        fulfillment="cancelled" if draft.cancelled else None,
        of=((body, at),),
        inside=_INSIDE,
    )
    return stated if whole else without_lines(stated)


def _event(body: Json, kind: str, *, cancelled: bool) -> StatedEvent:
    if cancelled:
        return "cancel"
    return "draft" if text(body, "status") == "draft" else _EVENTS.get(kind, "update")


def _lines(draft: Draft, items: list[Json], at: str, extensions: dict[str, str]) -> None:
    ids = [text(row, "id") for row in items]
    for index, (row, number, line_id) in enumerate(zip(items, ids, line_ids(ids), strict=True)):
        where = f"{at}/{index}"
        ordered, exponent = (1, 0) if row.get("quantity") is None else quantity(row, "quantity", where)  # none of what was metered
        gross = amount_in(row, "amount", where, draft) or 0
        price = row.get("price")
        price = price if isinstance(price, dict) else {}
        metadata = row.get("metadata")
        draft.line(
            line_id,
            channel_line_id=number,
            sku=(text(metadata, "sku") if isinstance(metadata, dict) else None) or sku_of(price),
            name=text(row, "description") or "",
            unit_price=quotient_price(Decimal(gross).scaleb(-exponent_of(draft.currency)), ordered, exponent),
            ordered=ordered,
            quantity_exponent=exponent,
            gross=gross,
            tax_included=any(included for _, included, _ in _taxed(draft, row, where)),
        )
        if off := _sum(draft, row, "discount_amounts", where):
            draft.discount(f"discount:{line_id}", off, shares={line_id: off})
        unmapped(row, _LINE, where, extensions)
        unmapped(price, frozenset(), f"{where}/price", extensions)


def _sum(draft: Draft, row: Json, key: str, at: str) -> int | None:
    """Return the sum of a list of amounts; null where nothing is listed."""
    amounts = [amount_in(one, "amount", f"{at}/{key}/{index}", draft) or 0 for index, one in enumerate(rows(row, key, at))]
    return sum(amounts) if amounts else None


def _shipping(draft: Draft, body: Json, at: str) -> int | None:
    cost, where = child(body, "shipping_cost", at) or {}, f"{at}/shipping_cost"
    amount = amount_in(cost, "amount_subtotal", where, draft)
    if amount is not None:
        draft.charge("shipping", "shipping", amount)
        if tax := amount_in(cost, "amount_tax", where, draft):
            included = amount == amount_in(cost, "amount_total", where, draft)
            draft.tax("tax:shipping", tax, adjustment_id="shipping", included=included)
    return amount


def _taxed(draft: Draft, row: Json, at: str) -> list[tuple[int, bool, str]]:
    """Return each tax of a line: amount, whether it is in the price, pointer."""
    key = "taxes" if row.get("taxes") else "tax_amounts"
    found = [(one, f"{at}/{key}/{index}") for index, one in enumerate(rows(row, key, at))]
    return [
        (amount_in(one, "amount", where, draft) or 0, one.get("inclusive") is True or text(one, "tax_behavior") == "inclusive", where)
        for one, where in found
    ]


def _taxes(draft: Draft, items: list[Json], at: str) -> None:
    for index, (row, line) in enumerate(zip(items, list(draft.lines), strict=True)):
        for number, (amount, included, _) in enumerate(_taxed(draft, row, f"{at}/{index}")):
            if amount:
                draft.tax(f"tax:{line.line_id}:{number}", amount, line_id=line.line_id, included=included)


def _tax(draft: Draft, body: Json, at: str) -> int | None:
    stated = amount_in(body, "tax", at, draft)
    return stated if stated is not None else _sum(draft, body, "total_taxes" if body.get("total_taxes") else "total_tax_amounts", at)


def _payment(draft: Draft, body: Json, at: str, grand: int | None) -> PaymentState | None:
    paid, open_amount = (amount_in(body, key, at, draft) or 0 for key in ("amount_paid", "amount_remaining"))
    state = _PAYMENT.get(text(body, "status") or "")
    if state == "unpaid" and paid > 0 and open_amount > 0:
        state = "partially_paid"
    if state == "paid" and (grand or 0) > 0:
        draft.payment("STRIPE", "capture", grand or 0, transaction=_intent(body))
    elif state == "partially_paid":
        draft.payment("STRIPE", "capture", paid, transaction=_intent(body))
    return state


def _intent(body: Json) -> str:
    named = next((name for key in ("payment_intent", "charge") if isinstance(name := body.get(key), str)), "stated")
    return named if named and named.isascii() and len(named) < 100 else "stated"
