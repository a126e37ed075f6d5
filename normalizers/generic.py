"""Orders of a channel nobody has heard of, in our own JSON or as a flat CSV with one row per line -> canonical Order.

Input:   JSON: one order, a list of them, or `{"orders": […]}`. CSV (RFC 4180, UTF-8; comma, semicolon or tab): a header row, then a row
         for each line; rows with the same `order_id` are one order. `docs/generic-format.md` has every field.
Output:  Order in `currency`, integer minor units. An object with `line_changes` is a change; one without `lines` names an order to fetch.
Loses:   nothing; fields and columns that are none of ours go to `extensions`, JSON pointer -> JSON text.
Fails:   NormalizationFailed with the JSON pointer of the first bad field (`/rows/3/quantity` is the CSV's third row after the header);
         rows of one order that disagree on the order itself are refused.
Source:  our own format, version 1; RFC 4180 (CSV) and RFC 3339 (moments), read 2026-11-24.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from itertools import islice
from typing import Any, get_args

from normalizers.amounts import amount_of, currency_of, price_of, rate_text
from normalizers.building import account_of, address_of, line_ids, refused, stated_totals
from normalizers.channel import AddressStated, Channel, Document, Missing, Restates, Result, StatedChange, StatedPart
from normalizers.draft import Draft
from normalizers.leftovers import inside
from normalizers.summary import changes_to
from normalizers.wire import (
    MAX_BYTES,
    Broken,
    Json,
    Report,
    child,
    fail,
    instant,
    messages,
    names,
    need_text,
    quantity,
    rows,
    text,
    truth,
    unmapped,
)
from schemas.failures import LimitExceeded, NormalizationFailed, OrdermendError, UndecodableMessage, UnsafeDocument
from schemas.money import to_text
from schemas.order import Address, Contact, DeliveryWindow, FulfillmentState, Order, PaymentKind, PaymentState, Source, order_id_of
from schemas.statement import LineAction, LineChange, StatedEvent

NAME = "generic"
MAPPING = 3
MAX_TABLE = 100_000
"""Rows of one CSV, over all its orders."""

_EVENTS = frozenset(get_args(StatedEvent))
_PAYMENT_STATES = frozenset(get_args(PaymentState))
_FULFILLMENT_STATES = frozenset(get_args(FulfillmentState))
_KINDS = frozenset(get_args(PaymentKind))
_ACTIONS = frozenset(get_args(LineAction))

_MAPPED = names(
    "order_id order_number account store event status placed_at updated_at cancelled_at currency customer ship_to bill_to delivery_window "
    "ship_method payment_method note tags prices_include_tax lines discounts shipping fees taxes totals payments payment_status "
    "fulfillment_status"
)
_LINE = names("line_id sku name quantity unit unit_price discount tax tax_rate cancelled shipped")
_PLACE = names("name company lines city region postal_code country phone")

ORDER_COLUMNS: Mapping[str, tuple[str, ...]] = {
    **{
        name: (name,)
        for name in [
            "order_id",
            "order_number",
            "account",
            "store",
            "event",
            "status",
            "placed_at",
            "updated_at",
            "cancelled_at",
            "currency",
            "ship_method",
            "payment_method",
            "note",
            "prices_include_tax",
            "payment_status",
            "fulfillment_status",
        ]
    },
    **{f"customer_{name}": ("customer", name) for name in ("name", "email", "phone", "ref")},
    **{
        f"{side}_{name}": (f"{side}_to", name)
        for side in ("ship", "bill")
        for name in ("name", "company", "line1", "line2", "line3", "city", "region", "postal_code", "country", "phone")
    },
    **{f"delivery_{name}": ("delivery_window", name) for name in ("earliest", "latest")},
    "subtotal": ("totals", "subtotal"),
    "discount_total": ("totals", "discount"),
    "shipping_total": ("totals", "shipping"),
    "tax_total": ("totals", "tax"),
    "grand_total": ("totals", "grand_total"),
}
"""Columns about the order: each row of an order repeats them or leaves them empty. Column -> where it stands in the JSON."""
LINE_COLUMNS: Mapping[str, str] = {
    "line_id": "line_id",
    "sku": "sku",
    "name": "name",
    "quantity": "quantity",
    "unit": "unit",
    "unit_price": "unit_price",
    "line_discount": "discount",
    "line_tax": "tax",
    "line_tax_rate": "tax_rate",
    "cancelled": "cancelled",
    "shipped": "shipped",
}
"""Columns about the line. Column -> its name in the JSON."""
_INSIDE = inside(
    """
    delivery_window: earliest latest
    discounts: amount code label
    fees: amount label
    payments: amount at id kind method provider
    taxes: amount rate title
    """
)


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each order of the documents says."""
    found: list[_Stated | Broken] = []
    for document in documents:
        if document.body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[", b""):
            listed = messages(document, ("orders", "data", "results"))
            found.extend(one if isinstance(one, Broken) else _Stated(one.value, one.at, one.headers) for one in listed)
        else:
            found.extend(_orders_of_csv(document))
    if len(found) == 1:
        return (_result(found[0]),)
    return tuple([_guarded(one) for one in found])


@dataclass
class _Stated:
    """An order in the JSON's shape: where it stands, where each of its lines does (of a CSV), and what its rows disagree on."""

    body: Any
    at: str
    headers: Mapping[str, str]
    rows_at: list[str] = field(default_factory=list)
    disagreed: tuple[str, str] | None = None


def _guarded(one: "_Stated | Broken") -> Result:
    try:
        return _result(one)
    except OrdermendError as error:
        return refused(None, error)


def _result(one: "_Stated | Broken") -> Result:
    if isinstance(one, Broken):
        one = _Stated(one.value, one.at, one.headers)  # which raises what is wrong with it
    body, at = one.body, one.at
    if not isinstance(body, dict):
        raise NormalizationFailed("no JSON object", field=at, rule="object", value=str(body)[:80])
    order_id = need_text(body, "order_id", at)
    account = account_of(one.headers, text(body, "account"))
    event = _word(body, "event", at, _EVENTS)
    report = Report()
    try:
        if one.disagreed is not None:
            column, cell = one.disagreed
            fail(
                at,
                column,
                "same_in_every_row",
                cell,
                f"the rows of one order disagree on {column}",
            )
        if "line_changes" in body:
            return _change(body, at, order_id, account, event or "edit", report)
        if "lines" not in body:
            return StatedPart(channel_order_id=order_id, event=event or "notification", missing=("order",), account=account)
        return _order(one, order_id, account, event, report)
    except OrdermendError as error:
        return refused(order_id, error, account=account, event=event, report=report)


def _word(row: Json, key: str, at: str, known: frozenset[str]) -> Any:
    """Return a word of a closed list, or None where it is absent; any other word fails."""
    word = text(row, key)
    if word is None or word in known:
        return word
    return fail(at, key, "known word", word, f"{at}/{key} is none of {', '.join(sorted(known))}")


# --- CSV ---


def _orders_of_csv(document: Document) -> list[_Stated]:
    """Return each order of a CSV, in the order of its first row."""
    table = _table(document.body)
    header = [name.strip().lower() for name in table[0]]
    if "order_id" not in header or "quantity" not in header:
        raise UndecodableMessage(
            "neither JSON nor a CSV whose header has order_id and quantity", field="/header", rule="csv", value=",".join(header)[:80]
        )
    if len(set(header)) != len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise UnsafeDocument("a column stands twice", field=f"/header/{twice}", rule="duplicate_key", value=twice)
    found: dict[tuple[str, str], _Stated] = {}
    for number, cells in enumerate(table[1:], 1):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(header):
            raise UndecodableMessage(
                f"row {number} has {len(cells)} cells, the header {len(header)}", field=f"/rows/{number}", rule="csv", value=str(len(cells))
            )
        row = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if cell.strip()}
        key = (row.get("account", ""), row.get("order_id", f"\0{number}"))
        _add_row(found.setdefault(key, _Stated({"lines": []}, f"/rows/{number}", document.headers)), row, f"/rows/{number}")
    return list(found.values())


def _table(body: bytes) -> list[list[str]]:
    if len(body) > MAX_BYTES:
        raise LimitExceeded(f"{len(body)} bytes are more than {MAX_BYTES}", field="", rule="max_bytes", value=str(len(body)))
    try:
        told = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UndecodableMessage(f"no UTF-8 at byte {error.start}", field=f"@{error.start}", rule="utf8") from None
    if "\0" in told:
        raise UnsafeDocument("a NUL in the document", field=f"@{told.index(chr(0))}", rule="nul")
    first = told.lstrip().split("\n", 1)[0]
    mark = max((",", ";", "\t"), key=first.count)
    try:
        table = list(islice(csv.reader(StringIO(told.lstrip(), newline=""), delimiter=mark, strict=True), MAX_TABLE + 1))
    except csv.Error as error:
        raise UndecodableMessage(f"no CSV: {error}", field="/rows", rule="csv", value=first[:40]) from None
    if len(table) > MAX_TABLE:
        raise LimitExceeded(f"more than {MAX_TABLE} rows", field=f"/rows/{MAX_TABLE}", rule="max_rows")
    return table or [[]]


def _add_row(order: _Stated, row: Json, at: str) -> None:
    """Put a row's cells where the JSON has them; the first cell about the order that an earlier row contradicts is remembered."""
    line: Json = {}
    for column, cell in row.items():
        if column in LINE_COLUMNS:
            line[LINE_COLUMNS[column]] = cell
        elif column in ORDER_COLUMNS:
            *path, key = ORDER_COLUMNS[column]
            target = order.body.setdefault(path[0], {}) if path else order.body
            if target.setdefault(key, cell) != cell:
                order.disagreed = order.disagreed or (column, cell)
        else:
            line[column] = cell
    order.body["lines"].append(line)
    order.rows_at.append(at)


# --- the order ---


def _order(one: _Stated, order_id: str, account: str, event: StatedEvent | None, report: Report) -> Result:
    body, at = one.body, one.at
    lines = rows(body, "lines", at)
    fulfillment: FulfillmentState | None = _word(body, "fulfillment_status", at, _FULFILLMENT_STATES)
    cancelled = event == "cancel" or fulfillment == "cancelled" or bool(body.get("cancelled_at"))
    currency = currency_of(text(body, "currency"), f"{at}/currency", report)
    draft = Draft(currency, report, cancelled=cancelled)
    extensions = report.kept
    included = truth(body, "prices_include_tax")
    where = one.rows_at or [f"{at}/lines/{number}" for number in range(len(lines))]
    _lines(draft, lines, where, extensions, included=included, shipped=fulfillment == "fulfilled")
    sums = child(body, "totals", at) or {}
    told = {
        key: amount_of(sums, key, f"{at}/totals", currency, report) for key in ("subtotal", "discount", "shipping", "tax", "grand_total")
    }
    discount = _discounts(draft, body, at, lines, where, told["discount"])
    shipping = _charges(draft, body, at, told["shipping"])
    tax = _taxes(draft, body, at, lines, where, told["tax"], included=included)
    totals = draft.totals(told["grand_total"])
    payment: PaymentState | None = _word(body, "payment_status", at, _PAYMENT_STATES)
    _payments(draft, body, at, payment, totals.grand_total_minor)
    unmapped(body, _MAPPED, at, extensions)
    unmapped(sums, names("subtotal discount shipping tax grand_total"), f"{at}/totals", extensions)
    customer = child(body, "customer", at) or {}
    unmapped(customer, names("name email phone ref"), f"{at}/customer", extensions)
    window = child(body, "delivery_window", at) or {}
    earliest, latest = (instant(window, key, f"{at}/delivery_window", report) for key in ("earliest", "latest"))
    tags = body.get("tags")
    order = Order(
        order_id=order_id_of(NAME, account, order_id),
        order_number=text(body, "order_number") or order_id,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            store=text(body, "store"),
            channel_order_id=order_id,
            channel_updated_at=instant(body, "updated_at", at, report),
            status=text(body, "status"),
            payment_status=payment,
            fulfillment_status=fulfillment,
        ),
        currency=currency,
        placed_at=instant(body, "placed_at", at, report),
        lifecycle="cancelled" if cancelled else "received",
        contact=Contact(
            name=text(customer, "name"), email=text(customer, "email"), phone=text(customer, "phone"), customer_ref=text(customer, "ref")
        ),
        ship_to=_address(body, "ship_to", at, extensions),
        bill_to=_address(body, "bill_to", at, extensions),
        delivery_window=DeliveryWindow(earliest=earliest, latest=latest) if earliest or latest else None,
        ship_method=text(body, "ship_method"),
        payment_method=text(body, "payment_method"),
        note=text(body, "note"),
        tags=tuple([str(tag) for tag in tags if isinstance(tag, str)]) if isinstance(tags, list) else (),
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        payments=tuple(draft.payments),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated_totals(subtotal=told["subtotal"], discount=discount, shipping=shipping, tax=tax, grand=told["grand_total"]),
        extensions=extensions,
    )
    if not draft.lines:
        report.warn(f"{at}/lines", "no_lines", "the order has no lines")
    priced = draft.lines and all(line.unit_price is not None for line in draft.lines)
    goods = sum(line.gross_basis.amount_minor for line in draft.lines if line.gross_basis)
    summary = {"subtotal": to_text(goods, currency)} if priced and told["subtotal"] is None else {}
    return draft.stated_order(
        order,
        event="cancel" if cancelled else event or "create",
        payment=payment,
        fulfillment="cancelled" if cancelled and fulfillment is None else fulfillment,
        cancelled_at=instant(body, "cancelled_at", at, report),
        stated=summary,
        of=() if one.rows_at else ((body, at),),
        inside=_INSIDE,
    )


def _lines(draft: Draft, lines: list[Json], where: list[str], extensions: dict[str, str], *, included: bool, shipped: bool) -> None:
    numbers = [text(row, "line_id") for row in lines]
    for row, at, number, line_id in zip(lines, where, numbers, line_ids(numbers), strict=True):
        ordered, exponent = quantity(row, "quantity", at)
        price = price_of(row, "unit_price", at)
        draft.line(
            line_id,
            channel_line_id=number,
            sku=text(row, "sku"),
            name=text(row, "name") or "",
            unit_of_measure=text(row, "unit"),
            unit_price=price,
            tax_included=included,
            ordered=ordered,
            quantity_exponent=exponent,
            gross=0 if price is None else price.times(ordered, exponent, draft.currency, "half_up"),
            cancelled=0 if draft.cancelled else min(_units(row, "cancelled", at, exponent), ordered),
            shipped=ordered if shipped else _units(row, "shipped", at, exponent),
        )
        unmapped(row, _LINE, at, extensions)


def _units(row: Json, key: str, at: str, exponent: int) -> int:
    """Return a count in the units of its line; one finer than the line's own fails."""
    if row.get(key) in (None, ""):
        return 0
    units, own = quantity(row, key, at)
    if own > exponent:
        fail(at, key, "quantity", row[key], f"{at}/{key} is finer than the line's quantity")
    return int(units * 10 ** (exponent - own))


def _discounts(draft: Draft, body: Json, at: str, lines: list[Json], where: list[str], stated: int | None) -> int | None:
    """Add each line's discount, the order's own, and what the stated sum has beyond them; return the sum, null where none is told."""
    known: int | None = None
    for row, place, line in zip(lines, where, list(draft.lines), strict=True):
        amount = amount_of(row, "discount", place, draft.currency, draft.report)
        if amount is not None:
            known = (known or 0) + abs(amount)
            draft.discount(f"discount:{line.line_id}", abs(amount), shares={line.line_id: abs(amount)})
    for index, row in enumerate(rows(body, "discounts", at)):
        amount = abs(amount_of(row, "amount", f"{at}/discounts/{index}", draft.currency, draft.report) or 0)
        known = (known or 0) + amount
        code = text(row, "code")
        draft.discount(f"discount:order:{index}", amount, source="code" if code else "channel", code=code, label=text(row, "label") or "")
    if stated is not None and abs(stated) > (known or 0):
        draft.discount("discount:order", abs(stated) - (known or 0))
    return known if stated is None else abs(stated)


def _charges(draft: Draft, body: Json, at: str, stated: int | None) -> int | None:
    shipping = amount_of(body, "shipping", at, draft.currency, draft.report)
    shipping = stated if shipping is None else shipping
    if shipping is not None:
        draft.charge("shipping", "shipping", shipping)
    for index, row in enumerate(rows(body, "fees", at)):
        amount = amount_of(row, "amount", f"{at}/fees/{index}", draft.currency, draft.report) or 0
        draft.charge("fee", f"fee:{index}", amount, label=text(row, "label") or "")
    return shipping


def _taxes(draft: Draft, body: Json, at: str, lines: list[Json], where: list[str], stated: int | None, *, included: bool) -> int | None:
    """Add each line's tax, the order's own, and what the stated sum has beyond them; return the sum, null where none is told."""
    known: int | None = None
    for row, place, line in zip(lines, where, list(draft.lines), strict=True):
        amount = amount_of(row, "tax", place, draft.currency, draft.report)
        if amount is not None:
            known = (known or 0) + amount
            draft.tax(f"tax:{line.line_id}", amount, line_id=line.line_id, rate=rate_text(row.get("tax_rate")), included=included)
    for index, row in enumerate(rows(body, "taxes", at)):
        amount = amount_of(row, "amount", f"{at}/taxes/{index}", draft.currency, draft.report) or 0
        known = (known or 0) + amount
        draft.tax(f"tax:order:{index}", amount, title=text(row, "title") or "", rate=rate_text(row.get("rate")), included=included)
    if stated is not None and stated != (known or 0):
        draft.tax("tax:order", stated - (known or 0), included=included)
    return known if stated is None else stated


def _payments(draft: Draft, body: Json, at: str, state: PaymentState | None, grand: int) -> None:
    for index, row in enumerate(rows(body, "payments", at)):
        where = f"{at}/payments/{index}"
        kind: PaymentKind | None = _word(row, "kind", where, _KINDS)
        amount = amount_of(row, "amount", where, draft.currency, draft.report)
        if kind is None or amount is None:
            fail(where, "kind" if kind is None else "amount", "required", None, f"{where}: a payment has a kind and an amount")
        provider, number = text(row, "provider") or NAME, text(row, "id") or f"payment:{index}"
        draft.payment(provider, kind, amount, transaction=number, method=text(row, "method"), at=instant(row, "at", where, draft.report))
    if not draft.payments:
        draft.stated_payment(state, NAME, grand)


def _address(body: Json, key: str, at: str, extensions: dict[str, str]) -> Address | None:
    place = child(body, key, at)
    if not place:
        return None
    numbered = tuple(line for name in ("line1", "line2", "line3") if (line := text(place, name)))
    listed = place.get("lines")
    unmapped(place, _PLACE | {"line1", "line2", "line3"}, f"{at}/{key}", extensions)
    return address_of(
        name=text(place, "name"),
        company=text(place, "company"),
        lines=(*(str(line).strip() for line in listed if isinstance(line, str) and line.strip()), *numbered)
        if isinstance(listed, list)
        else numbered,
        city=text(place, "city"),
        region=text(place, "region"),
        postal_code=text(place, "postal_code"),
        country=text(place, "country"),
        phone=text(place, "phone"),
    )


# --- a change ---


def _change(body: Json, at: str, order_id: str, account: str, event: StatedEvent, report: Report) -> StatedChange:
    changed_at = instant(body, "updated_at", at, report)
    changes = []
    for index, row in enumerate(rows(body, "line_changes", at)):
        where = f"{at}/line_changes/{index}"
        action: LineAction | None = _word(row, "action", where, _ACTIONS)
        if action is None:
            fail(where, "action", "required", None, f"{where}/action is missing")
        price = price_of(row, "unit_price", where)
        number = text(row, "line_id")
        changes.append(
            LineChange(
                action=action,
                line_id=number,
                line=number,
                sku=text(row, "sku"),
                quantity_ordered=text(row, "quantity"),
                quantity_delta=text(row, "quantity_delta"),
                unit_price=None if price is None else format(price.decimal, "f"),
            )
        )
    return StatedChange(
        channel_order_id=order_id,
        event=event,
        account=account,
        changed_at=changed_at,
        line_changes=tuple(changes),
        findings=tuple(report.findings),
        verdict="accept_with_warning" if report.warned else "accept",
        stated={"line_changes": changes_to(changes)},
    )


CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.CLEARED,
    verbs=frozenset(),
    signature="none",
    account_field="/account",
    order_key="/order_id",
    normalize=normalize,
    mapping_version=MAPPING,
    address=AddressStated.SHIPPED,
)
