"""Stock by the API: counts are loaded, an order holds units, an edit holds more.

Each level says what can still be had, page by page and by how a SKU begins; a SKU names the lines that hold it; what nobody counted is not there.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

from console.guard import Guard
from console.tokens import Verifier
from ordermend import web
from schemas.catalogue import ProductEntry
from schemas.stock import StockEntry
from store import stock
from store.catalogue import save
from tests.api import ISSUER, Published, client
from tests.conftest import Eventually
from tests.line import Line, shopify_order

COMES = datetime(2027, 1, 5, tzinfo=UTC)


@pytest.fixture
def agent(line: Line) -> Iterator[TestClient]:
    made = web.console(line.settings.model_copy(update={"issuer_url": ISSUER}), keys=Published())
    guard = Guard(made.api, verifier=Verifier(ISSUER, "ordermend", Published()), audit=made.services.audit, revocations=lambda _: True)
    yield client(type(made)(made.api, made.services, guard))
    made.services.book.close()


def test_levels_and_who_holds_them(line: Line, agent: TestClient, eventually: Eventually) -> None:
    assert {"items": [], "next": None} == agent.get("/api/v1/stock").json()
    with line.book.transaction(), line.book.cursor() as cursor:
        save(cursor, [ProductEntry(sku="SKU-A", name="Thing")])
        entries = [StockEntry(sku="SKU-A", on_hand=9, incoming=20, incoming_at=COMES), StockEntry(sku="SKU-A", location="LEEDS", on_hand=0)]
        stock.save(cursor, [*entries, StockEntry(sku="sku-low", on_hand=4, backorder=True), StockEntry(sku="OTHER", on_hand=1)])
    order = line.state_order(shopify_order(9301))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    held = sum(each.ordered for each in order.lines if each.sku == "SKU-A")
    assert held > 0

    found = agent.get("/api/v1/stock", params={"sku": "sku-"}).json()
    assert [("SKU-A", "*"), ("SKU-A", "LEEDS"), ("sku-low", "*")] == [(one["sku"], one["location"]) for one in found["items"]]
    first = found["items"][0]
    assert ("Thing", 9, held, 9 - held) == tuple(first[name] for name in ("name", "on_hand", "reserved", "free"))
    assert (20, "2027-01-05T00:00:00Z", False) == tuple(first[name] for name in ("incoming", "incoming_at", "backorder"))

    pages, after = [], None
    while True:
        page = agent.get("/api/v1/stock", params={"limit": 1, **({"cursor": after} if after else {})}).json()
        pages += [(one["sku"], one["location"]) for one in page["items"]]
        if (after := page["next"]) is None:
            break
    assert [("OTHER", "*"), ("SKU-A", "*"), ("SKU-A", "LEEDS"), ("sku-low", "*")] == pages

    line_id = next(each.line_id for each in order.lines if each.sku == "SKU-A")
    more = line.ticket(order.order_id, ("change_quantity", {"line_id": line_id, "quantity": held + 2}))
    eventually(lambda: line.state(more) == "applied", what="the edit that wants two more")
    one = agent.get("/api/v1/stock/SKU-A").json()
    assert [(order.order_number, "shopify", line_id, "*", held + 2)] == [
        tuple(each[name] for name in ("order_number", "channel", "line_id", "location", "units")) for each in one["held"]
    ]
    assert (1, [held + 2, 0]) == (one["lines"], [level["reserved"] for level in one["levels"]])
    assert [] == agent.get("/api/v1/stock/OTHER").json()["held"]
    unknown = agent.get("/api/v1/stock/SKU-")
    assert (404, "no_such_sku") == (unknown.status_code, unknown.json()["code"])
    assert () == line.findings()
