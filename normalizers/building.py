"""From the rows a channel states to the rows, sums and verdict of a canonical order; every channel builds through here.

Decides: minor units, a line's gross, each line's share of a discount, what a tax is on, the payments a bare state stands
         for, the explicit difference to the channel's own total, and the verdict.
Output:  `StatedOrder`; amounts in minor units of the order's currency.
Keeps:   every derived row agrees with its basis at the quantity still open, so that recalculating the order changes
         nothing; shares of a discount sum to it; totals are sums of rows and equal the channel's own grand total.
Rows are made of what the typed readers and this module computed, and are not validated a second time (`Model.of`); the order is. All tests run
with `of` validating, and comparing (`tests/conftest.py`), so that each row that any of them ever reads is shown to be valid.
Fails:   NormalizationFailed with the JSON pointer of the amount that could not be read.
Source:  ISO 3166-1 through pycountry; ISO 4217 codes are three letters; read 2026-11-23.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from normalizers.channel import StatedOrder, StatedPart, Unreadable
from normalizers.leftovers import Inside, leftovers
from normalizers.summary import order_values
from normalizers.wire import Json, Report, fail, walk
from schemas.failures import OrdermendError
from schemas.money import NO_CURRENCY, AmountError, Rounding, UnitPrice, allocate, decimal_of, exponent_of, round_ratio, to_minor, to_text
from schemas.order import (
    Address,
    Adjustment,
    AdjustmentKind,
    AdjustmentSource,
    Allocation,
    Basis,
    FulfillmentState,
    Hold,
    Liable,
    Order,
    OrderLine,
    Payment,
    PaymentKind,
    PaymentState,
    StatedTotals,
    TaxRow,
    Totals,
)
from schemas.statement import Finding, StatedEvent, Verdict

_OTHER_CODES = {"UK": "GB", "EL": "GR"}
"""Codes of two letters that the European Union's offices write for a country instead of ISO 3166-1's."""
_NOT_ALNUM = re.compile(r"[\W_]+")

ROUNDING: Rounding = "half_up"
"""How every channel's amounts are rounded; pinned on the order."""


def currency_of(value: str | None, at: str, report: Report) -> str:
    """Return the ISO 4217 code, or `NO_CURRENCY` and a warning."""
    if value is not None and len(value) == 3 and value.isascii() and value.isalpha() and (code := value.upper()) != NO_CURRENCY:
        return code
    if value is None:
        report.warn(at, "currency_missing", "the channel states no currency")
    else:
        report.warn(at, "currency_unreadable", "no ISO 4217 code", value)
    return NO_CURRENCY


def currency_within(row: Json, *names: str) -> str | None:
    """Return the first currency that an amount anywhere in `row` states: for a document without the field that says the order's."""
    return next((value for where, value in walk(row) if where.rpartition("/")[2] in names and isinstance(value, str) and value), None)


def minor(value: Any, currency: str, at: str, key: str, report: Report) -> int:
    """Read an amount that must be there; what is finer than the currency is rounded half up and noted."""
    if type(value) is str and value[-3:-2] == "." and len(value) < 16:
        digits = value[:-3] + value[-2:]
        if digits.isdecimal() and digits.isascii() and exponent_of(currency) == 2:
            return int(digits)
    try:
        return to_minor(value, currency)
    except AmountError:
        return _rounded(value, currency, at, key, report)


def _rounded(value: Any, currency: str, at: str, key: str, report: Report) -> int:
    try:
        exact = decimal_of(value).scaleb(exponent_of(currency))
        amount = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
    except (AmountError, ArithmeticError):
        fail(at, key, "amount", value)
    if abs(amount) >= 10**18:
        fail(at, key, "amount", value)
    report.note(f"{at}/{key}", "amount_rounded", f"finer than {currency} carries: rounded half up", value)
    return amount


def amount_of(row: Json, key: str, at: str, currency: str, report: Report) -> int | None:
    """Read an amount in minor units, or None where it is absent, null or empty."""
    value = row.get(key)
    if value is None or value == "":  # 0 is an amount
        return None
    return minor(value, currency, at, key, report)


@lru_cache(maxsize=4096)
def _unit_price(_written: str, value: str | int | Decimal) -> UnitPrice:
    """Remember prices by how they are written: 10 and 10.00 are equal and keep their own digits."""
    return UnitPrice.parse(value)


@lru_cache(maxsize=8192)
def _basis(agreed: int, amount: int) -> Basis:
    return Basis(input=agreed, amount_minor=amount)


def price_of(row: Json, key: str, at: str) -> UnitPrice | None:
    """Read a price per unit with all its digits, or None where there is none."""
    value = row.get(key)
    if value is None or value == "":  # 0 is a price
        return None
    if isinstance(value, bool | dict | list):
        fail(at, key, "amount", value)
    try:
        return _unit_price(str(value), value)
    except AmountError:
        fail(at, key, "amount", value)


def quotient_price(amount: Decimal, units: int, quantity_exponent: int) -> UnitPrice | None:
    """Return the price per unit that a row amount comes from, to six digits after the point; None without units.

    None too where the quotient has more digits than a price may: the row's own amount stands.
    """
    if not units:
        return None
    exact = amount.scaleb(quantity_exponent) / units
    try:
        plain = exact.quantize(Decimal("0.000001"), ROUND_HALF_UP).normalize()
        return UnitPrice.parse(plain.quantize(amount) if plain == plain.quantize(amount) else plain)
    except (AmountError, ArithmeticError):
        return None


def decimal_in(row: Json, key: str, at: str) -> Decimal | None:
    """Read an exact decimal, or None where there is none."""
    value = row.get(key)
    if value is None or value == "":  # 0 is a number
        return None
    try:
        return decimal_of(value)
    except AmountError:
        fail(at, key, "amount", value)


def rate_text(value: Any, *, percent: bool = False) -> str | None:
    """Return a tax rate as the text of an exact decimal, or None where it is no number."""
    if value is None or isinstance(value, bool):
        return None
    if type(value) is Decimal and not percent:
        return format(value, "f")
    if isinstance(value, str):
        value = value.strip().removesuffix("%")
    try:
        rate = decimal_of(value)
    except AmountError:
        return None
    return format(rate.scaleb(-2) if percent else rate, "f")


def address_of(
    *,
    name: str | None,
    company: str | None = None,
    lines: tuple[str, ...],
    city: str | None = None,
    region: str | None = None,
    postal_code: str | None = None,
    country: str | None = None,
    phone: str | None = None,
) -> Address:
    """Build an address; the country is kept as alpha-2 and, where it was written otherwise, as stated."""
    written = country is not None and len(country) == 2 and country.isupper() and country not in _OTHER_CODES
    code = country if written else country_code(country)
    key = _NOT_ALNUM.sub("", f"{''.join(lines)}{postal_code or ''}{code or country or ''}".casefold())
    return Address.of(
        name=name,
        company=company,
        lines=lines,
        city=city,
        region=region,
        postal_code=postal_code,
        country=code,
        stated_country=None if code == country else country,
        phone=phone,
        normalized=key,
    )


@lru_cache(maxsize=1024)
def country_code(stated: str | None) -> str | None:
    """Return the alpha-2 code of a country written as code or name, or None where we cannot name it."""
    if not stated:
        return None
    if (other := _OTHER_CODES.get(stated.strip().upper())) is not None:
        return other
    import pycountry  # noqa: PLC0415  # slow to load, and most channels write alpha-2

    try:
        found = pycountry.countries.lookup(stated.strip())
    except LookupError:
        return None
    return str(found.alpha_2)


class Draft:
    """The rows of one order while a channel reads them; `finish` makes the order of them."""

    __slots__ = (
        "adjustments",
        "bases",
        "cancelled",
        "currency",
        "holds",
        "ids",
        "left",
        "lines",
        "payments",
        "report",
        "stated_left",
        "tax_base",
        "taxes",
        "unread",
    )

    def __init__(self, currency: str, report: Report, *, cancelled: bool = False) -> None:
        """`cancelled`: the channel cancelled the order as a whole."""
        self.currency = currency
        self.report = report
        self.cancelled = cancelled
        self.lines: list[OrderLine] = []
        self.adjustments: list[Adjustment] = []
        self.taxes: list[TaxRow] = []
        self.payments: list[Payment] = []
        self.holds: list[Hold] = []
        self.bases: dict[str, tuple[int, int]] = {}  # line id -> (open units, units the amounts were agreed for)
        self.left: dict[str, int] = {}  # line id -> gross less discounts so far, at the open units
        self.stated_left: dict[str, int] = {}  # the same at the agreed units
        self.tax_base: dict[str, int] = {}  # adjustment id -> its amount
        self.ids: set[str] = set()  # of adjustments and taxes
        self.unread: str | None = None  # the code of the first amount, where the order's own is unknown

    def foreign(self, code: str | None) -> bool:
        """Whether an amount is in another currency than the order's; where nobody knows that one (it is held), than the first amount."""
        if code is None or self.currency != NO_CURRENCY:
            return code is not None and code.upper() != self.currency
        self.unread = self.unread or code
        return code != self.unread

    def _own(self, row_id: str) -> str:
        """Return the id, told apart where a document states two rows under one."""
        own = row_id
        while own in self.ids:
            own = f"{row_id}:{len(self.ids)}"
        self.ids.add(own)
        return own

    def line(
        self,
        line_id: str,
        *,
        ordered: int,
        gross: int,
        unit_price: UnitPrice | None,
        sku: str | None = None,
        name: str = "",
        channel_line_id: str | None = None,
        quantity_exponent: int = 0,
        unit_of_measure: str | None = None,
        tax_included: bool = False,
        cancelled: int = 0,
        shipped: int = 0,
        returned: int = 0,
    ) -> None:
        """Add a line; `gross` is the row's amount before discounts for all ordered units."""
        shipped = min(shipped, ordered)
        if self.cancelled:
            cancelled = ordered - shipped
            agreed = left = ordered - cancelled
        else:
            agreed, left = ordered, ordered - cancelled
        now = _share(gross, left, agreed)
        self.bases[line_id] = (left, agreed)
        self.left[line_id] = now
        self.stated_left[line_id] = gross
        self.lines.append(
            OrderLine.of(
                line_id=line_id,
                position=len(self.lines) + 1,
                channel_line_id=channel_line_id,
                sku=sku,
                name=name,
                unit_of_measure=unit_of_measure,
                quantity_exponent=quantity_exponent,
                unit_price=unit_price,
                tax_included=tax_included,
                price_source="channel",
                gross_minor=now,
                gross_basis=_basis(agreed, gross),
                ordered=ordered,
                cancelled=cancelled,
                allocated=0,
                released=0,
                packed=0,
                shipped=shipped,
                returned=min(returned, shipped),
                replaces_line_id=None,
            )
        )

    def discount(
        self,
        adjustment_id: str,
        amount: int,
        *,
        shares: Mapping[str, int] | None = None,
        spread: bool = True,
        source: AdjustmentSource = "channel",
        code: str | None = None,
        label: str = "",
    ) -> None:
        """Add a discount of `amount` ≥ 0; without stated `shares` it is spread over the lines by what they cost.

        `spread=False` is a discount on something that is no line (shipping): it has no shares.
        """
        if shares is None and spread:
            ids = sorted(self.lines_left())
            shares = dict(zip(ids, allocate(amount, [max(self.stated_left[line_id], 0) for line_id in ids]), strict=True)) if ids else {}
        parts = tuple([self._allocation(line_id, part) for line_id, part in (shares or {}).items()])
        self.adjustments.append(
            Adjustment.of(
                adjustment_id=self._own(adjustment_id),
                position=len(self.adjustments) + 1,
                kind="discount",
                source=source,
                code=code,
                promotion_version=None,
                label=label,
                amount_minor=sum([part.amount_minor for part in parts]) if parts else amount,
                allocations=parts,
            )
        )

    def lines_left(self) -> Sequence[str]:
        """Return the ids of the lines that can carry a discount: all, where none has anything left."""
        return [line_id for line_id, amount in self.stated_left.items() if amount > 0] or list(self.stated_left)

    def _allocation(self, line_id: str, amount: int) -> Allocation:
        left, agreed = self.bases[line_id]
        now = min(amount if left == agreed else _share(amount, left, agreed), max(self.left[line_id], 0))
        self.left[line_id] -= now
        self.stated_left[line_id] -= amount
        return Allocation.of(line_id=line_id, amount_minor=now, basis=_basis(agreed, amount))

    def charge(
        self,
        kind: AdjustmentKind,
        adjustment_id: str,
        amount: int,
        *,
        label: str = "",
        code: str | None = None,
        shares: Mapping[str, int] | None = None,
    ) -> None:
        """Add shipping or a fee; `shares` only where the channel states what each line carries."""
        adjustment_id = self._own(adjustment_id)
        self.tax_base[adjustment_id] = amount
        self.adjustments.append(
            Adjustment.of(
                adjustment_id=adjustment_id,
                position=len(self.adjustments) + 1,
                kind=kind,
                source="channel",
                code=code,
                promotion_version=None,
                label=label,
                amount_minor=amount,
                allocations=tuple(
                    [Allocation.of(line_id=line_id, amount_minor=part, basis=None) for line_id, part in (shares or {}).items()]
                ),
            )
        )

    def tax(
        self,
        tax_id: str,
        amount: int,
        *,
        line_id: str | None = None,
        adjustment_id: str | None = None,
        title: str = "",
        rate: str | None = None,
        included: bool = False,
        liable: Liable = "seller",
    ) -> None:
        """Add a tax, after every discount: its base is what the line or the charge comes to."""
        now = amount
        if line_id is not None:
            open_units, agreed = self.bases[line_id]
            base = self.left[line_id]
            if open_units != agreed and self.stated_left[line_id] > 0:
                base = self.stated_left[line_id]
                now = amount if liable == "channel" else _share(amount, self.left[line_id], base)
        else:
            base = self.tax_base.get(adjustment_id or "", 0)
        self.taxes.append(
            TaxRow.of(
                tax_id=self._own(tax_id),
                position=len(self.taxes) + 1,
                line_id=line_id,
                adjustment_id=adjustment_id,
                title=title,
                rate=rate,
                included=included,
                liable=liable,
                amount_minor=now,
                basis=_basis(base, amount),
            )
        )

    def payment(
        self,
        provider: str,
        kind: PaymentKind,
        amount: int,
        *,
        transaction: str = "stated",
        method: str | None = None,
        at: datetime | None = None,
    ) -> None:
        """Add a ledger row; a row that is there already is not added twice."""
        payment_id = f"{provider}:{transaction}:{kind}"
        if any(row.payment_id == payment_id for row in self.payments):
            payment_id = f"{payment_id}:{len(self.payments) + 1}"
            transaction = f"{transaction}:{len(self.payments) + 1}"
        self.payments.append(
            Payment.of(
                payment_id=payment_id,
                provider=provider,
                transaction=transaction,
                kind=kind,
                amount_minor=amount,
                method=method,
                at=at,
                parent=None,
            )
        )

    def stated_payment(
        self, state: PaymentState | None, provider: str, grand: int, *, paid: int | None = None, at: datetime | None = None
    ) -> None:
        """Add the rows that a bare payment state stands for."""
        if state == "authorized":
            self.payment(provider, "authorization", grand, at=at)
        elif state == "voided":
            self.payment(provider, "authorization", grand)
            self.payment(provider, "void", grand)
        elif state == "partially_paid":
            if paid:
                self.payment(provider, "capture", paid, at=at)
        elif state in {"paid", "partially_refunded", "refunded"}:
            self.payment(provider, "capture", grand if paid is None else paid, at=at)
            if state == "refunded" and not any(row.kind == "refund" for row in self.payments):
                self.payment(provider, "refund", grand if paid is None else paid)

    def totals(self, stated_grand: int | None) -> Totals:
        """Return the sums of the rows; a difference to the channel's grand total becomes a row, and a hold if it is large."""
        subtotal = tax = added = 0
        for line in self.lines:
            subtotal += line.gross_minor
        sums = {"discount": 0, "shipping": 0, "fee": 0, "channel_rounding": 0}
        for row in self.adjustments:
            sums[row.kind] += row.amount_minor
        for each in self.taxes:
            tax += each.amount_minor
            added += 0 if each.included else each.amount_minor
        grand = subtotal - sums["discount"] + sums["shipping"] + sums["fee"] + added + sums["channel_rounding"]
        if stated_grand is not None and stated_grand != grand:
            sums["channel_rounding"] += stated_grand - grand
            self._difference(stated_grand, grand)
            grand = stated_grand
        return Totals.of(
            subtotal_minor=subtotal,
            discount_minor=sums["discount"],
            shipping_minor=sums["shipping"],
            fee_minor=sums["fee"],
            tax_minor=tax,
            rounding_minor=sums["channel_rounding"],
            grand_total_minor=grand,
        )

    def _difference(self, stated: int, computed: int) -> None:
        difference = stated - computed
        self.charge("channel_rounding", "channel_rounding", difference, label="difference to the channel's total")
        message = f"the channel's total is {stated}, its rows come to {computed} (minor units)"
        if abs(difference) > 10 ** exponent_of(self.currency):
            self.holds.append(Hold(hold_id="totals_mismatch", kind="totals_mismatch", reason=message))
            self.report.warn("", "totals_mismatch", message, difference)
        else:
            self.report.note("", "channel_rounding", message, difference)

    def stated_order(
        self,
        order: Order,
        *,
        event: StatedEvent,
        payment: PaymentState | None,
        fulfillment: FulfillmentState | None,
        cancelled_at: datetime | None = None,
        cancel_requested: bool = False,
        stated: Mapping[str, object] | None = None,
        of: Iterable[tuple[Any, str]] = (),
        inside: Inside = MappingProxyType({}),
    ) -> StatedOrder:
        """Return the result: `order` with its findings and its verdict, and with what of its objects (`of`) was not read (`inside` says what was)."""
        if left := leftovers(of, inside, self.report.kept):
            order = order.with_(extensions={**order.extensions, **left})
        return StatedOrder(
            order=order,
            event=event,
            payment=payment,
            fulfillment=fulfillment,
            cancelled_at=cancelled_at,
            cancel_requested=cancel_requested,
            findings=tuple(self.report.findings),
            verdict="accept_with_hold" if self.holds else "accept_with_warning" if self.report.warned else "accept",
            stated=stated or {},
        )


def _share(amount: int, now: int, agreed: int) -> int:
    """Return `amount`'s share for `now` of `agreed` units, as the processor will recalculate it."""
    if now == agreed:
        return amount
    return round_ratio(amount, now, agreed, ROUNDING) if agreed > 0 else 0


def stated_totals(
    *,
    subtotal: int | None = None,
    discount: int | None = None,
    shipping: int | None = None,
    tax: int | None = None,
    grand: int | None = None,
) -> StatedTotals:
    """Return the channel's own totals."""
    return StatedTotals.of(
        subtotal_minor=subtotal, discount_minor=discount, shipping_minor=shipping, tax_minor=tax, grand_total_minor=grand
    )


def told_totals(stated: StatedTotals, currency: str) -> dict[str, object]:
    """Return the summary's totals where what the document's fields say is not what the order comes to now (something was cancelled since)."""
    amounts = {
        "subtotal": stated.subtotal_minor,
        "discount_total": stated.discount_minor,
        "shipping_total": stated.shipping_minor,
        "tax_total": stated.tax_minor,
        "grand_total": stated.grand_total_minor,
    }
    return {name: None if amount is None else to_text(amount, currency) for name, amount in amounts.items()}


def split_by_line(amount: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Cut `amount` over lines by weight, largest remainder, in the order of the line ids; lines with no share are left out."""
    ids = sorted(weights)
    return {line_id: part for line_id, part in zip(ids, allocate(amount, [weights[line_id] for line_id in ids]), strict=True) if part}


def line_ids(stated: Sequence[str | None]) -> list[str]:
    """Return a stable id for each line: from the channel's own where it has one that is its own, else from the position."""
    if None not in stated and "" not in stated and len(set(stated)) == len(stated):
        return [f"L{value}" for value in stated]
    times = Counter(stated)
    return [f"L{value}" if value and times[value] == 1 else f"P{index}" for index, value in enumerate(stated, 1)]


def refused(
    channel_order_id: str | None,
    error: OrdermendError,
    *,
    account: str = "default",
    event: StatedEvent | None = None,
    verdict: Verdict = "dead_letter",
    report: Report | None = None,
    stated: Mapping[str, object] | None = None,
) -> Unreadable:
    """Return what becomes of an order that can be named and not read."""
    finding = Finding(path=error.field or "", rule=error.rule or error.code, message=error.message, value=error.value)
    return Unreadable(
        channel_order_id=channel_order_id,
        verdict=verdict,
        code=error.code,
        findings=(finding, *(report.findings if report else ())),
        account=account,
        error_class=error.error_class,
        event=event,
        stated=stated or {},
    )


def part_of(
    result: StatedOrder, missing: tuple[str, ...], *, event: StatedEvent | None = None, verdict: Verdict = "incomplete"
) -> StatedPart:
    """Return what is known of an order whose rest (`missing`) has to be fetched; lines nobody stated are null."""
    values: dict[str, Any] = {**order_values(result), **result.stated}
    if "items" in missing and not result.order.lines:
        values |= {"lines": None}
    source = result.order.source
    return StatedPart(
        channel_order_id=source.channel_order_id,
        event=event or result.event,
        missing=missing,
        account=source.account,
        findings=result.findings,
        verdict=verdict,
        stated=values,
    )


def not_placed(result: StatedOrder) -> StatedPart:
    """Return a cart or checkout that nobody placed: said whole, nothing to fetch, and no order of the book.

    What is placed in the end has an id of its own, so that keeping this one would make a second order beside it.
    """
    return part_of(result, (), event="draft", verdict="accept_with_warning" if result.verdict == "accept_with_hold" else result.verdict)


def account_of(headers: Mapping[str, str], *fallback: str | None) -> str:
    """Return whose order it is: the record's header `account`, else the channel's own word, else `default`."""
    return headers.get("account") or next((value for value in fallback if value), "default")


def priced_row(
    price: Decimal, basis: Decimal, units: int, quantity_exponent: int, currency: str, at: str, key: str
) -> tuple[UnitPrice, int]:
    """Return (price of one unit, to six digits where it does not come out even; amount of the row in minor units, rounded once).

    `price` is for `basis` units, as UBL and EDIFACT state it (3.00 for 100); the row is computed from both, not from the quotient.
    """
    if basis <= 0:
        fail(at, key, "price basis", basis)
    one = Fraction(price) / Fraction(basis)
    row = one * units / 10**quantity_exponent * 10 ** exponent_of(currency)
    gross = round_ratio(row.numerator, 1, row.denominator, ROUNDING)
    if abs(gross) >= 10**18:
        fail(at, key, "amount", price)
    try:
        return UnitPrice.parse(price if basis == 1 else _decimal(one, price)), gross
    except AmountError:
        fail(at, key, "amount", price)


def _decimal(number: Fraction, like: Decimal) -> Decimal:
    """Return `number` exactly where twelve digits after the point do, else to six; with at least the digits `like` has."""
    digits = max(-int(like.as_tuple().exponent), 0)
    for places in (digits, 12):
        scaled = number * 10**places
        if scaled.denominator == 1:
            return _short(Decimal(scaled.numerator).scaleb(-places), digits)
    return _short(Decimal(round_ratio(number.numerator * 10**6, 1, number.denominator, ROUNDING)).scaleb(-6), digits)


def _short(number: Decimal, digits: int) -> Decimal:
    plain = number.normalize()
    exponent = plain.as_tuple().exponent
    return plain if isinstance(exponent, int) and -exponent > digits else plain.quantize(Decimal(1).scaleb(-digits))
