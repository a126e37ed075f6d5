"""What the demo's warehouse and payment side report: the steps of an order's way out of the door.

Output:  `Fact`, a fulfilment fact to be signed and sent. Fact ids are made from order and step, so that the same
         plan reports the same facts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from ordermend.local.traffic.sketch import OrderSketch
from schemas.facts import FactKind, FactLine, FactPayment, FulfillmentFact

WAY_OUT: Final[tuple[FactKind, ...]] = ("allocated", "released", "packed", "shipped")
"""The steps of a whole order, in the warehouse's order."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact to send. `twice`: sent again, byte for byte."""

    fact: FulfillmentFact
    twice: bool = False

    @property
    def message_id(self) -> str:
        """The id under which the processor receives it."""
        return f"fact:{self.fact.fact_id}"


def payment(order: OrderSketch) -> Fact:
    """Return the capture of the order's total."""
    captured = FactPayment(
        provider="demo-pay",
        transaction=f"T{order.order_id.hex[:16]}",
        kind="capture",
        amount_minor=order.total_minor,
        currency=order.currency,
        method="card",
    )
    return Fact(_fact(order, "payment").with_(payment=captured, warehouse=None))


def way_out(order: OrderSketch, upto: FactKind) -> tuple[Fact, ...]:
    """Return the steps up to and with `upto`, each of the whole order."""
    steps = WAY_OUT[: WAY_OUT.index(upto) + 1]
    return tuple(Fact(_fact(order, kind)) for kind in steps)


def cancelled_unit(order: OrderSketch) -> Fact:
    """Return that the warehouse could not find one unit of the first line."""
    return Fact(_fact(order, "cancelled").with_(lines=(FactLine(line_id=order.lines[0].line_id, quantity=1),)))


def sent_twice(facts: Sequence[Fact], index: int) -> tuple[Fact, ...]:
    """Return the facts with the one at `index` to be sent twice."""
    return tuple(replace(fact, twice=True) if place == index else fact for place, fact in enumerate(facts))


def _fact(order: OrderSketch, kind: FactKind) -> FulfillmentFact:
    return FulfillmentFact(
        fact_id=f"{order.order_id}:{kind}", order_id=order.order_id, kind=kind, warehouse="demo-north", at=datetime.now(UTC)
    )
