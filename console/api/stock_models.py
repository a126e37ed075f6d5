"""Stock as the API gives it. Units are whole."""

from uuid import UUID

from pydantic import Field

from console.api.models import View
from schemas.model import Instant


class LevelView(View):
    """A SKU at a location."""

    sku: str
    name: str = Field(description="What the catalogue calls it; empty where it does not know it.")
    location: str = Field(description="A warehouse; `*` where any can send it.")
    on_hand: int = Field(description="Units that lie there, promised or not; below 0 where more left than was counted.")
    reserved: int = Field(description="Units that are promised to orders.")
    free: int = Field(description="Units that can be promised now.")
    incoming: int
    incoming_at: Instant | None = Field(description="From when what comes can be promised.")
    backorder: bool = Field(description="Whether more may be promised than there is.")
    counted_at: Instant | None = Field(description="Null: promised without ever having been counted here.")


class StockPage(View):
    """Levels by SKU and location."""

    items: list[LevelView]
    next: str | None = Field(description="Cursor of the next page; null on the last one.")


class HeldView(View):
    """Units that an order's line holds."""

    order_id: UUID
    order_number: str
    channel: str
    line_id: str
    location: str
    units: int
    changed_at: Instant


class StockView(View):
    """Where a SKU lies, and which lines hold units of it."""

    levels: list[LevelView]
    held: list[HeldView] = Field(description="The newest changed first, at most 200.")
    lines: int = Field(description="How many lines hold units of it.")
