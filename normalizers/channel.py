"""What a sales channel's module declares, and what normalising a document yields.

A channel module is one file in this package with one name `CHANNEL`. `normalize` is pure: bytes and headers
in, one result per order named in the document out. No clock, no network, no database, and never a guess: what
cannot be read raises `NormalizationFailed` (nothing of the document is usable) or becomes an `Unreadable`
result (one order of several). Nothing is lost: what has no canonical place goes to `order.extensions`, JSON
pointer -> JSON text.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal
from uuid import UUID

from schemas.failures import ErrorClass
from schemas.model import Instant
from schemas.order import Address, DeliveryWindow, FulfillmentState, Order, PaymentState, order_id_of
from schemas.statement import Finding, LineChange, StatedEvent, Verdict
from schemas.topics import Topic, raw_topic


class Restates(StrEnum):
    """What a document of the channel is: the whole order each time, or only what changed."""

    WHOLE_ORDER = "whole_order"
    PATCH = "patch"


class Missing(StrEnum):
    """What an absent field means in a restatement."""

    CLEARED = "cleared"
    UNCHANGED = "unchanged"


class AddressStated(StrEnum):
    """When a document of the channel says where goods go."""

    ALWAYS = "always"
    """Every order travels, and its address is in the document."""
    SHIPPED = "shipped"
    """The address is in the document where goods are shipped; a download or a pickup has none."""
    LATER = "later"
    """It may be withheld, stand in a document of its own, or be agreed on as a code."""


class Verb(StrEnum):
    """What the channel lets us tell it back about an order."""

    CANCEL_ORDER = "cancel_order"
    CANCEL_LINE = "cancel_line"
    CHANGE_QUANTITY = "change_quantity"
    CHANGE_ADDRESS = "change_address"
    CHANGE_LINES = "change_lines"
    REFUND = "refund"
    NOTE = "note"


@dataclass(frozen=True)
class Document:
    """One message of a channel: the bytes as they came and the record's (or the webhook's) headers, lower case."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StatedOrder:
    """The document states a whole order. `payment` and `fulfillment` are the states the channel's words mean."""

    order: Order
    event: StatedEvent
    payment: PaymentState | None = None
    fulfillment: FulfillmentState | None = None
    cancelled_at: Instant | None = None
    cancel_requested: bool = False
    findings: tuple[Finding, ...] = ()
    verdict: Verdict = "accept"
    stated: Mapping[str, object] = field(default_factory=dict)
    """Keys of the summary that differ from what the canonical order says by itself (see `normalizers.summary`)."""


@dataclass(frozen=True)
class StatedChange:
    """The document states a change or asks for one; the order itself is not in it."""

    channel_order_id: str
    event: StatedEvent
    account: str = "default"
    changed_at: Instant | None = None
    line_changes: tuple[LineChange, ...] = ()
    ship_to: Address | None = None
    delivery_window: DeliveryWindow | None = None
    findings: tuple[Finding, ...] = ()
    verdict: Verdict = "accept"
    stated: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class StatedPart:
    """The document names an order without stating it whole; `missing` says what to fetch."""

    channel_order_id: str
    event: StatedEvent
    missing: tuple[str, ...]
    account: str = "default"
    findings: tuple[Finding, ...] = ()
    verdict: Verdict = "incomplete"
    stated: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Unreadable:
    """An order that can be named (or not) but not read, or that must not be taken as it stands."""

    channel_order_id: str | None
    verdict: Verdict
    code: str
    findings: tuple[Finding, ...]
    account: str = "default"
    error_class: ErrorClass = "SEMANTIC"
    event: StatedEvent | None = None
    stated: Mapping[str, object] = field(default_factory=dict)


Result = StatedOrder | StatedChange | StatedPart | Unreadable


@dataclass(frozen=True)
class Channel:
    """A sales channel. `normalize` takes the documents that together make the message: one, or its parts."""

    name: str
    restates: Restates
    missing: Missing
    verbs: frozenset[Verb]
    signature: Literal[
        "shopify_hmac_sha256",
        "woocommerce_hmac_sha256",
        "bigcommerce_standard_webhooks",
        "shopware_app_hmac_sha256",
        "square_hmac_sha256",
        "squarespace_hmac_sha256",
        "stripe_signature",
        "wix_jwt",
        "none",
    ]
    account_field: str
    order_key: str
    normalize: Callable[[tuple[Document, ...]], tuple[Result, ...]]
    mapping_version: int
    """Raised whenever a document is read otherwise than before, so that `ordermend remap` can bring what is stored up to it."""
    address: AddressStated = AddressStated.LATER
    counts_pieces: bool = False
    """A quantity without a unit is of pieces, which cannot be divided."""
    currency_agreed: bool = False
    """A document may leave the currency out: the partners agreed on one, or it is named by an id of the shop's own."""

    @property
    def topic(self) -> Topic:
        """The topic its documents arrive on."""
        return raw_topic(self.name)

    def order_id(self, account: str, channel_order_id: str) -> UUID:
        """Our id of one of its orders."""
        return order_id_of(self.name, account, channel_order_id)
