"""cXML purchase orders (OrderRequest: new, update, delete) -> canonical Order, or a change.

Input:   one cXML document. Its document type names an outside DTD, which is tolerated and never resolved. The identity in
         Header/From is the account.
Output:  Order in the currency of Total, integer minor units. Total is the sum of the items without tax and shipping, which are added;
         a document whose Total has them in it is read so. An item of a group that has its price, and a group whose items have theirs, cost
         nothing of their own. An update whose items come to its Total states the order anew; any other
         update, and a delete, is a change.
Loses:   nothing but what must not be kept: shared secrets and card numbers. Elements without a canonical place go to `extensions`,
         path of the element -> JSON text.
Fails:   NormalizationFailed with the path of the first bad element.
Source:  cXML 1.2 reference guide: OrderRequest, OrderRequestHeader (type, orderVersion, Total, Tax, Shipping), ItemOut, ItemDetail,
         PriceBasisQuantity, Modifications, Address, and the attributes itemType, compositeItemType, parentLineNumber; read 2026-11-29.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Literal

from normalizers.amounts import currency_of, priced_row, rate_text
from normalizers.building import account_of, address_of, line_ids, refused, stated_totals
from normalizers.channel import Channel, Document, Missing, Restates, Result, StatedChange, StatedOrder
from normalizers.draft import Draft
from normalizers.summary import changes_to, moment_text, order_values
from normalizers.wire import MAX_ROWS, Report, fail, present, quantity, read_instant
from normalizers.xml_tree import Node, read_document, unread
from normalizers.xml_values import amount_at, check_currency, decimal_at
from schemas.failures import LimitExceeded, NormalizationFailed, OrdermendError
from schemas.money import UnitPrice, scaled_text, to_text
from schemas.order import Address, Contact, DeliveryWindow, Order, OrderLine, Source, order_id_of
from schemas.statement import LineChange, StatedEvent

NAME = "cxml"
MAPPING = 3
NAME_OF_ROOT = "cXML"

Kind = Literal["new", "update", "delete"]
_KINDS: Mapping[str, Kind] = {"new": "new", "update": "update", "delete": "delete"}
_EVENTS: Mapping[Kind, StatedEvent] = {"new": "create", "update": "update", "delete": "cancel"}
_SKU = ("ItemID/SupplierPartID", "ItemDetail/ManufacturerPartID", "ItemID/BuyerPartID")
_SECRETS = ("SharedSecret", "CredentialMac", "DigitalSignature")


def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
    """Return what each document says."""
    return tuple([_result(document) for document in documents])


def _result(document: Document) -> Result:
    root, headers = read_document(document, doctype=NAME_OF_ROOT)
    request = root.first("Request/OrderRequest")
    head = request.first("OrderRequestHeader") if request else None
    if root.name != NAME_OF_ROOT or request is None or head is None:
        told = next((child.name for one in root.children or () for child in one.children or () if one.name != "Header"), root.name)
        raise NormalizationFailed("the document is no order request", field=f"/{root.name[:60]}", rule="document_type", value=told)
    account = account_of(headers, _from(root))
    number = head.attribute("orderID")
    word = (head.attribute("type") or "new").lower()
    kind = _KINDS.get(word, "new")
    if number is None:
        missing = NormalizationFailed("the order has no number", field=f"{head.path}/@orderID", rule="required")
        return refused(None, missing, account=account, event=_EVENTS[kind])
    report = Report()
    if word not in _KINDS:
        report.warn(f"{head.path}/@type", "unknown_type", "no documented type of an order request: read as new", word)
    try:
        _forget_secrets(root, report)
        stated = _order(root, request, head, number, account, kind, report)
        whole = kind == "new" or (kind == "update" and not stated.order.holds and bool(stated.order.lines))
        return stated if whole else _change(stated, kind)
    except OrdermendError as error:
        return refused(number, error, account=account, event=_EVENTS[kind], report=report)


def _from(root: Node) -> str | None:
    credentials = root.all("Header/From/Credential")
    best = [one for one in credentials if ((one.attributes or {}).get("domain") or "").lower() == "networkid"] + credentials
    return next((node.text for one in best for node in one.all("Identity") if node.text), None)


def _forget_secrets(root: Node, report: Report) -> None:
    """Drop what must not be kept beside an order: it is in the sealed raw document alone."""
    for node in [root.first("Header"), root.first("Request/OrderRequest/OrderRequestHeader")]:
        for one in _tree(node):
            if one.name in _SECRETS or (one.name == "PCard" and one.attributes):
                one.text, one.attributes, one.children = "", None, None
                report.note(one.path, "secret_dropped", "a credential or card number is not kept")


def _tree(node: Node | None) -> list[Node]:
    found = [node] if node is not None else []
    for one in found:
        found.extend(one.children or ())
    return found


# --- the order ---


def _order(root: Node, request: Node, head: Node, number: str, account: str, kind: Kind, report: Report) -> StatedOrder:
    items = request.all("ItemOut")
    if len(items) > MAX_ROWS:
        raise LimitExceeded(f"{len(items)} lines are more than {MAX_ROWS}", field=request.path, rule="max_rows", value=str(len(items)))
    cancelled = kind == "delete"
    bare = cancelled and not items  # only says which order is to go
    currency = currency_of(_currency(head, items), f"{head.path}/Total/Money/@currency", Report() if bare else report)
    draft = Draft(currency, report, cancelled=cancelled)
    total = amount_at(head.first("Total/Money"), draft, "currency")
    subtotal = _lines(draft, items, _priced_elsewhere(items))
    _modifications(draft, head, total, subtotal)
    net = _net(draft)
    shipping, tax = _shipping(draft, head, items), _taxes(draft, head, items)
    grand = _grand(total, net, shipping or 0, tax or 0)
    totals = draft.totals(grand)
    order = Order(
        order_id=order_id_of(NAME, account, number),
        order_number=number,
        source=Source(
            channel=NAME,
            mapping_version=MAPPING,
            account=account,
            channel_order_id=number,
            channel_updated_at=_instant(root, "timestamp", report),
            status=head.attribute("type"),
        ),
        currency=currency,
        placed_at=_instant(head, "orderDate", report),
        lifecycle="cancelled" if cancelled else "received",
        contact=_contact(head),
        ship_to=_ship_to(head, items),
        bill_to=_address(head.first("BillTo/Address")),
        delivery_window=_window(head, items, report),
        ship_method=head.say("ShipTo/CarrierIdentifier", "TermsOfDelivery/TransportTerms"),
        note="\n".join(present(node.read() for node in head.all("Comments"))) or None,
        lines=tuple(draft.lines),
        adjustments=tuple(draft.adjustments),
        taxes=tuple(draft.taxes),
        holds=tuple(draft.holds),
        totals=totals,
        stated_totals=stated_totals(shipping=shipping, tax=tax, grand=grand),
        extensions=unread(root),
    )
    if not draft.lines and not bare:
        report.warn(request.path, "no_lines", "the order has no lines")
    summary = {
        "subtotal": None if subtotal is None else to_text(subtotal, currency),
        "grand_total": None if total is None else to_text(total, currency),
        **_version(root, head),
    }
    return draft.stated_order(order, event=_EVENTS[kind], payment=None, fulfillment="cancelled" if cancelled else None, stated=summary)


def _version(root: Node, head: Node) -> dict[str, object]:
    found = {"version": (head.attributes or {}).get("orderVersion"), "replaces": _replaced(root, head)}
    return {key: value for key, value in found.items() if value}


def _replaced(root: Node, head: Node) -> str | None:
    """Return the payload id of the request this one replaces."""
    node = head.first("DocumentReference") or root.first("Request/OrderRequest/DocumentReference")
    return (node.attributes or {}).get("payloadID") if node else None


def _currency(head: Node, items: list[Node]) -> str | None:
    first = head.first("Total/Money")
    stated = (first.attributes or {}).get("currency") if first else None
    if stated:
        return stated.strip()
    found = {code for item in items for node in item.all("ItemDetail/UnitPrice/Money") if (code := (node.attributes or {}).get("currency"))}
    if len(found) > 1:
        raise NormalizationFailed(
            "the items are in several currencies",
            field=f"{head.path}/Total/Money/@currency",
            rule="one_currency",
            value=",".join(sorted(found)),
        )
    return next(iter(found), None)


def _priced_elsewhere(items: list[Node]) -> frozenset[int]:
    """Return which items (by place) cost nothing of their own: those of a group that has its price, and a group whose items have theirs."""
    levels = {_raw(item, "lineNumber"): _raw(item, "compositeItemType") for item in items if _raw(item, "itemType") == "composite"}
    of_group = {place for place, item in enumerate(items) if levels.get(_raw(item, "parentLineNumber") or "") == "groupLevel"}
    return frozenset(of_group | {place for place, item in enumerate(items) if levels.get(_raw(item, "lineNumber")) == "itemLevel"})


def _raw(item: Node, name: str) -> str | None:
    return (item.attributes or {}).get(name)


def _lines(draft: Draft, items: list[Node], priced_elsewhere: frozenset[int]) -> int | None:
    """Add the items and return what they come to as ordered; null where one has no price."""
    subtotal: int | None = 0 if items else None
    numbers = [item.attribute("lineNumber") for item in items]
    for place, (item, number, line_id) in enumerate(zip(items, numbers, line_ids(numbers), strict=True)):
        ordered, exponent = quantity({"@quantity": item.attribute("quantity")}, "@quantity", item.path)
        price, gross = _price(draft, item, ordered, exponent)
        if place in priced_elsewhere:
            draft.report.note(item.path, "priced_in_group", "the item's price is its group's, or its items'")
            price, gross = price or UnitPrice.of(amount=0, exponent=0), 0
        draft.line(
            line_id,
            channel_line_id=number,
            sku=item.say(*_SKU),
            name=item.say("ItemDetail/Description/ShortName", "ItemDetail/Description", "BlanketItemDetail/Description") or "",
            unit_of_measure=item.say("ItemDetail/UnitOfMeasure", "BlanketItemDetail/UnitOfMeasure"),
            unit_price=price,
            ordered=ordered,
            quantity_exponent=exponent,
            gross=gross,
        )
        subtotal = None if subtotal is None or price is None else subtotal + gross
    return subtotal


def _price(draft: Draft, item: Node, ordered: int, exponent: int) -> tuple[UnitPrice | None, int]:
    detail = item.first("ItemDetail") or item.first("BlanketItemDetail")
    node = detail.first("UnitPrice/Money") if detail else None
    value = decimal_at(node)
    if detail is None or node is None or value is None:
        draft.report.note(f"{item.path}/ItemDetail/UnitPrice", "price_missing", "the item states no price")
        return None, 0
    check_currency(node, draft, "currency")
    return priced_row(value, _basis(detail), ordered, exponent, draft.currency, *node.place)


def _basis(detail: Node) -> Decimal:
    """Return how many ordered units the price is for: its basis quantity, converted to the unit of the order."""
    basis = detail.first("PriceBasisQuantity")
    if basis is None:
        return Decimal(1)
    numbers = []
    for name in ("quantity", "conversionFactor"):
        units, exponent = quantity({f"@{name}": basis.attribute(name) or "1"}, f"@{name}", basis.path)
        numbers.append(Decimal(units).scaleb(-exponent))
    if not numbers[1]:
        fail(basis.path, "@conversionFactor", "conversion factor", 0)
    return numbers[0] / numbers[1]


def _net(draft: Draft) -> int:
    """Return what the rows come to as ordered, whatever was cancelled since."""
    gross = sum(line.gross_basis.amount_minor for line in draft.lines if line.gross_basis)
    return gross + sum(-row.amount_minor if row.kind == "discount" else row.amount_minor for row in draft.adjustments)


def _modifications(draft: Draft, head: Node, total: int | None, subtotal: int | None) -> None:
    """Add the order's deductions and costs where they are what Total and the items differ by; else they stay as stated."""
    if total is None or subtotal is None or total == subtotal:
        return
    found = []
    for node in head.all("Total/Modifications/Modification"):
        for path, sign in (("AdditionalDeduction/DeductionAmount/Money", -1), ("AdditionalCost/Money", 1)):
            money = node.first(path)
            if money is not None and money.text:
                detail = node.first("ModificationDetail")
                found.append((money, sign, (detail.attributes or {}).get("name") if detail else None))
    amounts = [abs(amount_at(money, draft, "currency") or 0) for money, _, _ in found]
    if sum(sign * amount for (_, sign, _), amount in zip(found, amounts, strict=True)) != total - subtotal:
        for money, _, _ in found:
            money.was_read = False
        return
    for index, ((_, sign, label), amount) in enumerate(zip(found, amounts, strict=True), 1):
        if sign < 0:
            draft.discount(f"discount:order:{index}", amount, label=label or "")
        else:
            draft.charge("shipping" if "freight" in (label or "").lower() else "fee", f"charge:order:{index}", amount, label=label or "")


def _shipping(draft: Draft, head: Node, items: list[Node]) -> int | None:
    stated = amount_at(head.first("Shipping/Money"), draft, "currency")
    if stated is not None:
        draft.charge("shipping", "shipping", stated, label=head.say("Shipping/Description") or "")
        return stated
    sums = None
    for item, line in zip(items, list(draft.lines), strict=True):
        amount = amount_at(item.first("Shipping/Money"), draft, "currency")
        if amount is not None:
            sums = (sums or 0) + amount
            draft.charge("shipping", f"shipping:{line.line_id}", amount, shares={line.line_id: amount})
    return sums


def _taxes(draft: Draft, head: Node, items: list[Node]) -> int | None:
    """Add the order's tax, by rate where its details come to it; else each item's."""
    stated = amount_at(head.first("Tax/Money"), draft, "currency")
    if stated is not None:
        _tax_rows(draft, head.all("Tax/TaxDetail"), stated)
        return stated
    sums = None
    for item, line in zip(items, list(draft.lines), strict=True):
        amount = amount_at(item.first("Tax/Money"), draft, "currency")
        if amount is not None:
            sums = (sums or 0) + amount
            draft.tax(f"tax:{line.line_id}", amount, line_id=line.line_id, title=item.say("Tax/Description") or "")
    return sums


def _tax_rows(draft: Draft, details: list[Node], stated: int) -> None:
    amounts = [amount_at(detail.first("TaxAmount/Money"), draft, "currency") for detail in details]
    if not details or sum(amount or 0 for amount in amounts) != stated:
        draft.tax("tax:order", stated)
        return
    for index, (detail, amount) in enumerate(zip(details, amounts, strict=True), 1):
        rate = rate_text(detail.attribute("percentageRate"), percent=True)
        draft.tax(f"tax:order:{index}", amount or 0, title=detail.attribute("category") or "", rate=rate)


def _grand(total: int | None, net: int, shipping: int, tax: int) -> int | None:
    """Return what the order comes to: Total leaves tax and shipping out, unless it is the sum with one of them, or with both."""
    if total is None:
        return None
    return net + shipping + tax if total in {net + shipping, net + tax, net + shipping + tax} else total + shipping + tax


def _instant(node: Node, name: str, report: Report) -> datetime | None:
    stated = node.attribute(name)
    return None if stated is None else read_instant(stated, f"{node.path}/@{name}", report)


# --- parties ---


def _ship_to(head: Node, items: list[Node]) -> Address | None:
    """Return where the order goes: the header's address, else the items' where all go to the same."""
    stated = _address(head.first("ShipTo/Address"))
    if stated is not None or not items:
        return stated
    found = [_address(item.first("ShipTo/Address")) for item in items]
    return found[0] if all(one == found[0] for one in found) else None


def _address(node: Node | None) -> Address | None:
    if node is None:
        return None
    place = node.first("PostalAddress")
    name = node.say("Name")
    if place is None:
        return None if name is None else address_of(name=name, lines=(), phone=_phone(node))
    people = [one.read() for one in place.all("DeliverTo")]
    country = place.first("Country")
    state = place.first("State")
    code = country.attribute("isoCountryCode") if country else None
    if country is not None and code is not None:
        country.was_read = True
    return address_of(
        name=people[0] if people and people[0] else name,
        company=name if people and people[0] else None,
        lines=present((*people[1:], *(one.read() for one in place.all("Street")))),
        city=place.say("City", "Municipality"),
        region=(state.read() or state.attribute("isoStateCode")) if state else None,
        postal_code=place.say("PostalCode"),
        country=code or (country.read() if country else None) or node.attribute("isoCountryCode"),
        phone=_phone(node),
    )


def _phone(node: Node) -> str | None:
    number = node.first("Phone/TelephoneNumber")
    if number is None:
        return None
    code, area, rest, extension = (number.say(name) for name in ("CountryCode", "AreaOrCityCode", "Number", "Extension"))
    dialled = " ".join(present((None if code is None else f"+{code.removeprefix('+')}", area, rest)))
    return (f"{dialled} x{extension}" if extension else dialled) or None


def _contact(head: Node) -> Contact:
    found = head.first("Contact") or head.first("ShipTo/Address")
    if found is None:
        return Contact()
    return Contact(name=found.say("Name"), email=found.say("Email"), phone=_phone(found))


def _window(head: Node, items: list[Node], report: Report) -> DeliveryWindow | None:
    """Return when the goods are wanted: the header's date or period, else the items' common date."""
    period = head.first("DeliveryPeriod/Period")
    if period is not None:
        window = DeliveryWindow(earliest=_instant(period, "startDate", report), latest=_instant(period, "endDate", report))
        return window if window.earliest or window.latest else None
    latest = _instant(head, "requestedDeliveryDate", report)
    dates = {(item.attributes or {}).get("requestedDeliveryDate") for item in items}
    if latest is None and len(dates) == 1 and None not in dates:
        latest = next(iter([_instant(item, "requestedDeliveryDate", report) for item in items]), None)
    return None if latest is None else DeliveryWindow(latest=latest)


# --- update, delete ---


def _change(stated: StatedOrder, kind: Kind) -> StatedChange:
    """Return the change a document asks for: what it says of the order is shown, and is not the order."""
    sent = stated.order.source.channel_updated_at
    values = {**order_values(stated), **stated.stated}
    if kind == "delete":
        values["cancelled_at"] = moment_text(sent)
    if kind != "delete" or not stated.order.lines:
        values |= {"lines": None, "subtotal": None}
    changes = tuple([_line_change(line, kind) for line in stated.order.lines])
    return StatedChange(
        channel_order_id=stated.order.source.channel_order_id,
        event="cancel" if kind == "delete" else "edit",
        account=stated.order.source.account,
        changed_at=sent,
        line_changes=changes,
        findings=tuple(one for one in stated.findings if one.rule not in {"totals_mismatch", "channel_rounding"}),
        verdict="accept" if stated.verdict == "accept_with_hold" else stated.verdict,
        stated={**values, "line_changes": changes_to(changes)},
    )


def _line_change(line: OrderLine, kind: Kind) -> LineChange:
    price = line.unit_price
    return LineChange(
        action="cancel" if kind == "delete" else "change",
        line_id=line.channel_line_id,
        line=line.channel_line_id,
        sku=line.sku,
        quantity_ordered=scaled_text(line.ordered, line.quantity_exponent),
        unit_price=None if price is None else format(price.decimal, "f"),
    )


CHANNEL = Channel(
    name=NAME,
    restates=Restates.WHOLE_ORDER,
    missing=Missing.CLEARED,
    verbs=frozenset(),
    signature="none",
    account_field="Header/From/Credential/Identity",
    order_key="OrderRequestHeader/@orderID",
    normalize=normalize,
    mapping_version=MAPPING,
)
