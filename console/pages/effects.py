"""What an edit would do, as people read it: what to know first, then the differences, the money, and who hears of it. Pure."""

from collections.abc import Mapping
from typing import Final

import orjson

from console.api import models as m
from console.pages import show
from schemas.money import scaled_text

_QUIET: Final = ("normalized", "position", "basis", "gross_basis", "exponent", "quantity_exponent", "line_id", "tax_id", "adjustment_id",
                 "hold_id", "shipment_id", "placed_at", "price_source", "promotion_version", "tax_included", "source")  # fmt: skip
"""Parts of a path that say nothing to a person: the money they lead to is shown."""
_ROWS: Final = {"lines": "line", "adjustments": "row", "holds": "hold", "shipments": "shipment"}
_STEPS: Final[Mapping[str, str]] = {
    "charge": "collect", "raise_authorization": "raise the authorisation by", "lower_authorization": "release of the authorisation",
    "refund": "give back", "request_payment": "ask the customer for",
}  # fmt: skip
_RULES: Final[Mapping[str, str]] = {
    "approval.money_delta": "it moves more money than its author may alone",
    "approval.repeated_edits": "the order was edited often already",
}
_LOCKED: Final[Mapping[str, str]] = {
    "price_override": "a price or an amount is set by hand", "ship_address_area": "the address leaves its country or region",
    "ship_address": "the address changes", "bill_address": "the billing address changes", "payment_method": "the payment method changes",
    "quantity_up": "units are added", "quantity_down": "units are taken away", "promotion": "a promotion changes",
}  # fmt: skip
_NOTICES: Final[Mapping[str, str]] = {
    "order_changed": "is told what changed", "order_cancelled": "is told that the order is cancelled", "payment_requested": "is asked to pay the rest",
}  # fmt: skip


def markup(found: m.PreviewView, view: m.OrderView) -> show.Markup:
    """Return what an edit would do."""
    if found.refusal is not None:
        return _refusal(found.refusal, view)
    parts = [_before(found), _changes(found, view), _money(found, view), _after(found)]
    return show.Markup("".join(part for part in parts if part))


def rules(names: list[str]) -> str:
    """Return why somebody has to agree."""
    return "; ".join(_RULES.get(name) or _lock(name) for name in names)


def _lock(name: str) -> str:
    """Return a field lock's rule as words: `locks.ship_address_area.authorized`."""
    parts = name.split(".")
    if parts[0] != "locks" or len(parts) < 3:
        return show.words(name)
    what = _LOCKED.get(parts[1], f"{show.words(parts[1])} changes")
    return what if parts[2] in {"always", "risk", "window"} else f"{what} on an order that is {show.words(parts[2])}"


def _refusal(refusal: m.RefusalView, view: m.OrderView) -> show.Markup:
    where = [("Field", show.path(refusal.path, view.order))] if refusal.path else []
    instead = [("Instead", one.message) for one in refusal.alternatives]
    rule = ("Rule", refusal.rule_id or refusal.code)
    return show.section("This cannot be done", show.facts([("Why", refusal.message), *instead, *where, rule]))


def _before(found: m.PreviewView) -> show.Markup:
    """Return what the author has to know before anything else."""
    rows = [("Mind", warning.message) for warning in found.warnings]
    if found.approvals:
        rows.append(("Waits for approval", f"{rules(found.approvals)}."))
    if found.recalls:
        rows.append(("The warehouse gives back first", ", ".join(map(show.words, found.recalls))))
    return show.section("Before it is applied", show.facts(rows)) if rows else show.Markup("")


def _changes(found: m.PreviewView, view: m.OrderView) -> show.Markup:
    made = _new_rows(found)
    rows = [
        (_named(c, view, made), *_values(c, view, found))
        for c in sorted(found.changes, key=lambda change: change.derived)
        if not set(c.path.split("/")) & set(_QUIET) and not (c.derived and c.path.endswith("_minor"))
    ]
    return show.section("What it does", show.table("What it does", ("Field", "Old", "New"), rows, "Nothing."))


def _values(change: m.ChangeView, view: m.OrderView, found: m.PreviewView) -> tuple[str, str]:
    """Return old and new as people read them; a price, which is kept as a number and its digits, as a price."""
    currency = view.order.currency
    if not change.path.endswith("/unit_price/amount"):
        return show.value(change.old, change.path, currency), show.value(change.new, change.path, currency)
    digits = change.path.removesuffix("amount") + "exponent"
    moved = next((c for c in found.changes if c.path == digits), None)
    line = view.order.line(change.path.split("/")[2])
    was = line.unit_price.exponent if line and line.unit_price else 0
    now = int(moved.new) if moved and moved.new else was
    return _price(change.old, was, currency), _price(change.new, now, currency)


def _price(amount: str | None, exponent: int, currency: str) -> str:
    return "-" if amount is None else f"{scaled_text(int(amount), exponent)} {currency}"


def _new_rows(found: m.PreviewView) -> dict[tuple[str, str], str]:
    """Return what people would call each row that the edit makes, by collection and id."""
    made: dict[tuple[str, str], dict[str, str]] = {}
    for change in found.changes:
        parts = change.path.split("/")
        if len(parts) == 4 and change.old is None and change.new is not None:
            made.setdefault((parts[1], parts[2]), {})[parts[3]] = str(orjson.loads(change.new))
    names = {"lines": ("sku", "name"), "adjustments": ("code", "label", "kind"), "holds": ("kind",)}
    return {
        key: next((leaves[name] for name in names.get(key[0], ()) if leaves.get(name)), "")
        for key, leaves in made.items()
        if _whole(key[0], leaves)
    }


def _whole(of: str, leaves: Mapping[str, str]) -> bool:
    """Whether these leaves are a row that was not there before."""
    return {"lines": "ordered", "adjustments": "kind", "holds": "kind", "shipments": "shipment_id"}.get(of, "") in leaves


def _named(change: m.ChangeView, view: m.OrderView, made: Mapping[tuple[str, str], str]) -> str:
    parts = change.path.split("/")
    if len(parts) > 3 and (name := made.get((parts[1], parts[2]))) is not None:
        return " · ".join(
            text
            for text in (
                f"New {_ROWS.get(parts[1], show.words(parts[1]))}",
                name,
                *(show.words(p.removesuffix("_minor")) for p in parts[3:]),
            )
            if text
        )
    path = change.path.removesuffix("/amount") if change.path.endswith("/unit_price/amount") else change.path
    return show.path(path, view.order) + (" (follows)" if change.derived else "")


def _money(found: m.PreviewView, view: m.OrderView) -> show.Markup:
    currency = view.order.currency
    totals = show.facts([
        ("Total now", show.amount(view.order.totals.grand_total_minor, currency)), ("Total after", f"{found.total_after.amount} {currency}"),
        ("Difference", f"{found.total_moves.amount} {currency}"),
    ])  # fmt: skip
    why = [(move.what, f"{move.amount.amount} {move.amount.currency}") for move in found.moves]
    plan = [(_step(step), step.method or step.provider, f"{step.amount.amount} {step.amount.currency}") for step in found.payments]
    if found.channel_settles:
        plan.append(("settled by the channel", "-", f"{found.channel_settles.amount} {currency}"))
    if found.stays_open:
        plan.append(("stays open", "-", f"{found.stays_open.amount} {currency}"))
    parts = [totals]
    if why:
        parts.append(show.table("Why the total moves", ("What moves", "By"), why, ""))
    if plan:
        parts.append(show.table("Payment plan", ("Payment plan", "With", "Amount"), plan, ""))
    return show.section("Money", show.Markup("".join(parts)))


def _step(step: m.StepView) -> str:
    said = _STEPS.get(step.kind, show.words(step.kind))
    return f"no longer: {said}" if step.cancels else said


def _after(found: m.PreviewView) -> show.Markup:
    rows = [("The customer", _NOTICES.get(found.notice or "", show.words(found.notice or "")) if found.notice else "hears nothing")]
    if found.channel_verbs:
        rows.append(("The channel is told", ", ".join(map(show.words, found.channel_verbs))))
    return show.section("Who hears of it", show.facts(rows))
