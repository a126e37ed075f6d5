"""UBL orders, order changes and order cancellations (plain, Peppol, or in a business envelope) -> canonical Order, or a change.

Input:   one XML document: Order-2, OrderChange-2 or OrderCancellation-2, alone or in a StandardBusinessDocument. The buyer's
         endpoint, else its first identification, is the account.
Output:  Order in DocumentCurrencyCode (else the amounts' common currency), integer minor units; a price is PriceAmount by BaseQuantity,
         the row's amount its LineExtensionAmount. A change names the order by OrderReference/ID; the document's own ID is not it.
Loses:   nothing; elements without a canonical place go to `extensions`, path of the element -> JSON text.
Fails:   NormalizationFailed with the path of the first bad element; an order without a number is a dead letter.
Source:  OASIS UBL 2.0 to 2.4, Order, OrderChange, OrderCancellation, code list LineStatus; Peppol BIS Ordering 3 (T01) and Order
         change (T114), with UNCL 1229, 5189 and 7161; read 2026-11-24. A date alone is its midnight; LineExtensionAmount has the
         line's charges added and its allowances taken off.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from normalizers.amounts import currency_of, priced_row, quotient_price, rate_text
from normalizers.building import SHIPPING_WORDS, account_of, address_of, line_ids, refused, stated_totals
from normalizers.channel import Channel, Document, Missing, Restates, Result, StatedChange
from normalizers.draft import Draft
from normalizers.summary import changes_to, moment_text
from normalizers.wire import MAX_ROWS, Report, day_and_time, present
from normalizers.xml_tree import Node, read_document, unread
from normalizers.xml_values import amount_at, check_currency, decimal_at, peek, quantity_at
from schemas.failures import LimitExceeded, NormalizationFailed, OrdermendError
from schemas.money import UnitPrice, exponent_of, scaled_text, to_text
from schemas.order import Address, Contact, DeliveryWindow, Order, Source, order_id_of
from schemas.statement import LineAction, LineChange

NAME = "ubl"
MAPPING = 3

_DOCUMENTS = ("Order", "OrderChange", "OrderCancellation")
_ACTIONS: Mapping[str, LineAction] = {
    "added": "add",
    "1": "add",
    "cancelled": "cancel",
    "canceled": "cancel",
    "2": "delete",
    "deleted": "delete",
    "revised": "change",
    "3": "change",
    "disputed": "change",
    "nostatus": "keep",
    "4": "keep",
    "5": "keep",
}
_SHIPPING_CODES = frozenset({"FC", "DL", "SH", "FI", "AEP", "64"})  # UNCL 7161: freight, delivery, handling …
_ITEM_IDS = tuple(f"Item/{whose}ItemIdentification/ID" for whose in ("Sellers", "Standard", "Buyers", "Manufacturers", "Catalogue"))


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each document says; a cancellation of several orders gives one result each."""
    results: list[Result] = []
    for document in documents:
        root, headers = read_document(document)
        found = [root] if root.name in _DOCUMENTS else [child for child in root.children or () if child.name in _DOCUMENTS]
        if not found:
            raise NormalizationFailed(
                f"{root.name[:60]} is no order, order change or order cancellation", field="/", rule="document_type", value=root.name
            )
        for one in found:
            results.extend(_results(one, account_of(headers, _buyer(one)), root if len(found) == 1 else one))
    return tuple(results)


def _buyer(root: Node) -> str | None:
    party = root.first("BuyerCustomerParty/Party")
    paths = ("EndpointID", "PartyIdentification/ID", "PartyLegalEntity/CompanyID", "PartyTaxScheme/CompanyID")
    found = next((node for path in paths for node in (party.all(path) if party else ()) if node.text), None)
    return found.text if found else None


def _results(root: Node, account: str, kept: Node) -> list[Result]:
    """Return what one of the documents says; `kept` is the element whose unread parts belong to it."""
    report = Report()
    if root.name == "Order":
        number = root.say("ID")
        if number is None:
            missing = NormalizationFailed("the order has no number", field=f"{root.path}/ID", rule="required")
            return [refused(None, missing, account=account, event="create")]
        try:
            return [_order(root, number, account, report, kept)]
        except OrdermendError as error:
            return [refused(number, error, account=account, event="create", report=report)]
    numbers = [node.read() for node in root.all("OrderReference/ID") if node.text]
    event = "edit" if root.name == "OrderChange" else "cancel"
    if not numbers:
        missing = NormalizationFailed("the document names no order", field=f"{root.path}/OrderReference/ID", rule="required")
        return [refused(None, missing, account=account, event="edit" if event == "edit" else "cancel")]
    read = _change if root.name == "OrderChange" else _cancellation
    results: list[Result] = []
    for name in dict.fromkeys(number for number in numbers if number):
        try:
            results.append(read(root, name, account, Report()))
        except OrdermendError as error:
            results.append(refused(name, error, account=account, event="edit" if event == "edit" else "cancel"))
    return results


# --- Order ---


def _order(root: Node, number: str, account: str, report: Report, kept: Node) -> Result:
    rows = _rows(root)
    currency = currency_of(_currency(root), f"{root.path}/DocumentCurrencyCode", Report() if _priceless(root) else report)
    draft = Draft(currency, report, agreed=True)
    sums = root.first("AnticipatedMonetaryTotal") or Node("AnticipatedMonetaryTotal", "", None, root, 1)
    told = {name: amount_at(sums.first(name), draft, "currencyID") for name in _SUMS}
    _lines(draft, rows)
    charged = _charges(draft, root, None)
    paid = told["PrepaidAmount"] or 0
    grand = told["PayableAmount"]
    whole = told["TaxInclusiveAmount"] if grand is None else grand + paid
    rounding = told["PayableRoundingAmount"]
    if rounding:
        draft.charge("channel_rounding", "rounding:payable", rounding, label="PayableRoundingAmount")
    tax = _taxes(draft, root, told, whole)
    subtotal = told["LineExtensionAmount"]
    stated = stated_totals(
        subtotal=subtotal,
        discount=charged["discount"] if told["AllowanceTotalAmount"] is None else abs(told["AllowanceTotalAmount"]),
        shipping=charged["shipping"],
        tax=tax,
        grand=whole,
    )
    totals = draft.totals(whole)
    if paid:
        draft.payment("prepaid", "capture", paid, method="PrepaidAmount")
    placed_at = day_and_time(root.say("IssueDate"), root.say("IssueTime"), f"{root.path}/IssueDate", report)
    order = Order(
        order_id=order_id_of(NAME, account, number),
        order_number=number,
        source=Source(channel=NAME, mapping_version=MAPPING, account=account, channel_order_id=number, status=root.say("OrderTypeCode")),
        currency=currency,
        placed_at=placed_at,
        contact=_contact(root),
        ship_to=_ship_to(root),
        bill_to=_bill_to(root),
        delivery_window=_window(root, report),
        note="\n".join(present(node.read() for node in root.all("Note"))) or None,
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        payments=tuple(draft.payments),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated,
        extensions=unread(kept),
    )
    if not draft.lines:
        report.warn(f"{root.path}/OrderLine", "no_lines", "the order has no lines")
    summary: dict[str, object] = {"subtotal": _subtotal(draft, rows, subtotal)}
    if paid:
        summary["grand_total"] = None if grand is None else to_text(grand, currency)
    return draft.stated_order(order, event="create", payment=None, fulfillment=None, stated=summary)


_SUMS = (
    "LineExtensionAmount",
    "TaxExclusiveAmount",
    "TaxInclusiveAmount",
    "AllowanceTotalAmount",
    "ChargeTotalAmount",
    "PrepaidAmount",
    "PayableRoundingAmount",
    "PayableAmount",
)


def _rows(root: Node) -> list[Node]:
    rows = root.all("OrderLine/LineItem")
    if len(rows) > MAX_ROWS:
        raise LimitExceeded(
            f"{len(rows)} lines are more than {MAX_ROWS}", field=f"{root.path}/OrderLine", rule="max_rows", value=str(len(rows))
        )
    return rows


def _money_nodes(root: Node) -> list[Node]:
    places = ("AnticipatedMonetaryTotal/PayableAmount", "OrderLine/LineItem/LineExtensionAmount", "OrderLine/LineItem/Price/PriceAmount")
    return [node for path in places for node in root.all(path) if node.text]


def _priceless(root: Node) -> bool:
    """Say whether the document states no money at all: then it needs no currency."""
    return not _money_nodes(root)


def _currency(root: Node) -> str | None:
    stated = root.say("DocumentCurrencyCode", "PricingCurrencyCode")
    if stated is not None:
        return stated
    found = {code for node in _money_nodes(root) if (code := node.attribute("currencyID"))}
    if len(found) > 1:
        raise NormalizationFailed(
            "the amounts are in several currencies",
            field=f"{root.path}/DocumentCurrencyCode",
            rule="one_currency",
            value=",".join(sorted(found)),
        )
    return next(iter(found), None)


def _lines(draft: Draft, rows: list[Node]) -> None:
    ids = [row.say("ID") for row in rows]
    for row, number, line_id in zip(rows, ids, line_ids(ids), strict=True):
        node = row.first("Quantity")
        ordered, exponent = quantity_at(node or Node("Quantity", "", None, row, 1))
        price, gross = _priced(draft, row, ordered, exponent)
        draft.line(
            line_id,
            channel_line_id=number,
            sku=row.say(*_ITEM_IDS),
            name=row.say("Item/Name", "Item/Description") or "",
            unit_of_measure=node.attribute("unitCode") if node else None,
            unit_price=price,
            ordered=ordered,
            quantity_exponent=exponent,
            gross=gross,
        )
        _charges(draft, row, line_id)


def _priced(draft: Draft, row: Node, ordered: int, exponent: int) -> tuple[UnitPrice | None, int]:
    """Return (price of one unit, the row's amount before its own allowances and charges)."""
    stated = amount_at(row.first("LineExtensionAmount"), draft, "currencyID")
    price, computed = _price(draft, row, ordered, exponent)
    if stated is None:
        if price is None:
            draft.report.note(f"{row.path}/Price", "price_missing", "the line states no price")
        return price, computed or 0
    if stated == computed:
        return price, stated
    if (plain := _price_of_one(draft, row, ordered, exponent, stated)) is not None:
        return plain, stated
    before = stated - sum(_signed(node, draft) for node in row.all("AllowanceCharge"))
    if computed is not None and before != computed:
        say = draft.report.warn if abs(before - computed) > 10 ** exponent_of(draft.currency) else draft.report.note
        say(f"{row.path}/LineExtensionAmount", "row_amount", f"the row says {before}, price and quantity come to {computed} (minor units)")
    exact = Decimal(before).scaleb(-exponent_of(draft.currency))
    return price or quotient_price(exact, ordered, exponent), before


def _price_of_one(draft: Draft, row: Node, ordered: int, exponent: int, stated: int) -> UnitPrice | None:
    """Return the stated price where, by the row's amount, it is for one unit whatever its base quantity says; else null."""
    node, basis = row.first("Price/PriceAmount"), row.first("Price/BaseQuantity")
    if node is None or basis is None or (value := decimal_at(node)) is None:
        return None
    price, computed = priced_row(value, Decimal(1), ordered, exponent, draft.currency, *node.place)
    if computed != stated:
        return None
    draft.report.note(basis.path, "base_quantity", "by the row's amount the price is for one unit, not for its base quantity")
    return price


def _price(draft: Draft, row: Node, ordered: int, exponent: int) -> tuple[UnitPrice | None, int | None]:
    """Return (price of one unit, what it comes to for the quantity): the stated price is for a base quantity."""
    node = row.first("Price/PriceAmount")
    if node is None or (value := decimal_at(node)) is None:
        return None, None
    check_currency(node, draft, "currencyID")
    unit = row.first("Price/BaseQuantity")
    basis = decimal_at(unit) or Decimal(1)
    if unit is not None and (code := unit.attribute("unitCode")) and code != _unit(row):
        draft.report.note(f"{unit.path}/@unitCode", "price_unit", "the price is for another unit of measure than the quantity", code)
    return priced_row(value, basis, ordered, exponent, draft.currency, *node.place)


def _unit(row: Node) -> str | None:
    node = row.first("Quantity")
    return node.attribute("unitCode") if node else None


def _is_charge(node: Node) -> bool:
    return (node.say("ChargeIndicator") or "").lower() in {"true", "1"}


def _signed(node: Node, draft: Draft) -> int:
    amount = abs(amount_at(node.first("Amount"), draft, "currencyID") or 0)
    return amount if _is_charge(node) else -amount


def _charges(draft: Draft, owner: Node, line_id: str | None) -> dict[str, int | None]:
    """Add the allowances and charges of the order or of one line; return the sums of discounts and shipping, null where none is told."""
    sums: dict[str, int | None] = {"discount": None, "shipping": None}
    for index, node in enumerate(owner.all("AllowanceCharge"), 1):
        amount = _signed(node, draft)
        code, label = node.say("AllowanceChargeReasonCode"), node.say("AllowanceChargeReason") or ""
        name = f"{line_id or 'order'}:{index}"
        if amount < 0 or not _is_charge(node):
            draft.discount(f"discount:{name}", -amount, shares={line_id: -amount} if line_id else None, code=code, label=label)
            sums["discount"] = (sums["discount"] or 0) - amount
        else:
            shipping = code in _SHIPPING_CODES or SHIPPING_WORDS.search(label) is not None
            shares = {line_id: amount} if line_id else None
            draft.charge("shipping" if shipping else "fee", f"charge:{name}", amount, code=code, label=label, shares=shares)
            if shipping:
                sums["shipping"] = (sums["shipping"] or 0) + amount
    return sums


def _taxes(draft: Draft, root: Node, told: Mapping[str, int | None], grand: int | None) -> int | None:
    """Add the taxes that are in the grand total and return what the document says the tax is.

    A tax that the payable amount leaves out is the channel's word and no row: it stays in `extensions`.
    """
    totals = [node for node in root.all("TaxTotal") if _code(node) in {None, draft.currency}]
    stated = next((peek(node.first("TaxAmount"), draft) for node in totals if node.first("TaxAmount")), None)
    of_lines = [_line_tax(row, draft) for row in root.all("OrderLine/LineItem")]
    known = [tax for tax in of_lines if tax is not None]
    exclusive, inclusive = told["TaxExclusiveAmount"], told["TaxInclusiveAmount"]
    if stated is not None:
        tax = stated
    elif known:
        tax = sum(known)
    elif exclusive is not None and inclusive is not None:
        tax = inclusive - exclusive
    else:
        return None
    net = draft.totals(None).grand_total_minor
    if grand is not None and tax and grand == net:
        draft.report.note(f"{root.path}/TaxTotal", "tax_outside_total", "the stated tax is not in the order's total", tax)
        return tax
    if sum(known) == tax and len(known) == len(of_lines):
        for line, amount in zip(list(draft.lines), known, strict=True):
            draft.tax(f"tax:{line.line_id}", amount, line_id=line.line_id)
        _mark(
            root.all("OrderLine/LineItem/TotalTaxAmount")
            + root.all("OrderLine/LineItem/TaxTotal/TaxAmount")
            + [node for one in totals for node in one.all("TaxAmount")]
        )
    else:
        _tax_rows(draft, totals[:1], tax)
    return tax


def _mark(nodes: list[Node]) -> None:
    for node in nodes:
        node.read()
        node.attribute("currencyID")


def _tax_rows(draft: Draft, totals: list[Node], tax: int) -> None:
    """Add a row for each rate the document breaks the tax down to, if that comes to the tax; else one row."""
    parts = [
        (part, amount) for one in totals for part in one.all("TaxSubtotal") if (amount := peek(part.first("TaxAmount"), draft)) is not None
    ]
    if len(parts) > 0 and sum(amount for _, amount in parts) == tax:
        for index, (part, amount) in enumerate(parts, 1):
            rate = rate_text(part.say("TaxCategory/Percent", "Percent"), percent=True)
            draft.tax(f"tax:order:{index}", amount, title=part.say("TaxCategory/TaxScheme/ID", "TaxCategory/ID") or "", rate=rate)
            _mark(part.all("TaxAmount"))
    else:
        draft.tax("tax:order", tax)
    _mark([node for one in totals for node in one.all("TaxAmount")])


def _code(node: Node) -> str | None:
    amount = node.first("TaxAmount")
    return ((amount.attributes or {}).get("currencyID") or "").strip().upper() or None if amount else None


def _line_tax(row: Node, draft: Draft) -> int | None:
    stated = peek(row.first("TotalTaxAmount"), draft)
    if stated is not None:
        return stated
    return next((peek(one.first("TaxAmount"), draft) for one in row.all("TaxTotal") if _code(one) in {None, draft.currency}), None)


def _subtotal(draft: Draft, rows: list[Node], stated: int | None) -> str | None:
    """Return the stated sum of the rows, else the sum of what each row says; null where one says nothing."""
    if stated is not None:
        return to_text(stated, draft.currency)
    of_rows = [peek(row.first("LineExtensionAmount"), draft) for row in rows]
    if not rows or any(line.unit_price is None for line in draft.lines):
        return None
    return to_text(sum(line.gross_minor if row is None else row for line, row in zip(draft.lines, of_rows, strict=True)), draft.currency)


# --- parties and places ---


def _address(place: Node | None, name: str | None, phone: str | None = None) -> Address | None:
    if place is None or not any(child.text or child.children for child in place.children or () if child.name != "ID"):
        return None
    street, number = place.say("StreetName"), place.say("BuildingNumber")
    box = place.say("Postbox")
    lines = (
        " ".join(present((street, number))) or None,
        place.say("AdditionalStreetName"),
        place.say("BlockName"),
        place.say("Department"),
        None if box is None else f"PO Box {box}",
        *(node.read() for node in place.all("AddressLine/Line")),
    )
    return address_of(
        name=name,
        lines=present(lines),
        city=place.say("CityName"),
        region=place.say("CountrySubentity", "CountrySubentityCode"),
        postal_code=place.say("PostalZone"),
        country=place.say("Country/IdentificationCode", "Country/Name"),
        phone=phone,
    )


def _ship_to(root: Node) -> Address | None:
    """Return the delivery's address: its location's, its own (2.0), or the receiving party's."""
    for delivery in root.all("Delivery"):
        for path in ("DeliveryLocation/Address", "DeliveryAddress", "DeliveryParty/PostalAddress"):
            place = delivery.first(path)
            if place is None or not any(child.name != "ID" for child in place.children or ()):
                continue
            name = delivery.say("DeliveryParty/PartyName/Name", "DeliveryLocation/Description", "DeliveryLocation/Name")
            return _address(place, name, delivery.say("DeliveryParty/Contact/Telephone"))
    return None


def _bill_to(root: Node) -> Address | None:
    """Return the invoicee's address, else the buyer's."""
    for path in ("AccountingCustomerParty/Party", "BuyerCustomerParty/Party"):
        party = root.first(path)
        if party is not None and (place := party.first("PostalAddress")) is not None:
            return _address(place, party.say("PartyName/Name", "PartyLegalEntity/RegistrationName"))
    return None


def _contact(root: Node) -> Contact:
    party = root.first("BuyerCustomerParty/Party")
    if party is None:
        return Contact()
    person = " ".join(present((party.say("Person/FirstName"), party.say("Person/FamilyName")))) or None
    return Contact(
        name=party.say("Contact/Name") or person,
        email=party.say("Contact/ElectronicMail"),
        phone=party.say("Contact/Telephone"),
        customer_ref=root.say("CustomerReference", "BuyerCustomerParty/SupplierAssignedAccountID"),
    )


def _window(root: Node, report: Report) -> DeliveryWindow | None:
    period = root.first("Delivery/RequestedDeliveryPeriod")
    if period is None:
        return None
    earliest = day_and_time(period.say("StartDate"), period.say("StartTime"), f"{period.path}/StartDate", report)
    latest = day_and_time(period.say("EndDate"), period.say("EndTime"), f"{period.path}/EndDate", report)
    return DeliveryWindow(earliest=earliest, latest=latest) if earliest or latest else None


# --- OrderChange, OrderCancellation ---


def _moments(root: Node, report: Report) -> tuple[datetime | None, datetime | None]:
    """Return (when the document was issued, when the order it names was)."""
    issued = day_and_time(root.say("IssueDate"), root.say("IssueTime"), f"{root.path}/IssueDate", report)
    named = root.first("OrderReference")
    if named is None:
        return issued, None
    return issued, day_and_time(named.say("IssueDate"), named.say("IssueTime"), f"{named.path}/IssueDate", report)


def _change(root: Node, number: str, account: str, report: Report) -> Result:
    rows = _rows(root)
    issued, placed_at = _moments(root, report)
    stated_currency = _currency(root)
    draft = Draft(currency_of(stated_currency, f"{root.path}/DocumentCurrencyCode", Report()), report)
    sums = root.first("AnticipatedMonetaryTotal") or Node("AnticipatedMonetaryTotal", "", None, root, 1)
    totals = {
        key: amount_at(sums.first(name), draft, "currencyID")
        for key, name in (("subtotal", "LineExtensionAmount"), ("grand_total", "PayableAmount"))
    }
    place = _ship_to(root)
    changes = tuple([_line_change(row, draft) for row in rows])
    summary: dict[str, object] = {
        "currency": stated_currency,
        "placed_at": moment_text(placed_at),
        "version": root.say("SequenceNumberID"),
        "line_changes": changes_to(changes),
        **{key: to_text(amount, draft.currency) for key, amount in totals.items() if amount is not None},
    }
    if place is not None:
        summary["ship_to"] = {"country": place.country, "postal_code": place.postal_code}
        report.note(f"{root.path}/Delivery", "ship_to_stated", "the change document states a delivery address")
    window = _window(root, report)
    if window is not None:
        report.note(f"{root.path}/Delivery", "delivery_stated", "the change document states when the goods are wanted")
    return StatedChange(
        channel_order_id=number,
        event="edit",
        account=account,
        changed_at=issued,
        line_changes=changes,
        ship_to=place,
        delivery_window=window,
        findings=tuple(report.findings),
        verdict="accept_with_warning" if report.warned else "accept",
        stated=summary,
    )


def _line_change(row: Node, draft: Draft) -> LineChange:
    """Read one line of a change: what to do with it, and what it is to be afterwards."""
    word = row.say("LineStatusCode")
    action = _ACTIONS.get((word or "revised").lower().replace(" ", ""))
    if action is None:
        draft.report.warn(f"{row.path}/LineStatusCode", "unknown_status", "no documented line status: read as a change", word)
    node = row.first("Quantity")
    amount = None
    if node is not None and node.text:
        amount = scaled_text(*quantity_at(node))
    price, _ = _price(draft, row, 1, 0)
    number = row.say("ID")
    return LineChange(
        action=action or "change",
        line_id=number,
        line=number,
        sku=row.say(*_ITEM_IDS),
        quantity_ordered=amount,
        unit_price=None if price is None else format(price.decimal, "f"),
    )


def _cancellation(root: Node, number: str, account: str, report: Report) -> Result:
    issued, placed_at = _moments(root, report)
    reason = "\n".join(present(node.read() for path in ("CancellationNote", "Note") for node in root.all(path))) or None
    summary: dict[str, object] = {"cancelled_at": moment_text(issued), "placed_at": moment_text(placed_at), "cancel_reason": reason}
    return StatedChange(
        channel_order_id=number,
        event="cancel",
        account=account,
        changed_at=issued,
        findings=tuple(report.findings),
        verdict="accept_with_warning" if report.warned else "accept",
        stated=summary,
    )


CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.CLEARED,
    verbs=frozenset(),
    signature="none",
    account_field="BuyerCustomerParty/Party/EndpointID",
    order_key="/Order/ID",
    normalize=normalize,
    mapping_version=MAPPING,
)
