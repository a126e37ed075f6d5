"""What the author of an edit is told of stock: that units come later, or why the edit cannot be and what can be had instead. Pure.

An edit that asks for units that are not there is refused with less, later and another SKU; where the SKU takes backorders, or the
order's channel asks (it has sold them already), the same is a warning. The console, the preview and the commit ask this one function.
"""

from collections.abc import Iterator, Mapping

from modification_processor.outcomes import EditWarning, Refused
from modification_processor.reservations import Later, Shortage, Stock, plan
from schemas.catalogue import ProductEntry
from schemas.order import Order


def answer(
    before: Order, after: Order, stock: Stock, entries: Mapping[str, ProductEntry], *, by_channel: bool = False
) -> Refused | tuple[EditWarning, ...]:
    """Return what the author of an edit is told of stock, or why the edit cannot be: the units are not there.

    What the order's channel asks for (`by_channel`) it has sold already: it is told and not refused.
    """
    planned = plan(before, after, stock)
    warnings = [EditWarning("stock_comes_later", _said_of_later(later), _path(later.line_id)) for later in planned.later]
    for short in planned.short:
        instead = tuple(_alternatives(short, stock, entries))
        message = f"{short.wanted} of SKU {short.sku[:80]} are wanted and {short.possible} can be had"
        if not (short.backorder or by_channel):
            return Refused("stock_short", message, _path(short.line_id), "stock.available", alternatives=instead)
        warnings += (EditWarning("stock_short", message, _path(short.line_id)), *instead)
    return tuple(warnings)


def _said_of_later(later: Later) -> str:
    return f"{later.missing} of SKU {later.sku[:80]} are not there yet; they come on {later.at:%Y-%m-%d}, in time for the order"


def _alternatives(short: Shortage, stock: Stock, entries: Mapping[str, ProductEntry]) -> Iterator[EditWarning]:
    """Yield what can be had instead: less, later, another SKU."""
    path = _path(short.line_id)
    if short.possible > 0:
        yield EditWarning("stock_less", f"less: {short.possible} can be had now", path)
    if short.enough_at is not None:
        yield EditWarning("stock_later", f"later: all {short.wanted} from {short.enough_at:%Y-%m-%d} on", path)
    entry = entries.get(short.sku)
    for sku in entry.substitutes if entry is not None else ():
        free = max((shelf.on_hand - shelf.reserved for shelf in stock.shelves.get(sku, {}).values()), default=0)
        if free >= short.wanted:
            yield EditWarning("stock_other", f"another SKU: {sku[:80]}, of which {free} can be had", path)


def _path(line_id: str) -> str:
    return f"/lines/{line_id}/ordered"
