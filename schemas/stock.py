"""Stock: how many units of a SKU there are where, and what of them is promised to an order's line.

Counted in whole units. What a file or a service states is read here and nowhere else: an entry that breaks a rule does not
exist (`pydantic.ValidationError` names column, rule and value). A line measured in parts of a unit is not reserved.
"""

from datetime import datetime
from typing import Annotated, NamedTuple, Self
from uuid import UUID

from pydantic import AfterValidator, model_validator
from pydantic_core import PydanticCustomError

from schemas.catalogue import Key, broken
from schemas.model import Instant, Model
from schemas.order import id_of

EVERYWHERE = "*"
"""The location of units that any warehouse can send."""
MOST = 1_000_000_000


def _units(number: int) -> int:
    if not 0 <= number <= MOST:
        raise PydanticCustomError("units", "from 0 to 1000000000")
    return number


Units = Annotated[int, AfterValidator(_units)]


class StockEntry(Model):
    """What was counted of a SKU at a location, what comes when, and whether more may be promised than there is."""

    sku: Key
    location: Key = EVERYWHERE
    on_hand: Units
    """Units that lie there now, promised or not."""
    incoming: Units = 0
    incoming_at: Instant | None = None
    """From when what comes can be promised to orders that may be delivered then."""
    backorder: bool = False

    @model_validator(mode="after")
    def _comes_at_some_time(self) -> Self:
        if bool(self.incoming) != (self.incoming_at is not None):
            raise broken("incoming_with_date", "incoming_at", "units that come have a date, and a date has units that come")
        return self


class Shelf(NamedTuple):
    """A SKU at a location as the book knows it: what was counted, less what left since, and what is promised of it."""

    sku: str
    location: str
    on_hand: int
    incoming: int = 0
    incoming_at: datetime | None = None
    backorder: bool = False
    reserved: int = 0


class Reservation(NamedTuple):
    """Units promised to an order's line. The id stays the line's as long as the order lives; `revision` counts its changes."""

    order_id: UUID
    line_id: str
    sku: str
    location: str
    units: int
    revision: int = 0

    @property
    def reservation_id(self) -> UUID:
        """Under which name an inventory outside knows it."""
        return reservation_id_of(self.order_id, self.line_id)


def reservation_id_of(order_id: UUID, line_id: str) -> UUID:
    """Return the id of a line's reservation: whatever is edited, it is the same."""
    return id_of(f"{order_id}:{line_id}:reservation")
