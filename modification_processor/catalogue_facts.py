"""What the catalogue says of a batch: which entries its messages need, and the `Context` made of them.

The ports are what a catalogue and an inventory have to answer; each method is asked once for a whole batch, inside the transaction and
under the heads' locks, so an implementation reads sets from the book and calls nobody. `store.catalogue.BookCatalogue`
is the embedded one; another system's catalogue and counts are loaded into the book beforehand (`ordermend catalogue load`).
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
from modification_processor.reservations import Stock
from schemas.catalogue import PriceEntry, ProductEntry, Promotion, TaxRates, area_of
from schemas.facts import FulfillmentFact
from schemas.order import Order
from schemas.statement import ChangeStated, OrderStated
from schemas.stock import Reservation, Shelf


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


class Inventory(Protocol):
    """How much there is of what, and who was promised what of it."""

    def shelves(self, skus: Collection[str], *, to_promise: bool) -> Sequence[Shelf]:
        """Return the shelves of SKUs; exact until the transaction ends where they are read `to_promise` something of them."""

    def held(self, order_ids: Collection[UUID]) -> Sequence[Reservation]:
        """Return the reservations of orders."""


class Catalogue(PriceList, Promotions, TaxTable, Inventory, Protocol):
    """All of it."""


@dataclass
class Wanted:
    """What has to be loaded: SKUs, codes, (code, version) that orders carry, codes whose uses may move, tax areas.

    And of which SKUs units may move, on which orders.
    """

    skus: set[str] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)
    carried: set[tuple[str, int]] = field(default_factory=set)
    counted: set[str] = field(default_factory=set)
    areas: set[str] = field(default_factory=set)
    stocked: set[str] = field(default_factory=set)
    edited: set[str] = field(default_factory=set)
    """Those of `stocked` whose edit may be short of them: what could be had instead is looked up too."""
    orders: set[UUID] = field(default_factory=set)

    def add(self, order: Order | None, calls: Sequence[Call]) -> None:
        """Add what these operations need on this order."""
        needs = needs_of(calls)
        self.skus.update(needs.skus)
        self.codes.update(needs.promotions)
        self.counted.update(needs.promotions)
        if order is None:
            return
        if any(call.spec.moves_units for call in calls):
            self.may_move_units(order)
            self.stocked.update(needs.skus)
            self.edited |= self.stocked
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

    def may_move_units(self, order: Order) -> None:
        """Add what the order's lines are of: the message may change how many are wanted, or send some."""
        self.orders.add(order.order_id)
        self.stocked.update(line.sku for line in order.lines if line.sku is not None)

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
        if order is not None and _says_of_units(read.body):
            wanted.may_move_units(order)
            wanted.may_move_units(stated.get(read.order_id, order))
    return wanted


def _says_of_units(body: object) -> bool:
    """Whether a statement or a fact may change what is to be sent, or from where."""
    if isinstance(body, FulfillmentFact):
        return body.kind in ("shipped", "cancelled") or body.warehouse is not None
    return isinstance(body, OrderStated)


def load(catalogue: Catalogue, wanted: Wanted, at: datetime, moved: Mapping[str, int] | None = None, stock: Stock | None = None) -> Context:
    """Return what operations may know, asking the catalogue at most once for each kind of thing.

    `moved` and `stock` are what the transaction did so far; `stock` takes in what is looked up now.
    """
    products, prices = catalogue.goods(wanted.skus) if wanted.skus else ((), ())
    promotions = catalogue.promotions(wanted.codes) if wanted.codes else ()
    terms = catalogue.promotions_of(wanted.carried) if wanted.carried else ()
    uses = catalogue.uses(wanted.counted) if wanted.counted else {}
    rates = catalogue.tax_rates(wanted.areas) if wanted.areas else ()
    entries = {entry.sku: entry for entry in products}
    stock = Stock() if stock is None else stock
    entries |= _load_stock(catalogue, wanted, stock, entries)
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
        stock=stock,
    )


def _load_stock(catalogue: Catalogue, wanted: Wanted, stock: Stock, entries: Mapping[str, ProductEntry]) -> dict[str, ProductEntry]:
    """Look up the shelves and reservations that may move, and what could take the place of SKUs that may be short; return those SKUs' entries.

    A book without counts is asked once and no more.
    """
    new = wanted.stocked - stock.asked
    if new:
        # What was only looked at as somebody's substitute is read again, under the lock.
        for sku in new & stock.shelves.keys():
            del stock.shelves[sku]
        stock.add(catalogue.shelves(new, to_promise=True))
        stock.asked |= new
    orders = wanted.orders - stock.orders
    stock.orders |= orders
    counted = wanted.stocked & stock.shelves.keys()
    if not counted:
        return {}
    if orders:
        for row in catalogue.held(orders):
            stock.held.setdefault(row.order_id, {})[row.line_id] = row
    unknown = (wanted.edited & counted) - entries.keys()
    more = {entry.sku: entry for entry in catalogue.goods(unknown)[0]} if unknown else {}
    others = {sku for known in (entries, more) for entry in known.values() if entry.sku in counted for sku in entry.substitutes}
    others -= stock.asked | stock.shelves.keys()
    if others:
        stock.add(catalogue.shelves(others, to_promise=False))
    return more


def _product(price: PriceEntry, entry: ProductEntry | None) -> Product:
    if entry is None:
        return Product(price.sku, price.sku, price.price)
    return Product(price.sku, entry.name, price.price, entry.category, entry.tax_category)
