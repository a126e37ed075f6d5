"""What a document says, as plain JSON for people and scripts: `ordermend normalize --summary`.

Input:   the results of `Channel.normalize`.
Output:  one dict of texts, lists and nulls: verdict, event, ids, lines, the channel's own totals, states, warnings. Several
         orders are under `orders`, and under `others` what an interchange carries beside them that is no order (an invoice, an acknowledgment): it
         is refused for itself, and says nothing of the orders. A document that was refused has `problems`.
Keeps:   a value comes from the canonical order where that says the same as the channel, else from `result.stated`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from normalizers.channel import Result, StatedChange, StatedOrder, StatedPart, Unreadable
from schemas.failures import OrdermendError
from schemas.money import NO_CURRENCY, scaled_text, to_text
from schemas.order import Order, OrderLine
from schemas.statement import Finding, LineChange

SEVERITY = ("dead_letter", "reject", "quarantine", "incomplete", "accept_with_hold", "accept_with_warning", "accept")
"""Verdicts, the gravest first."""

_OTHER = frozenset({"transaction_set", "message_type"})
"""Rules of the finding that a message is of another kind."""

_EMPTY: Mapping[str, object] = {
    "source_order_id": None,
    "currency": None,
    "lines": None,
    "subtotal": None,
    "discount_total": None,
    "shipping_total": None,
    "tax_total": None,
    "grand_total": None,
    "ship_to": {"country": None, "postal_code": None},
    "placed_at": None,
    "payment_status": None,
    "fulfillment_status": None,
}


def summarize(results: tuple[Result, ...]) -> dict[str, Any]:
    """Return what `results` say, as JSON-ready values; amounts are decimal texts, moments RFC 3339 in UTC."""
    told = [(_is_other(result), summary_of(result)) for result in results]
    if len(told) == 1:
        return told[0][1]
    orders, others = [row for is_other, row in told if not is_other], [row for is_other, row in told if is_other]
    summed = {"verdict": min((row["verdict"] for row in orders or others), key=SEVERITY.index, default="accept"), "orders": orders}
    return {**summed, "others": others} if others else summed


def _is_other(result: Result) -> bool:
    """Say whether a result stands for a message of an interchange that is no order and no change of one."""
    return isinstance(result, Unreadable) and any(finding.rule in _OTHER for finding in result.findings)


def summarize_failure(error: OrdermendError) -> dict[str, Any]:
    """Return what is said of a document that `normalize` raised on."""
    return {"verdict": "dead_letter", "problems": [{"path": error.field or "", "rule": error.rule or error.code, "message": error.message}]}


def summary_of(result: Result) -> dict[str, Any]:
    """Return what one result says."""
    head: dict[str, Any] = {"verdict": result.verdict, "event": result.event}
    if isinstance(result, StatedOrder):
        body: dict[str, Any] = {**order_values(result), **result.stated}
        if result.verdict == "accept_with_hold":  # the summary's words know no hold: it is taken, and somebody has to look
            head["verdict"] = "accept_with_warning"
            body["holds"] = [hold.kind for hold in result.order.holds]
    elif isinstance(result, StatedChange):
        body = {**_EMPTY, "source_order_id": result.channel_order_id, "changed_at": moment_text(result.changed_at)}
        body |= {"line_changes": [change_values(change) for change in result.line_changes]} | dict(result.stated)
    elif isinstance(result, StatedPart):
        body = {**_EMPTY, "source_order_id": result.channel_order_id, "missing": list(result.missing), **result.stated}
    else:
        body = {**_EMPTY, "source_order_id": result.channel_order_id, "problems": _told(result), **result.stated}
    return {**head, **body, "warnings": _told(result)}


def _told(result: StatedOrder | StatedChange | StatedPart | Unreadable) -> list[dict[str, str]]:
    return [finding_values(finding) for finding in result.findings]


def finding_values(finding: Finding) -> dict[str, str]:
    """Return one finding without the value it is about (which may be personal)."""
    return {"path": finding.path, "rule": finding.rule, "message": finding.message}


def order_values(result: StatedOrder) -> dict[str, Any]:
    """Return what a stated order says by itself."""
    order, totals = result.order, result.order.stated_totals
    values: dict[str, Any] = {
        "source_order_id": order.source.channel_order_id,
        "currency": None if order.currency == NO_CURRENCY else order.currency,
        "lines": [line_values(line) for line in order.lines],
        "subtotal": _amount(totals.subtotal_minor, order.currency),
        "discount_total": _amount(totals.discount_minor, order.currency),
        "shipping_total": _amount(totals.shipping_minor, order.currency),
        "tax_total": _amount(totals.tax_minor, order.currency),
        "grand_total": _amount(totals.grand_total_minor, order.currency),
        "ship_to": _ship_to(order),
        "placed_at": moment_text(order.placed_at),
        "payment_status": result.payment,
        "fulfillment_status": result.fulfillment,
        "source_status": order.source.status,
        "source_payment_status": order.source.payment_status,
        "source_fulfillment_status": order.source.fulfillment_status,
    }
    if result.cancelled_at is not None:
        values["cancelled_at"] = moment_text(result.cancelled_at)
    if result.cancel_requested:
        values["cancel_requested"] = True
    return values


def line_values(line: OrderLine) -> dict[str, str | None]:
    """Return what a line says: sku, ordered quantity, price per unit."""
    price = line.unit_price
    return {
        "sku": line.sku,
        "quantity": scaled_text(line.ordered, line.quantity_exponent),
        "unit_price": None if price is None else scaled_text(price.amount, price.exponent),
    }


def change_values(change: LineChange) -> dict[str, str]:
    """Return what a change of a line says."""
    return {key: str(value) for key, value in change if value is not None}


def changes_to(changes: Sequence[LineChange]) -> list[dict[str, str]]:
    """Return what changes say whose ordered quantity is what the line is to have afterwards: `quantity` is that quantity."""
    told = [change_values(change) for change in changes]
    return [{**row, "quantity": row["quantity_ordered"]} if "quantity_ordered" in row else row for row in told]


def _amount(amount_minor: int | None, currency: str) -> str | None:
    return None if amount_minor is None else to_text(amount_minor, currency)


def _ship_to(order: Order) -> dict[str, str | None]:
    place = order.ship_to
    return {"country": place.country if place else None, "postal_code": place.postal_code if place else None}


def moment_text(moment: datetime | None) -> str | None:
    """Return a moment as RFC 3339 in UTC."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
