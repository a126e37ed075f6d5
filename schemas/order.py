"""The canonical order: what every sales channel's order becomes.

Every amount inside an order is an integer in minor units of the order's one `currency`, so that two
currencies cannot meet in a sum. Quantities are integers in units of `10^-quantity_exponent` of the line's
unit of measure. Collections are tuples of rows with ids of their own (`KEY`), so that a row keeps its name
when others come and go; `position` keeps the channel's order.

Money that follows from other values (a line's gross, a share of a discount, a tax row) carries its
*basis*: the input and the amount that were last agreed with the channel. While the input equals the basis
the amount is the basis amount, to the unit; otherwise it is the basis' share (see
`modification_processor.totals`).
"""

from hashlib import sha1
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from schemas.model import Instant, Model
from schemas.money import Rounding, UnitPrice

NAMESPACE = UUID("6f1d0a5e-8c3b-5e57-9c0e-0d6a2b7f4c11")
"""The name space of every id we derive; changing it would rename every order."""
_NAMESPACE = NAMESPACE.bytes

Lifecycle = Literal["received", "held", "confirmed", "closed", "cancelled"]
PaymentState = Literal["unpaid", "authorized", "partially_paid", "paid", "partially_refunded", "refunded", "voided"]
FulfillmentState = Literal["unfulfilled", "partially_fulfilled", "fulfilled", "cancelled"]
PaymentKind = Literal["authorization", "capture", "refund", "void"]
AdjustmentKind = Literal["discount", "shipping", "fee", "channel_rounding"]
AdjustmentSource = Literal["channel", "promotion", "code", "manual"]
Liable = Literal["seller", "channel"]


def order_id_of(channel: str, account: str, channel_order_id: str) -> UUID:
    """Return our id of a channel's order: the same for the same three names, for ever.

    The three are joined with U+001F, which no channel uses in an id, so ("a", "b:c") and ("a:b", "c") differ.
    """
    return id_of(f"{channel}\x1f{account}\x1f{channel_order_id}")


def id_of(name: str) -> UUID:
    """Return the id that follows from a name: what `uuid5` returns in our name space, without its import at each call."""
    return UUID(bytes=sha1(_NAMESPACE + name.encode(), usedforsecurity=False).digest()[:16], version=5)


def raw_lane_id(topic: str, partition: int) -> UUID:
    """Return the id that stands for "no readable key on this partition"; it blocks nobody."""
    return id_of(f"raw:{topic}:{partition}")


class Source(Model):
    """Where an order came from and which mapping read it. The raw bytes travel beside the order."""

    channel: str
    account: str = "default"
    store: str | None = None
    channel_order_id: str
    channel_updated_at: Instant | None = None
    status: str | None = None
    payment_status: str | None = None
    fulfillment_status: str | None = None
    mapping_version: int = 1
    rules_version: int = 0
    held_by: tuple[str, ...] = ()
    """Ids of the holds that intake's rules put on the order as the channel stated it last; people may have released them since."""


class Address(Model):
    """An address as the channel stated it, plus `normalized`, a form for comparing and finding."""

    name: str | None = None
    company: str | None = None
    lines: tuple[str, ...] = ()
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None
    """ISO 3166-1 alpha-2, or null where the channel gives none we can name."""
    stated_country: str | None = None
    """What the channel wrote, where it is not the alpha-2 code."""
    phone: str | None = None
    normalized: str = ""

    @property
    def tax_area(self) -> tuple[str | None, str | None]:
        """Country and region: an address edit inside it moves no tax."""
        return (self.country, self.region)


class Contact(Model):
    """Whom to write to about the order."""

    name: str | None = None
    email: str | None = None
    phone: str | None = None
    customer_ref: str | None = None


class DeliveryWindow(Model):
    """When the customer wants the goods; either end may be open."""

    earliest: Instant | None = None
    latest: Instant | None = None


class Basis(Model):
    """What was last agreed: with this `input`, this `amount_minor` (input: a quantity, or a base in minor units)."""

    input: int
    amount_minor: int


class OrderLine(Model):
    """One position. A removed line stays, with quantity 0; a swapped SKU is a new line that names the old one."""

    KEY: ClassVar[str | None] = "line_id"

    line_id: str
    position: int
    channel_line_id: str | None = None
    sku: str | None = None
    name: str = ""
    unit_of_measure: str | None = None
    quantity_exponent: int = 0
    unit_price: UnitPrice | None = None
    tax_included: bool = False
    price_source: Literal["channel", "sold", "catalog", "override"] = "channel"
    gross_minor: int = 0
    gross_basis: Basis | None = None
    ordered: int
    cancelled: int = 0
    allocated: int = 0
    released: int = 0
    packed: int = 0
    shipped: int = 0
    returned: int = 0
    replaces_line_id: str | None = None

    @property
    def open(self) -> int:
        """Units the customer still expects or has: ordered less cancelled."""
        return self.ordered - self.cancelled


class Allocation(Model):
    """A line's share of an adjustment; the shares of one adjustment sum to its amount."""

    KEY: ClassVar[str | None] = "line_id"

    line_id: str
    amount_minor: int
    basis: Basis | None = None


class Adjustment(Model):
    """A discount (amount ≥ 0, taken off), shipping or fee (added), or the channel's rounding (either sign)."""

    KEY: ClassVar[str | None] = "adjustment_id"

    adjustment_id: str
    position: int
    kind: AdjustmentKind
    source: AdjustmentSource = "channel"
    code: str | None = None
    promotion_version: int | None = None
    label: str = ""
    amount_minor: int
    allocations: tuple[Allocation, ...] = ()


class TaxRow(Model):
    """One tax on one line or adjustment. Channel-liable tax is carried, never recomputed."""

    KEY: ClassVar[str | None] = "tax_id"

    tax_id: str
    position: int
    line_id: str | None = None
    adjustment_id: str | None = None
    title: str = ""
    rate: str | None = None
    """The exact decimal, as text: "0.2"."""
    included: bool = False
    liable: Liable = "seller"
    amount_minor: int
    basis: Basis | None = None


class ShipmentPart(Model):
    """How many units of a line a shipment carries, in the line's own unit."""

    KEY: ClassVar[str | None] = "line_id"

    line_id: str
    quantity: int


class Shipment(Model):
    """Units that travel on their own; what is in none travels together, as the order says. Says nothing of money."""

    KEY: ClassVar[str | None] = "shipment_id"

    shipment_id: str
    delivery_window: DeliveryWindow | None = None
    ship_method: str | None = None
    parts: tuple[ShipmentPart, ...] = ()


class Payment(Model):
    """A ledger row, unique by (provider, transaction, kind). `parent` is the transaction it captures, gives back or releases (itself: none)."""

    KEY: ClassVar[str | None] = "payment_id"

    payment_id: str
    provider: str
    transaction: str
    kind: PaymentKind
    amount_minor: int
    method: str | None = None
    at: Instant | None = None
    parent: str | None = None


class Hold(Model):
    """A reason not to fulfil yet."""

    KEY: ClassVar[str | None] = "hold_id"

    hold_id: str
    kind: str
    reason: str = ""
    placed_at: Instant | None = None


class Totals(Model):
    """Sums of the stored rows, minor units; never rounded again."""

    subtotal_minor: int = 0
    discount_minor: int = 0
    shipping_minor: int = 0
    fee_minor: int = 0
    tax_minor: int = 0
    rounding_minor: int = 0
    grand_total_minor: int = 0


class StatedTotals(Model):
    """The channel's own totals, minor units, null where it states none. They are the contract."""

    subtotal_minor: int | None = None
    discount_minor: int | None = None
    shipping_minor: int | None = None
    tax_minor: int | None = None
    grand_total_minor: int | None = None


PERSONAL_PARTS: dict[str, Any] = {"contact": Contact(), "ship_to": None, "bill_to": None, "note": None, "extensions": {}}
"""The fields that may name a person, and what stands there once the person is erased."""


def without_person(order: "Order") -> "Order":
    """Return the order with nothing in it that names a person."""
    return order.model_copy(update={**PERSONAL_PARTS, "holds": tuple(hold.model_copy(update={"reason": ""}) for hold in order.holds)})


class Order(Model):
    """An order as the book holds it. `order_id` never changes, whatever is edited."""

    order_id: UUID
    order_number: str
    source: Source
    currency: str
    rounding: Rounding = "half_up"
    placed_at: Instant | None = None
    lifecycle: Lifecycle = "received"
    contact: Contact = Contact()
    ship_to: Address | None = None
    bill_to: Address | None = None
    delivery_window: DeliveryWindow | None = None
    ship_method: str | None = None
    payment_method: str | None = None
    warehouse: str | None = None
    note: str | None = None
    tags: tuple[str, ...] = ()
    lines: tuple[OrderLine, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()
    taxes: tuple[TaxRow, ...] = ()
    payments: tuple[Payment, ...] = ()
    holds: tuple[Hold, ...] = ()
    totals: Totals = Totals()
    stated_totals: StatedTotals = StatedTotals()
    shipments: tuple[Shipment, ...] = ()
    extensions: dict[str, str] = Field(default_factory=dict)
    """What the channel says and we have no place for: JSON pointer -> JSON text."""

    def line(self, line_id: str) -> OrderLine | None:
        """Return the line of that id, or None."""
        return next((line for line in self.lines if line.line_id == line_id), None)


def held(order: Order, hold: Hold) -> Order:
    """Return the order with one more hold; one that was going on is held."""
    lifecycle = "held" if order.lifecycle in ("received", "confirmed") else order.lifecycle
    return order.model_copy(update={"holds": (*order.holds, hold), "lifecycle": lifecycle})
