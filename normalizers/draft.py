"""From the rows a channel states to the rows, sums and verdict of a canonical order; every channel builds through here.

Decides: a line's gross, each line's share of a discount, what a tax is on, the payments a bare state stands for, the explicit difference to the
         channel's own total, and the verdict.
Output:  `StatedOrder`; amounts in minor units of the order's currency.
Keeps:   every derived row agrees with its basis at the quantity still open, so that recalculating the order changes
         nothing; shares of a discount sum to it; totals are sums of rows and equal the channel's own grand total.
Rows are made of what the typed readers and this module computed, and are not validated a second time (`Model.of`); the order is. All tests run
with `of` validating, and comparing (`tests/conftest.py`), so that each row that any of them ever reads is shown to be valid.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from normalizers.amounts import ROUNDING
from normalizers.channel import StatedOrder
from normalizers.leftovers import Inside, leftovers
from normalizers.wire import Report
from schemas.money import NO_CURRENCY, UnitPrice, allocate, exponent_of, round_ratio
from schemas.order import (
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
    TaxRow,
    Totals,
)
from schemas.statement import StatedEvent


class Draft:
    """The rows of one order while a channel reads them; `finish` makes the order of them."""

    __slots__ = (
        "adjustments",
        "agreed",
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

    def __init__(self, currency: str, report: Report, *, cancelled: bool = False, agreed: bool = False) -> None:
        """`cancelled`: the channel cancelled the order as a whole. `agreed`: a line without a price has the one the partners agreed on."""
        self.currency = currency
        self.report = report
        self.cancelled = cancelled
        self.agreed = agreed
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
                gross_basis=Basis.of(input=agreed, amount_minor=gross),
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

        `spread=False` is a discount on something that is no line (shipping): it has no shares. What is spread and more than all lines still
        cost is such a one as to the rest.
        """
        if shares is None and spread:
            ids = sorted(self.lines_left())
            weights = [max(self.stated_left[line_id], 0) for line_id in ids]
            beyond = max(amount - sum(weights), 0) if ids else 0
            if beyond == amount > 0:
                ids, beyond = [], 0
            shares = dict(zip(ids, allocate(amount - beyond, weights), strict=True)) if ids else {}
            if beyond:
                self.discount(f"{adjustment_id}:beyond", beyond, spread=False, source=source, code=code, label=label)
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
        return Allocation.of(line_id=line_id, amount_minor=now, basis=Basis.of(input=agreed, amount_minor=amount))

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
                basis=Basis.of(input=base, amount_minor=amount),
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

    def credit(self, stated_grand: int | None, found: Sequence[tuple[str, str, int]]) -> None:
        """Take off what the buyer's own credit paid (id, label, amount), where the channel's total is what is left after it.

        A negative amount is what an extension charges. Channels differ, and so do their extensions: some pay out of the total, which then stands
        whole, and charge within the rows. What the rows come to tells: all together where they come to the total so, else each that brings them nearer.
        """
        if stated_grand is None or not any(part for _, _, part in found):
            return
        beyond = self._sums()[-1] - stated_grand
        left = abs(beyond - sum([part for _, _, part in found]))
        together = left < abs(beyond) and left <= 10 ** exponent_of(self.currency)
        for credit_id, label, part in found:
            if not part or not (together or abs(beyond - part) < abs(beyond)):
                continue
            beyond -= part
            if part > 0:
                self.discount(credit_id, part, spread=False, label=label)
            else:
                self.charge("fee", credit_id, -part, label=label)

    def totals(self, stated_grand: int | None) -> Totals:
        """Return the sums of the rows; a difference to the channel's grand total becomes a row, and a hold if it is large."""
        subtotal, tax, sums, grand = self._sums()
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

    def _sums(self) -> tuple[int, int, dict[str, int], int]:
        """Return (subtotal, tax, adjustments by kind, what all rows come to)."""
        subtotal = tax = added = 0
        for line in self.lines:
            subtotal += line.gross_minor
        sums = {"discount": 0, "shipping": 0, "fee": 0, "channel_rounding": 0}
        for row in self.adjustments:
            sums[row.kind] += row.amount_minor
        for each in self.taxes:
            tax += each.amount_minor
            added += 0 if each.included else each.amount_minor
        return subtotal, tax, sums, subtotal - sums["discount"] + sums["shipping"] + sums["fee"] + added + sums["channel_rounding"]

    def _difference(self, stated: int, computed: int) -> None:
        difference = stated - computed
        self.charge("channel_rounding", "channel_rounding", difference, label="difference to the channel's total")
        message = f"the channel's total is {stated}, its rows come to {computed} (minor units)"
        if self.agreed and any(line.unit_price is None for line in self.lines):
            self.report.note("", "total_of_agreed_prices", "the total is of prices that not every line states", difference)
        elif abs(difference) > 10 ** exponent_of(self.currency):
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
