"""Goods of which the demo counts stock: a little of one, much of another, one on back order.

No basket of the traffic has them, so what channels state reserves nothing and no channel is short of anything: agents add them to orders, promise
units by it, and sooner or later ask for more than there is.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.stock import StockEntry


@dataclass(frozen=True, slots=True)
class Counted:
    """Something of which stock is counted. `comes`: units in so many days; `instead`: SKUs that may be offered in its place."""

    sku: str
    title: str
    eur_cents: int
    on_hand: int
    comes: tuple[int, int] | None = None
    backorder: bool = False
    instead: tuple[str, ...] = ()


COUNTED: tuple[Counted, ...] = (
    Counted("TRL-LAMP-X", "Lumenora Head Torch 900 lm", 5990, 6, (40, 6), instead=("TRL-LAMP-H", "TRL-LAMP-Z")),
    Counted("TRL-LAMP-Z", "Lumenora Head Torch 700 lm", 4990, 250),
    Counted("APP-VEST-M", "Down Vest Kaltfeder, M", 8990, 80, (120, 14), instead=("APP-VEST-L",)),
    Counted("APP-VEST-L", "Down Vest Kaltfeder, L", 8990, 60),
    Counted("HOM-POT-BIG", "Enamel Stock Pot 8 l", 6490, 2, backorder=True),
)


def stock(now: datetime) -> list[StockEntry]:
    """Return what was counted, as of now."""
    return [
        StockEntry(
            sku=one.sku,
            on_hand=one.on_hand,
            incoming=one.comes[0] if one.comes else 0,
            incoming_at=now + timedelta(days=one.comes[1]) if one.comes else None,
            backorder=one.backorder,
        )
        for one in COUNTED
    ]
