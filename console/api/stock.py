"""Stock: what lies where, how much of it is promised, and to which orders."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from console.access import User
from console.api import stock_models as sm
from console.api.problems import responses
from console.api.route import After, Limit, May
from console.stock import Stock

router = APIRouter(tags=["stock"])
Reader = Annotated[User, Depends(May("stock.read"))]
Begins = Annotated[str, Query(max_length=200, pattern=r"^[^\x00-\x1f]*$", description="How the SKU begins, in any case.")]
Sku = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$", description="A SKU, exactly.")]


def _stock(request: Request) -> Stock:
    found: Stock = request.app.state.stock
    return found


Counted = Annotated[Stock, Depends(_stock)]


@router.get("/stock", responses=responses())
def list_stock(_user: Reader, stock: Counted, cursor: After = None, limit: Limit = 50, sku: Begins = "") -> sm.StockPage:
    """List what was counted, by SKU and location."""
    return stock.listing(sku, cursor, limit)


@router.get("/stock/{sku}", responses=responses("no_such_sku"))
def read_stock(sku: Sku, _user: Reader, stock: Counted) -> sm.StockView:
    """Read where a SKU lies, and which orders' lines hold units of it."""
    return stock.one(sku)
