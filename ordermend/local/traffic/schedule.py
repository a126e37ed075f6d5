"""The stream of demo traffic: which document goes out when, deterministic and without memory.

Every document is made from (seed, number) alone, so an earlier order is restated or sent again by making it
anew: a plan of 100,000 orders holds none of them. Counts are exact: `Plan.broken` documents are broken, no more
and no fewer, spread evenly. An order sent twice goes out again, byte for byte, within the next 20 orders; it is
restated only later, so that a repeat is never stale.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Literal, Protocol, cast

from ordermend.local.traffic import amazon, ebay, shopify, woocommerce, x12
from ordermend.local.traffic.breakage import break_document
from ordermend.local.traffic.sketch import ChannelDocument, OrderSketch

Label = Literal["order", "restated", "broken", "twice"]

START = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)
"""When the first order of a plan was placed, unless told otherwise."""
GAP = timedelta(seconds=61)
"""How long after one order the next one is placed; more than X12's minute, so stamps differ."""
WEIGHTS: Mapping[str, int] = MappingProxyType({"shopify": 8, "woocommerce": 4, "amazon": 4, "ebay": 2, "x12": 2})

_TWICE_WITHIN = 20
_RESTATED_WITHIN = 500


class Generator(Protocol):
    """What a channel's module offers."""

    def order_document(self, rng: random.Random, number: int, at: datetime) -> ChannelDocument:
        """Make a new order's document."""

    def update_document(self, rng: random.Random, number: int, placed_at: datetime, at: datetime) -> ChannelDocument:
        """Restate an earlier order."""


GENERATORS: Mapping[str, Generator] = MappingProxyType(
    {module.CHANNEL: cast("Generator", module) for module in (shopify, woocommerce, amazon, ebay, x12)}
)


@dataclass(frozen=True, slots=True)
class Send:
    """One document to put on its channel's raw topic.

    `sketch` is None for broken documents: no order comes of them. A driver sends `edits_before` edits of the
    order ahead of the document and `edits_after` behind it (label "order" only).
    """

    channel: str
    key: bytes
    headers: dict[str, str]
    body: bytes
    label: Label
    sketch: OrderSketch | None = None
    breakage: str | None = None
    edits_before: int = 0
    edits_after: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """A stream of sends; iterating it twice gives the same stream twice. `len` is the number of sends."""

    orders: int
    edits: int
    seed: int
    broken: int
    twice: int
    restated: int
    early_edit_share: float
    start: datetime = START
    weights: Mapping[str, int] = field(default_factory=lambda: WEIGHTS)

    def __len__(self) -> int:
        """Return how many documents the plan sends."""
        return self.orders + self.broken + self.twice + self.restated

    def __iter__(self) -> Iterator[Send]:
        """Make the documents one by one."""
        return _sends(self)


def plan(
    orders: int,
    edits: int,
    seed: int,
    *,
    broken_share: float = 0.02,
    twice_share: float = 0.01,
    restated_share: float = 0.02,
    early_edit_share: float = 0.05,
    start: datetime = START,
    weights: Mapping[str, int] = WEIGHTS,
) -> Plan:
    """Plan `orders` distinct good orders with `edits` edits among them; shares are of all documents sent.

    Broken, repeated and restated documents come on top of `orders`; a share above 0 gives at least one. Errors:
    ValueError where a count is negative, there is no order, or the shares leave no room for orders.
    """
    shares = (broken_share, twice_share, restated_share)
    if orders < 1 or edits < 0 or min(*shares, early_edit_share) < 0 or sum(shares) >= 1:
        message = f"no plan of {orders} orders, {edits} edits and shares {shares}"
        raise ValueError(message)
    total = orders / (1 - sum(shares))
    broken, twice, restated = (max(1, round(total * share)) if share else 0 for share in shares)
    return Plan(orders, edits, seed, broken, twice, restated, early_edit_share, start, weights)


def channel_cycle(weights: Mapping[str, int]) -> tuple[str, ...]:
    """Return one round of a smooth weighted round robin: each channel as often as its weight, well mixed.

    >>> channel_cycle({"a": 3, "b": 1})
    ('a', 'a', 'b', 'a')
    """
    total, credit, cycle = sum(weights.values()), dict.fromkeys(weights, 0), []
    for _ in range(total):
        for name, weight in weights.items():
            credit[name] += weight
        chosen = max(credit, key=lambda name: credit[name])
        credit[chosen] -= total
        cycle.append(chosen)
    return tuple(cycle)


class _Maker:
    """Makes any document of a plan from its number."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._cycle = channel_cycle(plan.weights)
        self._rng = random.Random()  # noqa: S311 - demo data

    def channel(self, number: int) -> str:
        return self._cycle[number % len(self._cycle)]

    def order(self, number: int) -> ChannelDocument:
        return GENERATORS[self.channel(number)].order_document(self._seeded(number), number, self._placed_at(number))

    def update(self, number: int, at: datetime) -> ChannelDocument:
        return GENERATORS[self.channel(number)].update_document(self._seeded(number), number, self._placed_at(number), at)

    def _seeded(self, number: int) -> random.Random:
        self._rng.seed(self._plan.seed << 40 | number)
        return self._rng

    def _placed_at(self, number: int) -> datetime:
        return self._plan.start + GAP * number


class _Quota:
    """Spreads `count` over `steps` steps, evenly, from a seeded phase; the shares sum to `count` exactly."""

    def __init__(self, count: int, steps: int, rng: random.Random) -> None:
        self._count, self._steps, self._rest = count, steps, rng.randrange(steps)

    def due(self) -> int:
        """Return how many fall into this step."""
        whole, self._rest = divmod(self._rest + self._count, self._steps)
        return whole


def _sends(plan: Plan) -> Iterator[Send]:
    rng, maker = random.Random(plan.seed), _Maker(plan)  # noqa: S311 - demo data
    broken, twice, restated, edits = (_Quota(count, plan.orders, rng) for count in (plan.broken, plan.twice, plan.restated, plan.edits))
    broken_sent = restated_sent = owed = 0
    for number in range(plan.orders):
        yield _order(maker.order(number), edits.due(), plan.early_edit_share, rng)
        for _ in range(twice.due()):
            yield _send("twice", maker.order(number - rng.randrange(min(_TWICE_WITHIN, number + 1))))
        for _ in range(broken.due()):
            yield _broken(maker.order(plan.orders + broken_sent), rng)
            broken_sent += 1
        owed += restated.due()
        last = plan.orders if number == plan.orders - 1 else number + 1 - _TWICE_WITHIN
        while owed and last > 0:
            chosen = rng.randrange(max(0, last - _RESTATED_WITHIN), last)
            yield _send("restated", maker.update(chosen, _restated_at(plan, number, restated_sent)))
            restated_sent, owed = restated_sent + 1, owed - 1


def _restated_at(plan: Plan, number: int, restated_sent: int) -> datetime:
    """Return a stamp later than the order's own and later than any restatement before."""
    return plan.start + GAP * (number + restated_sent + 10)


def _order(document: ChannelDocument, edits: int, early_share: float, rng: random.Random) -> Send:
    early = sum(rng.random() < early_share for _ in range(edits))
    return _send("order", document, early, edits - early)


def _send(label: Label, document: ChannelDocument, edits_before: int = 0, edits_after: int = 0) -> Send:
    return Send(
        channel=document.sketch.channel,
        key=document.key,
        headers=document.headers,
        body=document.body,
        label=label,
        sketch=document.sketch,
        edits_before=edits_before,
        edits_after=edits_after,
    )


def _broken(document: ChannelDocument, rng: random.Random) -> Send:
    channel = document.sketch.channel
    body, kind = break_document(rng, document.body, channel)
    return Send(channel, document.key, document.headers, body, "broken", breakage=kind)
