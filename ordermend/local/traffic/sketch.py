"""What the generator hands out: a document to send, and a sketch of the order in it.

The sketch holds what a driver of edits and facts needs without reading the document: the channel's ids, the
lines with theirs, quantities, country and total. Amounts are integer minor units of `currency`.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from schemas.order import order_id_of


@dataclass(frozen=True, slots=True)
class LineSketch:
    """One line as the channel names it."""

    channel_line_id: str
    sku: str
    quantity: int
    unit_minor: int

    @property
    def line_id(self) -> str:
        """Our id of the line, as every normaliser mints it."""
        return f"L{self.channel_line_id}"


@dataclass(frozen=True, slots=True)
class OrderSketch:
    """The order in a document; `total_minor` is the grand total the document states."""

    channel: str
    account: str
    channel_order_id: str
    country: str
    currency: str
    total_minor: int
    placed_at: datetime
    lines: tuple[LineSketch, ...]

    @property
    def order_id(self) -> UUID:
        """Our id of the order."""
        return order_id_of(self.channel, self.account, self.channel_order_id)


@dataclass(frozen=True, slots=True)
class ChannelDocument:
    """One message of a channel: `key` is the channel's order id, header names are lower case."""

    key: bytes
    headers: dict[str, str]
    body: bytes
    sketch: OrderSketch
