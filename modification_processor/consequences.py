"""What an edit brings with it beyond recalculation: its order's promotions under their policy, and another tax area.

Both look at the order before the whole ticket and after it, once, so that the operations of one ticket are judged
together. Pure. An edit that moves no line and leaves the tax area gets its order back, the very object.

Promotions: the ticket's own choice (`promotions` of its line edits), else what the version that was given says
(`Promotion.on_edit`), else `pinned`. `revalidate` holds an order to the terms it was given: threshold, lines, company;
the promotion's dates, switch and uses were met when it was given and are not asked again. `reapply` is cut by the
version in force, all of whose conditions count; what it no longer gives is gone.

Tax area: the seller's tax is worked out anew by the catalogue's rates where it has them for every taxed line and row of
the order; else every rate stays and the edit says so. The channel's tax is never touched.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from modification_processor.operations.operation import Context, LineEdit, OperationRefused
from modification_processor.operations.rows import minted_prefix, next_position, remove_adjustment, row_path
from modification_processor.outcomes import EditWarning
from modification_processor.promotions import effect, in_force, is_promotion, qualified, terms_of
from modification_processor.totals import recalculate
from schemas.catalogue import SHIPPING, PromotionPolicy, TaxRates, area_of
from schemas.model import Model
from schemas.order import Address, Adjustment, Order, TaxRow


@dataclass(frozen=True)
class Consequences:
    """The order after all, and what its author should know."""

    order: Order
    warnings: tuple[EditWarning, ...] = ()


def follow(before: Order, after: Order, arguments: Sequence[Model], context: Context) -> Consequences:
    """Return what the edit comes to. Raises `OperationRefused` where a promotion's policy forbids it."""
    choice = _choice(arguments)
    found = Consequences(after)
    if _lines_moved(before, after) and after.lifecycle != "cancelled":
        for row in sorted(filter(is_promotion, before.adjustments), key=lambda row: row.position):
            found = _promotion(found, row.adjustment_id, choice, context)
    return _tax_area(before, found, context)


def _choice(arguments: Sequence[Model]) -> PromotionPolicy | None:
    choices = {given.promotions for given in arguments if isinstance(given, LineEdit) and given.promotions is not None}
    if len(choices) > 1:
        message = f"one ticket treats promotions in one way, not as {' and '.join(sorted(choices))}"
        raise OperationRefused("promotion_policies_differ", message, field="/operations")
    return next(iter(choices), None)


def _lines_moved(before: Order, after: Order) -> bool:
    if before.lines is after.lines:
        return False
    return [(line.line_id, line.open, line.gross_minor) for line in before.lines] != [
        (line.line_id, line.open, line.gross_minor) for line in after.lines
    ]


def _promotion(so_far: Consequences, adjustment_id: str, choice: PromotionPolicy | None, context: Context) -> Consequences:
    """Treat one promotion as its policy says."""
    order = so_far.order
    row = next((row for row in order.adjustments if row.adjustment_id == adjustment_id), None)
    if row is None:
        return so_far
    terms = terms_of(order, row, context)
    policy = choice or (terms.on_edit if terms is not None else "pinned")
    if policy == "drop":
        return _dropped(so_far, row, "promotion_dropped", f"promotion {_name(row)} leaves with this edit")
    if policy == "reapply":
        return _reapplied(so_far, row, context)
    if policy in ("warn", "revalidate"):
        lacking = _lacking(order, row, context)
        if lacking is not None and policy == "revalidate":
            raise OperationRefused(
                "promotion_no_longer_qualifies", lacking.message, field=_path(row), rule=lacking.reason_code, value=lacking.value
            )
        if lacking is not None:
            return _with(so_far, EditWarning("promotion_no_longer_qualifies", lacking.message, _path(row)))
    return so_far


def _lacking(order: Order, row: Adjustment, context: Context) -> OperationRefused | None:
    """Return what the order lacks for a promotion by the terms it was given under; None where it has everything."""
    terms = terms_of(order, row, context)
    if terms is None:
        message = f"version {row.promotion_version} of promotion {_name(row)} is not in the catalogue, so its terms are not known"
        return OperationRefused("promotion_terms_unknown", message, field=_path(row))
    try:
        qualified(_without(order, row), terms, context, _path(row))
    except OperationRefused as lacking:
        return lacking
    return None


def _reapplied(so_far: Consequences, row: Adjustment, context: Context) -> Consequences:
    """Cut the promotion anew in its place; what the version in force does not give is gone."""
    order = so_far.order
    promotion = in_force(order, row.code or "", context)
    if promotion is None:
        return _dropped(so_far, row, "promotion_not_reapplied", f"promotion {_name(row)} is not in the catalogue any more")
    try:
        found = effect(_without(order, row), promotion, context, _path(row), own_uses=1)
    except OperationRefused as lacking:
        return _dropped(so_far, row, "promotion_not_reapplied", lacking.message)
    new = row.model_copy(
        update={
            "promotion_version": promotion.version,
            "label": promotion.label,
            "amount_minor": found.amount_minor,
            "allocations": found.allocations,
        }
    )
    if new == row:
        return so_far
    rows = tuple(new if other is row else other for other in order.adjustments)
    return replace(so_far, order=recalculate(order.model_copy(update={"adjustments": rows})))


def _dropped(so_far: Consequences, row: Adjustment, code: str, message: str) -> Consequences:
    return replace(_with(so_far, EditWarning(code, message, _path(row))), order=_without(so_far.order, row))


def _without(order: Order, row: Adjustment) -> Order:
    return recalculate(remove_adjustment(order, row))


def _with(so_far: Consequences, warning: EditWarning) -> Consequences:
    return replace(so_far, warnings=(*so_far.warnings, warning))


def _path(row: Adjustment) -> str:
    return row_path("adjustments", row.adjustment_id)


def _name(row: Adjustment) -> str:
    return (row.code or row.adjustment_id)[:80]


def _tax_area(before: Order, so_far: Consequences, context: Context) -> Consequences:
    """Tax the order where it goes now, or say why its tax stays as it was."""
    order = so_far.order
    if order.ship_to is None or before.ship_to is order.ship_to or _area(before.ship_to) == _area(order.ship_to) or not order.taxes:
        return so_far
    moved = f"the tax was worked out for {_said(before.ship_to)}, the order goes to {_said(order.ship_to)}"
    own = [row for row in order.taxes if row.liable == "seller"]
    if not own:
        return _with(so_far, EditWarning("tax_area_changed", f"{moved}; the tax is the channel's and stays", "/taxes"))
    targets = dict.fromkeys((row.line_id, row.adjustment_id) for row in own)
    found = {target: _rates(order, order.ship_to, target, context) for target in targets}
    missing = sorted(_category(order, target, context) or "unknown" for target, rates in found.items() if rates is None)
    if missing:
        said = f"{moved}; the rates stay, for the catalogue has none there for tax category {missing[0]}"
        return _with(so_far, EditWarning("tax_area_changed", said, "/taxes"))
    rated = recalculate(order.model_copy(update={"taxes": _rerated(order, own, found, context)}))
    return _with(replace(so_far, order=rated), EditWarning("tax_area_changed", f"{moved}; it is taxed by the rates there", "/taxes"))


def _area(address: Address | None) -> tuple[str | None, str | None] | None:
    return None if address is None else address.tax_area


def _said(address: Address | None) -> str:
    if address is None:
        return "an unknown address"
    return " ".join(part for part in (address.country, address.region) if part) or "an unknown country"


Target = tuple[str | None, str | None]
"""What a tax row is on: (line, adjustment)."""


def _category(order: Order, target: Target, context: Context) -> str | None:
    """Return the tax category of a line's goods, or of what is no line; None where the catalogue does not know the SKU."""
    line = order.line(target[0]) if target[0] is not None else None
    if line is None:
        return SHIPPING
    entry = context.entries.get(line.sku or "")
    return entry.tax_category if entry is not None else None


def _rates(order: Order, address: Address, target: Target, context: Context) -> TaxRates | None:
    """Return the region's rates, else the country's; None where there are none."""
    category = _category(order, target, context)
    country = address.country or ""
    areas = dict.fromkeys((area_of(country, address.region or ""), area_of(country, "")))
    return next((context.taxes[area, category] for area in areas if category and (area, category) in context.taxes), None)


def _rerated(order: Order, own: Sequence[TaxRow], found: Mapping[Target, TaxRates | None], context: Context) -> tuple[TaxRow, ...]:
    """Put the area's rates into the seller's rows: a row keeps its id while there is a rate for it."""
    new: dict[str, TaxRow | None] = {row.tax_id: None for row in own}
    more: list[TaxRow] = []
    start = next_position(order.taxes)
    for target, rates in found.items():
        rows = sorted((row for row in own if (row.line_id, row.adjustment_id) == target), key=lambda row: row.position)
        for index, (title, rate) in enumerate(rates.effective() if rates is not None else ()):
            changes = {"title": title, "rate": rate, "amount_minor": 0, "basis": None}
            if index < len(rows):
                new[rows[index].tax_id] = rows[index].model_copy(update=changes)
            else:
                ids = {"tax_id": f"{minted_prefix(context)}x{len(more)}", "position": start + len(more)}
                more.append(rows[0].model_copy(update=changes | ids))
    kept = (new.get(row.tax_id, row) for row in order.taxes)
    return (*(row for row in kept if row is not None), *more)
