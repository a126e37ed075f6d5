"""Values as people read them: paths as words, JSON texts as plain text, minor units as amounts, rows as a table. Pure."""

import html
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import orjson

from schemas.money import scaled_text, to_text
from schemas.order import Address, Order

_NAMES: Final = {
    "ship_to": "Ship to", "bill_to": "Bill to", "contact": "Contact", "delivery_window": "Delivery window", "ship_method": "Ship method", "shipments": "Shipments",
    "payment_method": "Payment method", "lines": "Line", "adjustments": "Adjustment", "taxes": "Tax", "totals": "Total", "holds": "Hold",
    "payments": "Payment", "note": "Note", "tags": "Tags", "lifecycle": "State", "allocations": "share of",
}  # fmt: skip
STATES: Final = {
    "applied": "good", "settled": "good", "approved": "good", "undone": "calm", "submitted": "calm", "waiting": "wait", "compensating": "wait", "awaiting_approval": "wait",
    "settling": "wait", "refused": "bad", "conflicted": "bad", "dead": "bad", "declined": "bad", "expired": "bad", "cancelled": "calm",
    "settlement_failed": "bad",
}  # fmt: skip


def words(text: str) -> str:
    """Return a code as words: `awaiting_approval` -> `awaiting approval`."""
    return text.replace("_", " ")


def path(text: str, order: Order | None = None) -> str:
    """Return a leaf's path as words; a line is named by its SKU where the order is at hand."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]
    if len(parts) > 1 and order is not None:
        parts[1] = _row(order, parts[0], parts[1])
    named = [_NAMES.get(parts[0], words(parts[0]).capitalize()), *(words(part.removesuffix("_minor")) for part in parts[1:])]
    return " · ".join(named)


def _row(order: Order, of: str, row_id: str) -> str:
    """Return what people call a row of the order: a line its SKU, a discount its code; what the order does not have keeps its id."""
    if of == "lines":
        line = order.line(row_id)
        return (line.sku or line.name) if line else row_id
    if of == "adjustments":
        return next((a.code or a.label or words(a.kind) for a in order.adjustments if a.adjustment_id == row_id), row_id)
    if of == "holds":
        return next((hold.kind for hold in order.holds if hold.hold_id == row_id), row_id)
    if of == "taxes":
        return next((tax.title or "tax" for tax in order.taxes if tax.tax_id == row_id), row_id)
    return row_id


def value(text: str | None, at: str, currency: str) -> str:
    """Return a leaf's JSON text as people read it."""
    if text is None:
        return "-"
    found = orjson.loads(text)
    if at.endswith("_minor") and isinstance(found, int):
        return amount(found, currency)
    if isinstance(found, list):
        return ", ".join(str(item) for item in found) or "-"
    if isinstance(found, bool):
        return "yes" if found else "no"
    return str(found) if found != "" else "-"


def moment(at: datetime | None) -> str:
    """Return a time of day with its date, in UTC."""
    return f"{at:%d %b %Y, %H:%M:%S} UTC" if at else "-"


def address(found: Address | None) -> list[str]:
    """Return an address line by line."""
    if found is None:
        return ["-"]
    town = " ".join(part for part in (found.postal_code, found.city) if part)
    parts = (found.name, found.company, *found.lines, town, found.region, found.country or found.stated_country, found.phone)
    return [part for part in parts if part] or ["-"]


def amount(minor: int, currency: str) -> str:
    """Return an amount with its currency."""
    return f"{to_text(minor, currency)} {currency}"


class Markup(str):
    """Text that is HTML already, made by the functions here."""

    __slots__ = ()


def escape(text: str) -> Markup:
    """Return text as HTML."""
    return Markup(html.escape(text))


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> Markup:
    """Return a table; every cell is escaped but `Markup`."""
    body = ["<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    if not body:
        return Markup(f'<p class="om-quiet">{html.escape(empty)}</p>')
    heads = "".join(f'<th scope="col">{_cell(name)}</th>' for name in head)
    return Markup(
        f'<table class="om-table"><caption>{html.escape(caption)}</caption><thead><tr>{heads}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    )


def _cell(cell: str) -> str:
    return str(cell) if isinstance(cell, Markup) else html.escape(cell)


def right(text: str) -> Markup:
    """Return a number's cell, aligned to the right."""
    return Markup(f'<span class="om-right">{html.escape(text)}</span>')


def chip(text: str, tone: str = "calm") -> Markup:
    """Return a short word on a coloured ground; the word alone says all."""
    return Markup(f'<span class="om-chip om-{tone}">{html.escape(text)}</span>')


def state(name: str) -> Markup:
    """Return a ticket's state."""
    return chip(words(name), STATES.get(name, "calm"))


def link(text: str, to: str) -> Markup:
    """Return a link to a page of ours."""
    return Markup(f'<a href="{html.escape(to, quote=True)}">{html.escape(text)}</a>')


def lines(texts: Iterable[str]) -> Markup:
    """Return texts one below the other."""
    return Markup("<br>".join(html.escape(text) for text in texts))


def facts(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Return names with values, as a description list."""
    return Markup('<dl class="om-facts">' + "".join(f"<dt>{html.escape(k)}</dt><dd>{_cell(v)}</dd>" for k, v in pairs) + "</dl>")


def section(title: str, body: Markup) -> Markup:
    """Return a titled part of a page."""
    return Markup(f'<section class="om-card"><h2>{html.escape(title)}</h2>{body}</section>')


def erased() -> Markup:
    """Return what stands for a value nobody can read any more."""
    return Markup('<em class="om-quiet">erased</em>')


def scaled(units: int, exponent: int) -> str:
    """Return a quantity."""
    return scaled_text(units, exponent)
