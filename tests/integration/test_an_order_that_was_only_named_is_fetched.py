"""Channels whose webhooks only name an order: the order is fetched, stored once, and its work item closed; or it is open and says why.

Six channels name orders twice, and are asked while answers get lost and pauses are wanted: each order is in the book once, parts joined.
What a channel does not have, does not hand out, or hands out in part is a person's, with the reason. A fetcher that is killed before or
after it published is replaced by one that asks again, and nothing is stated twice.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from intake.fetching import Fetcher, Patience
from normalizers import discover
from normalizers.channel import Document, StatedOrder
from ordermend import bootstrap
from ordermend.local.simulated_source import Moods, SimulatedSource
from ordermend.serving import Running
from ordermend.settings import Settings
from telemetry.health import Health
from tests.conftest import Eventually
from tests.faults.fleet import Fleet
from tests.line import Line, running_line

FIXTURES = Path(__file__).parents[1] / "fixtures" / "channels"
NAMING = ("bigcommerce", "square", "squarespace", "mercadolibre", "shopware", "wix")
ACCOUNT = {"account": "acc-1"}
QUICK = Patience(5.0, timedelta(milliseconds=50), timedelta(seconds=60))


def fixture(channel: str, name: str) -> Any:
    return json.loads((FIXTURES / channel / f"{name}.raw.json").read_bytes())


def whole(channel: str) -> tuple[str, bytes, tuple[Document, ...]]:
    """Return an order's id, the notification that names it, and what the channel answers when it is asked."""
    if channel == "bigcommerce":
        parts = tuple(Document((FIXTURES / channel / f"whole.part-{n}.raw.json").read_bytes()) for n in (1, 2, 3))
        return "301", json.dumps(fixture(channel, "refund_event")).encode(), parts
    notice, order = {
        "square": lambda: (fixture(channel, "created_event"), fixture(channel, "shipped")["orders"][0] | {"id": "SQ-3"}),
        "squarespace": lambda: (fixture(channel, "update_event"), fixture(channel, "list")["result"][0]),
        "mercadolibre": lambda: (fixture(channel, "notification"), fixture(channel, "search")["results"][0]),
        "shopware": lambda: (fixture(channel, "written_event"), fixture(channel, "placed_event")["data"]["payload"]["order"]),
        "wix": lambda: (fixture(channel, "bare_event"), fixture(channel, "approved_event")["data"]["actionEvent"]["body"]["order"]),
    }[channel]()
    return str(order["id"]), json.dumps(notice).encode(), (Document(json.dumps(order).encode()),)


@pytest.fixture
def naming(line_settings: Settings) -> Iterator[Line]:
    """A line of the six channels, without a fetcher."""
    with running_line(line_settings, "intake", "processor", channels=NAMING) as running:
        yield running


def start_fetcher(line: Line, source: SimulatedSource, patience: Patience = QUICK, only: str | None = None) -> None:
    sources = source.sources() if only is None else {only: source}
    made: Fetcher = bootstrap.fetcher(line.settings, Health(), sources, patience)
    line.services["fetcher"] = Running({"fetcher": made.run})


def order_id(channel: str, name: str) -> UUID:
    return discover()[channel].order_id("acc-1", name)


def test_six_channels_name_orders_and_each_is_in_the_book_once(naming: Line, eventually: Eventually, tmp_path: Path) -> None:
    line, source = naming, SimulatedSource(tmp_path / "source.sqlite", Moods(lost=1, too_often=1, pause_seconds=0.05))
    names = {}
    for channel in NAMING:
        names[channel], notice, answers = whole(channel)
        source.put(channel, "acc-1", names[channel], *answers)
        for event in ("n-1", "n-2"):
            line.send_raw(notice, channel, {**ACCOUNT, "message_id": f"{channel}:{event}"})
    noted = "select count(*) from inbox where message = 'FetchNeeded'"
    eventually(lambda: line.one(noted) == 2 * len(NAMING), what="the notifications")
    assert line.rows("select channel, count(*) from order_fetch group by channel order by channel") == [
        (name, 1) for name in sorted(NAMING)
    ]
    assert line.one("select count(*) from work_item where status = 'open'") == len(NAMING)

    start_fetcher(line, source)
    eventually(lambda: line.one("select count(*) from order_fetch where state = 'stored'") == len(NAMING), what="every order fetched")
    for channel in NAMING:
        stored = line.order(order_id(channel, names[channel]))
        assert stored is not None
        assert stored.lines
        assert (channel, "acc-1", names[channel]) == (stored.source.channel, stored.source.account, stored.source.channel_order_id)
        assert source.asked(names[channel]) == 3  # a pause was wanted, an answer was lost
    joined = line.order(order_id("bigcommerce", "301"))
    assert joined is not None
    assert ([line.sku for line in joined.lines], joined.ship_to is not None) == (["CAP", "BAG"], True)
    closed = line.rows("select distinct kind, status, reason, closed_at is not null from work_item")
    assert closed == [("fetch_order", "closed", "the order was fetched and stored", True)]

    # A later notification asks again; the same document makes no second version.
    line.send_raw(whole("wix")[1], "wix", {**ACCOUNT, "message_id": "wix:n-3"})
    eventually(
        lambda: line.one("select count(*) from order_fetch where channel = 'wix' and state = 'stored'") == 2, what="the second fetch"
    )
    assert line.one("select version from order_head where order_id = %s", order_id("wix", names["wix"])) == 1
    assert line.findings() == ()


def test_what_is_not_handed_out_whole_stays_open_and_says_why(naming: Line, eventually: Eventually, tmp_path: Path) -> None:
    line, source = naming, SimulatedSource(tmp_path / "source.sqlite", Moods(closed=frozenset({"square"})))
    _, notice, answers = whole("bigcommerce")
    source.put("bigcommerce", "acc-1", "301", answers[0])  # the order without its lines
    line.send_raw(notice, "bigcommerce", ACCOUNT)
    source.put("shopware", "acc-1", "0a1b", Document(b'{"id": "0a1b", "price": {"totalPrice": 1e999999}, "lineItems": [{}]}'))
    for channel in ("square", "squarespace", "shopware"):
        line.send_raw(whole(channel)[1], channel, ACCOUNT)
    pack = {"resource": "/packs/2000009900000000777", "topic": "packs", "user_id": 66}
    line.send_raw(json.dumps(pack).encode(), "mercadolibre", ACCOUNT)
    first, _, (stated,) = whole("mercadolibre")
    source.put(
        "mercadolibre",
        "acc-1",
        "2000009900000000777",
        Document(json.dumps({"id": 2000009900000000777, "orders": [{"id": int(first)}]}).encode()),
    )
    source.put("mercadolibre", "acc-1", first, stated)

    start_fetcher(line, source, Patience(5.0, timedelta(milliseconds=50), timedelta(seconds=6)))
    ended = "select channel, channel_order_id, state, reason from order_fetch where ended_at is not null order by channel, channel_order_id"
    eventually(lambda: len(line.rows(ended)) == 6, what="every fetch ended")
    assert line.rows(ended) == [
        ("bigcommerce", "301", "failed", "bigcommerce answered without products, shipping addresses"),
        ("mercadolibre", first, "stored", None),
        ("mercadolibre", "2000009900000000777", "passed_on", "the answer is of 1 other orders"),
        ("shopware", "0a1b", "failed", "what the channel answered was not stored in time: see the order's dead letters"),
        ("square", "SQ-3", "failed", "square does not let us in: 401"),
        ("squarespace", "585d498f", "failed", "squarespace has no order 585d498f"),
    ]
    assert line.order(order_id("mercadolibre", first)) is not None
    assert line.one("select count(*) from orders") == 1
    assert source.asked("585d498f") == 4
    shown = "select f.channel, w.status, w.reason = f.reason from work_item w join order_fetch f using (order_id, item_id) where f.state = 'failed' order by 1"
    assert line.rows(shown) == [(channel, "open", True) for channel in ("bigcommerce", "shopware", "square", "squarespace")]
    assert line.one("select count(*) from dead_letter where channel = 'shopware'") == 1


def test_a_channel_without_a_source_is_a_persons_work(naming: Line, eventually: Eventually, tmp_path: Path) -> None:
    line, source = naming, SimulatedSource(tmp_path / "source.sqlite")
    line.send_raw(whole("wix")[1], "wix", ACCOUNT)
    start_fetcher(line, source, only="square")
    eventually(lambda: line.one("select state from order_fetch") == "failed", what="the answer that there is no source")
    assert line.rows("select kind, status, reason from work_item") == [("fetch_order", "open", "no source is configured for channel wix")]


def test_a_fetcher_that_is_killed_states_nothing_twice(naming: Line, eventually: Eventually, tmp_path: Path) -> None:
    line = naming
    settings = line.settings.model_copy(update={"home": tmp_path / "home", "sources": "simulated"})
    source = SimulatedSource(bootstrap.simulated_source_file(settings))
    name, notice, answers = whole("bigcommerce")
    source.put("bigcommerce", "acc-1", name, *answers)
    line.send_raw(notice, "bigcommerce", ACCOUNT)
    eventually(lambda: line.one("select count(*) from order_fetch") == 1, what="the fetch planned")
    bootstrap.prepare(line.settings)  # a process of its own checks every topic
    line.stop("processor")
    with Fleet(settings, tmp_path) as fleet:
        for died, point in enumerate(("fetcher.claimed", "fetcher.published")):
            fleet.start("fetcher", f"{point}=exit")
            eventually(lambda: fleet.exit_code("fetcher") == -9, 60, what=f"death at {point}")
            fleet.kill("fetcher")
            assert source.asked(name) == died
        fleet.start("fetcher", "")
        eventually(lambda: line.rows("select state from order_fetch") == [("sent",)], 60, what="asked again by the one after")
        assert 0 == fleet.stop("fetcher"), (tmp_path / "fetcher.log").read_text()[-2000:]
    assert source.asked(name) == 2
    line.start("processor")
    eventually(lambda: line.one("select count(*) from repeat where message = 'OrderStated'") == 1, 60, what="the repeat, without effect")
    assert line.rows("select state from order_fetch") == [("stored",)]
    assert line.rows("select outcome from inbox where message = 'OrderStated'") == [("accepted",)]
    assert line.findings() == ()


def test_a_joined_document_is_normalised_as_its_parts() -> None:
    from normalizers.parts import documents_of, joined  # noqa: PLC0415 -- beside the only test of it

    parts = whole("bigcommerce")[2]
    whole_record = joined(parts)
    read = documents_of(whole_record.body, {**whole_record.headers, **ACCOUNT})
    assert [part.body for part in parts] == [part.body for part in read]
    (order,) = discover()["bigcommerce"].normalize(read)
    assert isinstance(order, StatedOrder)
    assert ("acc-1", 2) == (order.order.source.account, len(order.order.lines))
