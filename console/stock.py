"""Stock for who looks at it: levels by SKU, and the orders that hold one. Nothing is changed here: counts are loaded, promises follow from orders."""

from dataclasses import dataclass
from typing import Final

from console.api import stock_models as sm
from console.api.problems import Problem
from console.queries import stock
from console.queries.stock import Held, Level
from console.services import Services

MOST_HELD: Final = 200


@dataclass(frozen=True)
class Stock:
    """The stock's part of the services."""

    services: Services

    def listing(self, text: str, after: str | None, limit: int) -> sm.StockPage:
        """Return a page of levels of SKUs that begin like this."""
        with self.services.book.read() as cursor:
            rows, more = stock.levels(cursor, text.replace("\x00", "").strip(), after, limit)
        return sm.StockPage(items=[_level(row) for row in rows], next=more)

    def one(self, sku: str) -> sm.StockView:
        """Return where a SKU lies and which orders hold it. Raises `no_such_sku` where nobody counted it and no order holds it."""
        known = sku.replace("\x00", "")
        with self.services.book.read() as cursor:
            rows = stock.levels_of(cursor, known)
            holders, count = stock.held(cursor, known, MOST_HELD)
        if not rows or known != sku:
            raise Problem("no_such_sku")
        return sm.StockView(levels=[_level(row) for row in rows], held=[_held(row) for row in holders], lines=count)


def _level(row: Level) -> sm.LevelView:
    return sm.LevelView(**row._asdict(), free=max(0, row.on_hand - row.reserved))


def _held(row: Held) -> sm.HeldView:
    return sm.HeldView(**row._asdict())
