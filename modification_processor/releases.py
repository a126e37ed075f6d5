"""May the warehouse pick? The one question that settles the race between an edit and a release. Pure.

A request is granted whole or refused: what it names is open, nothing holds the order. The grant moves `released` in the
same transaction that would let an edit lower the quantity, so exactly one of the two wins, and a unit that an edit
removed is never picked. A warehouse that only reports is heard as before (`facts.py`), and a crossing is a work item.
"""

from modification_processor.outcomes import Granted, NotGranted
from schemas.facts import FactLine, ReleaseRequested
from schemas.order import Order


def grant(order: Order, request: ReleaseRequested, *, recalling: bool = False) -> Granted | NotGranted:
    """Return the order with the units released, or why not. `recalling`: an edit waits for units that are on their way back."""
    if order.lifecycle in ("cancelled", "closed"):
        return NotGranted("order_over", f"the order is {order.lifecycle}")
    if recalling:
        return NotGranted("edit_under_way", "an edit waits for units of the order that are being recalled")
    if order.holds:
        hold = order.holds[0]
        return NotGranted("order_held", f"the order is held: {hold.kind}")
    wanted = request.lines or tuple(
        FactLine(line_id=line.line_id, quantity=line.open - line.released) for line in order.lines if line.open > line.released
    )
    if not wanted:
        return NotGranted("nothing_open", "nothing of the order is open")
    released: dict[str, int] = {}
    for part in wanted:
        line = order.line(part.line_id)
        if line is None:
            return NotGranted("unknown_line", f"the order has no line {part.line_id}")
        total = released.get(part.line_id, line.released) + part.quantity
        if part.quantity <= 0 or total > line.open:
            return NotGranted(
                "not_open",
                f"{part.quantity} of line {part.line_id} were asked for; {max(line.open - line.released, 0)} are open to be picked",
            )
        released[part.line_id] = total
    lines = tuple(
        line.model_copy(update={"released": released[line.line_id]}) if line.line_id in released else line for line in order.lines
    )
    return Granted(order.model_copy(update={"lines": lines}), tuple((part.line_id, part.quantity) for part in wanted))
