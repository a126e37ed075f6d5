"""What happens to each order of a plan after it was sent: who edits it, what the warehouse does, and in which order.

A story is a list of steps. The messages of a step go out together, each next step when the one before has an
outcome, so that "shipped, then edited" is that and not a race. Exactly `Plan.edits` edits are told, whatever is
drawn. The same seed tells the same stories.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from ordermend.local.demo import edits, facts
from ordermend.local.demo.edits import AGENTS, EXPIRED_CODE, MARKETPLACES, VISITOR, Edit
from ordermend.local.demo.facts import Fact
from ordermend.local.traffic.schedule import Send
from ordermend.local.traffic.sketch import OrderSketch

Message = Edit | Fact
Step = tuple[Message, ...]

TWICE_SHARE: Final = 0.01
FACT_SHARE: Final = 0.25
EARLY_FACT_SHARE: Final = 0.03
PAIR_SHARE: Final = 0.06


@dataclass(frozen=True, slots=True)
class Story:
    """Of one order: what goes out before its document, and the steps after it is in the book."""

    order_id: UUID
    early: Step
    steps: tuple[Step, ...]


class Teller:
    """Tells the story of each order in turn; a pair of edits borrows one from an order to come."""

    def __init__(self, seed: int, edits_in_all: int) -> None:
        self._rng = random.Random(seed ^ 0x0DE9)  # noqa: S311 - demo data
        self._left = edits_in_all
        self._borrowed = 0

    def tell(self, send: Send) -> Story | None:
        """Return the story of a new order, or None where nothing happens to it."""
        order = send.sketch
        if send.label != "order" or order is None:
            return None
        early: Step = tuple(self._early(send) for _ in range(send.edits_before) if not self._repaid())
        steps = self._after(send, order)
        if not steps and self._rng.random() < FACT_SHARE:
            early_facts, steps = self._warehouse(order)
            early = (*early, *early_facts)
        return Story(order.order_id, early, tuple(steps)) if early or steps else None

    def _early(self, send: Send) -> Edit:
        """A ticket that is there before its order: the customer called at once."""
        self._left -= 1
        assert send.sketch is not None
        return self._maybe_twice(edits.edit(self._rng, send.sketch, edits.plain(self._rng, send)))

    def _repaid(self) -> bool:
        """Whether this edit was told already, by a pair before."""
        repaid = self._borrowed > 0
        self._borrowed -= repaid
        return repaid

    def _after(self, send: Send, order: OrderSketch) -> list[Step]:
        steps: list[Step] = []
        for _ in range(send.edits_after):
            if self._repaid():
                continue
            if self._left >= 2 and self._rng.random() < PAIR_SHARE:
                self._left -= 2
                self._borrowed += 1
                steps += self._pair(order)
            else:
                self._left -= 1
                steps += self._single(send, order, first=not steps)
        return steps

    def _single(self, send: Send, order: OrderSketch, *, first: bool) -> list[Step]:
        kind = self._rng.choices(_KINDS, _WEIGHTS)[0]
        if (kind in _WITH_FACTS and not first) or (kind is _needs_approval and order.channel in MARKETPLACES):
            kind = _plain
        steps = kind(self._rng, send, order)
        return [*steps[:-1], tuple(self._maybe_twice(message) if isinstance(message, Edit) else message for message in steps[-1])]

    def _pair(self, order: OrderSketch) -> list[Step]:
        """Two agents looked at version 1; the second one is overtaken: on the same field, or on another."""
        first, second = self._rng.sample(AGENTS, 2)
        other = edits.set_contact(self._rng) if self._rng.random() < 0.6 else edits.set_delivery_window(self._rng)
        return [
            (edits.edit(self._rng, order, edits.set_contact(self._rng), first, base_version=1),),
            (edits.edit(self._rng, order, other, second, base_version=1),),
        ]

    def _warehouse(self, order: OrderSketch) -> tuple[Step, list[Step]]:
        """An order nobody edits goes out of the door, some way; the payment may be known before the order is."""
        rng = self._rng
        way = facts.way_out(order, rng.choice(facts.WAY_OUT))
        if rng.random() < 0.05:
            way = (*way[:1], facts.cancelled_unit(order))
        if rng.random() < TWICE_SHARE * len(way):
            way = facts.sent_twice(way, rng.randrange(len(way)))
        paid = (facts.payment(order),) if order.channel not in _PAID_BY_CHANNEL else ()
        return (paid, [way]) if rng.random() < EARLY_FACT_SHARE else ((), [(*paid, *way)])

    def _maybe_twice(self, told: Edit) -> Edit:
        return replace(told, twice=self._rng.random() < TWICE_SHARE)


def _plain(rng: random.Random, send: Send, order: OrderSketch) -> list[Step]:
    return [(edits.edit(rng, order, edits.plain(rng, send)),)]


def _role_missing(rng: random.Random, send: Send, order: OrderSketch) -> list[Step]:
    return [(edits.edit(rng, order, edits.plain(rng, send), VISITOR),)]


def _wrong_reason(rng: random.Random, _send: Send, order: OrderSketch) -> list[Step]:
    asked = edits.set_contact(rng)
    return [(edits.edit(rng, order, replace(asked, reason="out_of_stock")),)]


def _expired_promotion(rng: random.Random, _send: Send, order: OrderSketch) -> list[Step]:
    return [(edits.edit(rng, order, edits.request("apply_promotion", "goodwill", code=EXPIRED_CODE)),)]


def _no_such_line(rng: random.Random, _send: Send, order: OrderSketch) -> list[Step]:
    return [(edits.edit(rng, order, edits.request("remove_line", "wrong_sku", line_id="L-none")),)]


def _too_late(rng: random.Random, send: Send, order: OrderSketch) -> list[Step]:
    """The order has left the house; the fields are locked."""
    return [facts.way_out(order, "shipped"), (edits.edit(rng, order, edits.plain(rng, send)),)]


def _needs_approval(rng: random.Random, _send: Send, order: OrderSketch) -> list[Step]:
    """More units once the warehouse picks: somebody has to approve."""
    return [facts.way_out(order, "released"), (edits.edit(rng, order, edits.more_units(rng, order)),)]


def _in_time(rng: random.Random, send: Send, order: OrderSketch) -> list[Step]:
    return [facts.way_out(order, "allocated"), (edits.edit(rng, order, edits.plain(rng, send)),)]


def _forged(rng: random.Random, send: Send, order: OrderSketch) -> list[Step]:
    return [(replace(edits.edit(rng, order, edits.plain(rng, send)), forged=True),)]


Kind = Callable[[random.Random, Send, OrderSketch], list[Step]]
_WEIGHTED: Final[tuple[tuple[Kind, int], ...]] = (
    (_plain, 140),
    (_in_time, 16),
    (_too_late, 14),
    (_needs_approval, 8),
    (_role_missing, 8),
    (_wrong_reason, 4),
    (_expired_promotion, 4),
    (_no_such_line, 4),
    (_forged, 2),
)
_KINDS: Final = tuple(kind for kind, _ in _WEIGHTED)
_WEIGHTS: Final = tuple(weight for _, weight in _WEIGHTED)
_WITH_FACTS: Final = frozenset({_in_time, _too_late, _needs_approval})
"""What the warehouse does once; a second edit of the same order leaves it alone."""
_PAID_BY_CHANNEL: Final = frozenset({"shopify", "woocommerce", "ebay"})
"""Their documents state the payment; the others' payment is a fact of its own."""
