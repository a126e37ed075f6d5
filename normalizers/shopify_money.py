"""What a Shopify order costs: shipping, discounts, charges, taxes, its own totals, and what was paid -> rows of the draft.

Input:   the order's object and its lines (`normalizers.shopify_values`); amounts in the shop's currency.
Keeps:   a discount is a row for each application, with what each line was allocated; what no line was allocated is spread.
Fails:   NormalizationFailed with the JSON pointer of the first bad amount.
Source:  shopify.dev Admin REST API 2025-01, resources Order, Refund, Transaction; read 2026-11-23. `subtotal_price` is after discounts;
         `total_price` is the original total, `current_total_price` the one after edits and refunds. `total_tip_received` is all tips, also
         those that are line items (LineItem `tip`); read 2026-11-29.
"""

from collections.abc import Mapping
from typing import Any

from normalizers.amounts import amount_of, minor, rate_text
from normalizers.building import stated_totals, told_totals
from normalizers.draft import Draft
from normalizers.shopify_values import NAME, Rows, exact_id, texts_of
from normalizers.wire import (
    Json,
    child,
    instant,
    names,
    rows,
    text,
    unmapped,
    whole,
)
from schemas.order import PaymentKind, PaymentState, StatedTotals

_MONEY_KINDS: Mapping[str, PaymentKind] = {
    "authorization": "authorization",
    "capture": "capture",
    "sale": "capture",
    "refund": "refund",
    "void": "void",
}
_MAPPED_SHIPPING = names("id admin_graphql_api_id title code price tax_lines discount_allocations")


def add_shipping(draft: Draft, parts: Rows, extensions: dict[str, str]) -> None:
    """Add what each shipping line costs."""
    for where, row in parts.shipping:
        name = exact_id(row)
        amount = amount_of(row, "price", where, draft.currency, draft.report) or 0
        draft.charge("shipping", f"shipping:{name}", amount, label=text(row, "title") or "", code=text(row, "code"))
        unmapped(row, _MAPPED_SHIPPING, where, extensions)


def add_discounts(draft: Draft, parts: Rows, body: Json, at: str) -> int | None:
    """Add a row per discount application, spread what no line was allocated, and return the stated total."""
    applications = rows(body, "discount_applications", at)
    shares: dict[int, dict[str, int]] = {}
    for (where, row), line in zip(parts.items, draft.lines, strict=True):
        _allocated(draft, row, where, line.line_id, shares)
    shipping: dict[int, dict[str, int]] = {}
    for where, row in parts.shipping:
        _allocated(draft, row, where, "", shipping)
    known = 0
    for number in sorted(shares):
        source, code, label = _application(applications, number)
        amount = sum(shares[number].values())
        known += amount
        draft.discount(f"discount:{number}", amount, shares=shares[number], source=source, code=code, label=label)
    for number in sorted(shipping):
        source, code, label = _application(applications, number)
        amount = shipping[number][""]
        known += amount
        draft.discount(f"discount:shipping:{number}", amount, spread=False, source=source, code=code, label=label or "shipping")
    total = _stated_discount(draft, body, at)
    if total is not None and total > known:
        _unallocated(draft, body, at, total - known)
    return total


def _allocated(draft: Draft, row: Json, where: str, line_id: str, shares: dict[int, dict[str, int]]) -> None:
    if row.get("discount_allocations"):
        for index, part in enumerate(rows(row, "discount_allocations", where)):
            there = f"{where}/discount_allocations/{index}"
            found = shares.setdefault(whole(part, "discount_application_index"), {})
            found[line_id] = found.get(line_id, 0) + (amount_of(part, "amount", there, draft.currency, draft.report) or 0)
        return
    if "applied_discount" not in row and "total_discount" not in row:
        return
    applied = child(row, "applied_discount", where)
    amount = (
        amount_of(applied, "amount", f"{where}/applied_discount", draft.currency, draft.report)
        if applied
        else amount_of(row, "total_discount", where, draft.currency, draft.report)
    )
    if amount:
        found = shares.setdefault(-1, {})
        found[line_id] = found.get(line_id, 0) + amount


def _application(applications: list[Json], number: int) -> tuple[Any, str | None, str]:
    if not 0 <= number < len(applications):
        return "channel", None, ""
    row = applications[number]
    kind = text(row, "type")
    source = {"discount_code": "code", "manual": "manual", "automatic": "promotion", "script": "promotion"}.get(kind or "", "channel")
    return source, text(row, "code"), text(row, "title") or text(row, "description") or ""


def _stated_discount(draft: Draft, body: Json, at: str) -> int | None:
    total = amount_of(body, "total_discounts", at, draft.currency, draft.report)
    if total is not None or "applied_discount" not in body:
        return total
    total = sum(row.amount_minor for row in draft.adjustments if row.kind == "discount")
    applied = child(body, "applied_discount", at)
    return total + (amount_of(applied, "amount", f"{at}/applied_discount", draft.currency, draft.report) or 0) if applied else total


def _unallocated(draft: Draft, body: Json, at: str, amount: int) -> None:
    codes = rows(body, "discount_codes", at)
    code = text(codes[0], "code") if codes else None
    on_shipping = len(codes) == 1 and text(codes[0], "type") == "shipping"
    label = text(child(body, "applied_discount", at) or {}, "description") or ""
    draft.discount("discount:order", amount, spread=not on_shipping, source="code" if code else "channel", code=code, label=label)


def add_charges(draft: Draft, parts: Rows, body: Json, at: str) -> None:
    """Add the tip, duties and additional fees; a tip that was given at the checkout is a line already."""
    if tip := amount_of(body, "total_tip_received", at, draft.currency, draft.report):
        tips = [line.gross_basis for (_, row), line in zip(parts.items, draft.lines, strict=True) if _is_tip(row)]
        lined = sum(basis.amount_minor for basis in tips if basis is not None)
        if tip > lined:
            draft.charge("fee", "fee:tip", tip - lined, label="tip")
    for key, label in (("original_total_duties_set", "duties"), ("original_total_additional_fees_set", "additional fees")):
        if body.get(key) and (amount := _shop_money(draft, body, key, at)):
            draft.charge("fee", f"fee:{label}", amount, label=label)


def _is_tip(row: Json) -> bool:
    """Say whether a line is a tip: it says how the tip was paid, or is called so and is of no product."""
    called = (text(row, "title") or "").lower() == "tip" and row.get("product_id") is None and text(row, "sku") is None
    return isinstance(row.get("tip"), dict) or called


def _shop_money(draft: Draft, body: Json, key: str, at: str) -> int | None:
    pair = child(body, key, at)
    shop = child(pair, "shop_money", f"{at}/{key}") if pair else None
    return amount_of(shop, "amount", f"{at}/{key}/shop_money", draft.currency, draft.report) if shop else None


def add_taxes(draft: Draft, parts: Rows, body: Json, at: str) -> None:
    """Add each line's and each shipping line's taxes; the order's, where neither states any."""
    for (where, row), line in zip(parts.items, draft.lines, strict=True):
        if row.get("tax_lines"):
            _tax_rows(draft, row, where, line_id=line.line_id, included=parts.included)
    for where, row in parts.shipping:
        if row.get("tax_lines"):
            _tax_rows(draft, row, where, adjustment_id=f"shipping:{exact_id(row)}", included=parts.included)
    if not draft.taxes and body.get("tax_lines"):
        _tax_rows(draft, body, at, included=parts.included)


def _tax_rows(draft: Draft, row: Json, at: str, *, included: bool, line_id: str | None = None, adjustment_id: str | None = None) -> None:
    for index, tax in enumerate(rows(row, "tax_lines", at)):
        where = f"{at}/tax_lines/{index}"
        draft.tax(
            f"tax:{line_id or adjustment_id or 'order'}:{index}",
            minor(tax.get("price"), draft.currency, where, "price", draft.report),
            line_id=line_id,
            adjustment_id=adjustment_id,
            title=text(tax, "title") or "",
            rate=rate_text(tax.get("rate")),
            included=included,
            liable="channel" if tax.get("channel_liable") is True else "seller",
        )


def totals_stated(draft: Draft, body: Json, at: str, discount: int | None) -> StatedTotals:
    """Return the order's own totals, as it was placed."""
    currency, report = draft.currency, draft.report
    shipping = _shop_money(draft, body, "total_shipping_price_set", at) if body.get("total_shipping_price_set") else None
    if shipping is None and ("shipping_lines" in body or "shipping_line" in body):
        shipping = sum(row.amount_minor for row in draft.adjustments if row.kind == "shipping")
    return stated_totals(
        subtotal=amount_of(body, "subtotal_price", at, currency, report),
        discount=discount,
        shipping=shipping,
        tax=amount_of(body, "total_tax", at, currency, report),
        grand=amount_of(body, "total_price", at, currency, report),
    )


def totals_now(draft: Draft, body: Json, at: str, original: StatedTotals) -> tuple[StatedTotals, dict[str, object]]:
    """Return the totals after removals as the contract, and the original ones as what the document's own fields say."""
    currency, report = draft.currency, draft.report
    current = stated_totals(
        subtotal=amount_of(body, "current_subtotal_price", at, currency, report),
        discount=amount_of(body, "current_total_discounts", at, currency, report),
        shipping=original.shipping_minor,
        tax=amount_of(body, "current_total_tax", at, currency, report),
        grand=amount_of(body, "current_total_price", at, currency, report),
    )
    return current, told_totals(original, currency)


def add_payments(draft: Draft, body: Json, at: str, state: PaymentState | None, grand: int) -> None:
    """Add the transactions; where none is stated, what the payment state stands for."""
    for index, row in enumerate(rows(body, "transactions", at)):
        _transaction(draft, row, f"{at}/transactions/{index}")
    stated = bool(draft.payments)
    for index, refund in enumerate(rows(body, "refunds", at)):
        for number, row in enumerate(rows(refund, "transactions", f"{at}/refunds/{index}")):
            _transaction(draft, row, f"{at}/refunds/{index}/transactions/{number}")
    if not stated and state is not None:
        provider = text(body, "gateway") or next(iter(texts_of(body, "payment_gateway_names")), NAME)
        open_amount = amount_of(body, "total_outstanding", at, draft.currency, draft.report) if state == "partially_paid" else None
        paid = None if open_amount is None else max(grand - open_amount, 0)
        if state in {"refunded", "partially_refunded"}:
            paid = amount_of(body, "total_price", at, draft.currency, draft.report)
        draft.stated_payment(state, provider, grand, paid=paid, at=instant(body, "processed_at", at, draft.report) if paid else None)


def _transaction(draft: Draft, row: Json, at: str) -> None:
    kind = _MONEY_KINDS.get(text(row, "kind") or "")
    if kind is None or (text(row, "status") or "success") != "success":
        return
    amount = minor(row.get("amount"), draft.currency, at, "amount", draft.report)
    transaction = exact_id(row) or "stated"
    draft.payment(text(row, "gateway") or NAME, kind, amount, transaction=transaction, at=instant(row, "processed_at", at, draft.report))
