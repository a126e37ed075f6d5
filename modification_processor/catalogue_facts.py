"""What the catalogue says of a batch: which entries its messages need, and the `Context` made of them.

The ports are what a catalogue has to answer; each method is asked once for a whole batch, inside the transaction and
under the heads' locks, so an implementation reads sets from the book and calls nobody. `store.catalogue.BookCatalogue`
is the embedded one; another system's catalogue is loaded into the book beforehand (`ordermend catalogue load`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from modification_processor.channel_changes import Asked, asked
from modification_processor.edit import Call, calls_of, needs_of
from modification_processor.incoming import Read
from modification_processor.operations.operation import Context, Product
from modification_processor.outcomes import Refused
from modification_processor.promotions import is_promotion
from schemas.catalogue import PriceEntry, ProductEntry, Promotion, TaxRates, area_of
from schemas.facts import FulfillmentFact
from schemas.order import Order
from schemas.statement import ChangeStated, OrderStated


class PriceList(Protocol):
    """What SKUs are and cost."""

    def goods(self, skus: Collection[str]) -> tuple[Sequence[ProductEntry], Sequence[PriceEntry]]:
        """Return products and prices in force, in every currency."""


class Promotions(Protocol):
    """What promotions there are, and how often they are used."""

    def promotions(self, codes: Collection[str]) -> Sequence[Promotion]:
        """Return the versions in force, in every currency."""

    def promotions_of(self, carried: Collection[tuple[str, int]]) -> Sequence[Promotion]:
        """Return exactly these versions, (code, version), in every currency."""

    def uses(self, codes: Collection[str]) -> Mapping[str, int]:
        """Return how often promotions with a limit are used, exact until the transaction ends."""


class TaxTable(Protocol):
    """What taxes there are where."""

    def tax_rates(self, areas: Collection[str]) -> Sequence[TaxRates]:
        """Return the rates in force of these areas, of every tax category."""


class Catalogue(PriceList, Promotions, TaxTable, Protocol):
    """All of it."""


@dataclass
class Wanted:
    """What has to be loaded: SKUs, codes, (code, version) that orders carry, codes whose uses may move, tax areas."""

    skus: set[str] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)
    carried: set[tuple[str, int]] = field(default_factory=set)
    counted: set[str] = field(default_factory=set)
    areas: set[str] = field(default_factory=set)

    def add(self, order: Order | None, calls: Sequence[Call]) -> None:
        """Add what these operations need on this order."""
        needs = needs_of(calls)
        self.skus.update(needs.skus)
        self.codes.update(needs.promotions)
        self.counted.update(needs.promotions)
        if order is None:
            return
        if needs.tax_area is not None and (order.ship_to is None or order.ship_to.tax_area != needs.tax_area) and order.taxes:
            country, region = needs.tax_area
            self.areas.update((area_of(country, region or ""), area_of(country, "")))
            self._goods_of(order)
        if needs.own_lines:
            self._goods_of(order)
        if any(call.spec.recalculates for call in calls):
            self._promotions_of(order)

    def _goods_of(self, order: Order) -> None:
        self.skus.update(line.sku for line in order.lines if line.sku is not None)

    def _promotions_of(self, order: Order) -> None:
        rows = [row for row in order.adjustments if is_promotion(row)]
        if not rows:
            return
        self._goods_of(order)
        self.codes.update(row.code for row in rows if row.code is not None)
        self.carried.update((row.code, row.promotion_version) for row in rows if row.code is not None and row.promotion_version is not None)
        self.may_move_uses(order)

    def may_move_uses(self, order: Order) -> None:
        """Add the promotions the order carries: the message may give a use back."""
        self.counted.update(row.code for row in order.adjustments if is_promotion(row) and row.code is not None)


def wanted_by(batch: Iterable[Read], orders: Mapping[UUID, Order | None]) -> Wanted:
    """Return what a batch's messages need, on the orders as they are before it or as it states them."""
    wanted = Wanted()
    stated = {read.order_id: read.body.order for read in batch if isinstance(read.body, OrderStated)}
    for read in batch:
        order = orders.get(read.order_id) or stated.get(read.order_id)
        if read.calls and not isinstance(read.calls, Refused):
            wanted.add(order, read.calls)
        elif isinstance(read.body, ChangeStated):
            if order is not None and isinstance(wish := asked(order, read.body, None, {}), Asked):
                calls = calls_of(wish.operations) if wish.operations else ()
                wanted.add(order, () if isinstance(calls, Refused) else calls)
        elif order is not None and (
            isinstance(read.body, OrderStated) or (isinstance(read.body, FulfillmentFact) and read.body.kind == "cancelled")
        ):
            wanted.may_move_uses(order)
    return wanted


def load(catalogue: Catalogue, wanted: Wanted, at: datetime, moved: Mapping[str, int] | None = None) -> Context:
    """Return what operations may know, asking the catalogue at most once for each kind of thing."""
    products, prices = catalogue.goods(wanted.skus) if wanted.skus else ((), ())
    promotions = catalogue.promotions(wanted.codes) if wanted.codes else ()
    terms = catalogue.promotions_of(wanted.carried) if wanted.carried else ()
    uses = catalogue.uses(wanted.counted) if wanted.counted else {}
    rates = catalogue.tax_rates(wanted.areas) if wanted.areas else ()
    entries = {entry.sku: entry for entry in products}
    return Context(
        at=at,
        ticket_id="",
        products={(price.sku, price.currency): _product(price, entries.get(price.sku)) for price in prices},
        promotions={(promotion.code, promotion.currency): promotion for promotion in promotions},
        terms={(promotion.code, promotion.currency, promotion.version): promotion for promotion in terms},
        uses=uses,
        moved={} if moved is None else moved,
        entries=entries,
        taxes={(area_of(row.country, row.region), row.category): row for row in rates},
    )


def _product(price: PriceEntry, entry: ProductEntry | None) -> Product:
    if entry is None:
        return Product(price.sku, price.sku, price.price)
    return Product(price.sku, entry.name, price.price, entry.category, entry.tax_category)
