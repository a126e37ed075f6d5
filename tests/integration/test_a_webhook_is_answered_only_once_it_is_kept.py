"""Webhooks over HTTP into a real broker: what is signed is taken, once, and becomes an order; nothing is answered 2xx before Kafka has it.

Sent twice it is one order; a forged, oversized, compressed or unknown one is refused with a code; many at once all arrive or are told
when to come again; while the broker does not answer, neither does the door say yes.
"""

import asyncio
import hmac
import socket
from base64 import b64encode
from hashlib import sha256
from typing import Any

import httpx
import pytest

from intake import webhooks
from intake.endpoints import FILE, Watched
from ordermend.serving import Running, loops_of
from streaming.producer import DeliveryFailed, Record
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import Line, order_in, shopify_order

SECRET = "a-secret-of-this-test"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def signature(body: bytes) -> dict[str, str]:
    made = b64encode(hmac.new(SECRET.encode(), body, sha256).digest()).decode()
    return {"x-shopify-hmac-sha256": made, "content-type": "application/json", "x-shopify-topic": "orders/create"}


def test_a_webhook_is_answered_only_once_it_is_kept(line: Line, eventually: Eventually) -> None:
    port = free_port()
    settings = line.settings.model_copy(update={"webhooks_listen": f"127.0.0.1:{port}"})
    (settings.keys_dir / FILE).write_text(f'[[endpoint]]\nchannel = "shopify"\naccount = "north"\nsecrets = ["{SECRET}"]\n')
    running = Running(loops_of("webhooks", settings, Health(), "webhooks-0", ()))
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/webhooks", timeout=30) as client:
            eventually(lambda: _answers(client), what="the door open")
            _check_answers(line, client, eventually)
    finally:
        running.stop()
        (settings.keys_dir / FILE).unlink()
    assert running.failure is None
    assert line.findings() == ()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/").status_code == 404
    except httpx.TransportError:
        return False


def _check_answers(line: Line, client: httpx.Client, eventually: Eventually) -> None:
    body = shopify_order(5001)
    for _ in range(2):
        taken = client.post("/shopify/north", content=body, headers=signature(body) | {"x-shopify-webhook-id": "w-1"})
        assert (taken.status_code, taken.json()) == (202, {"message_id": "shopify:north:w-1"})
    refusals = {
        "signature_refused": client.post("/shopify/north", content=body + b" ", headers=signature(body)),
        "no_such_endpoint": client.post("/shopify/south", content=body, headers=signature(body)),
        "compressed": client.post("/shopify/north", content=body, headers=signature(body) | {"content-encoding": "gzip"}),
        "body_too_large": client.post("/shopify/north", content=b" " * (5 * 1024 * 1024 + 1)),
        "body_empty": client.post("/shopify/north", content=b""),
    }
    assert {code: answer.json()["code"] for code, answer in refusals.items()} == {code: code for code in refusals}
    assert [answer.status_code for answer in refusals.values()] == [401, 404, 415, 413, 422]
    chunked = client.post("/shopify/north", content=(b" " * 1_000_000 for _ in range(6)))
    assert chunked.status_code == 413, "the cap counts what streams in, whatever length was stated"

    bodies = [shopify_order(5100 + number) for number in range(60)]
    codes = asyncio.run(_together(str(client.base_url), bodies))
    assert codes == [202] * len(bodies)
    orders = [order_in(one).with_() for one in (body, *bodies)]
    wanted = {(order.source.channel_order_id, "north") for order in orders}
    found = "select doc->'source'->>'channel_order_id', doc->'source'->>'account' from orders"
    eventually(lambda: set(line.rows(found)) == wanted, what="every order in the book, under the endpoint's account")
    assert line.one("select count(*) from repeat where message_id = 'shopify:north:w-1'") == 1


async def _together(base: str, bodies: list[bytes]) -> list[int]:
    async with httpx.AsyncClient(base_url=base, timeout=30) as client:
        answers = await asyncio.gather(*(client.post("/shopify/north", content=body, headers=signature(body)) for body in bodies))
    return [answer.status_code for answer in answers]


class Stuck:
    """An outlet whose broker does not answer until it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.sent: list[Record] = []

    async def send(self, record: Record, timeout_seconds: float) -> None:
        try:
            await asyncio.wait_for(self.go.wait(), min(timeout_seconds, 5))
        except TimeoutError:
            raise DeliveryFailed("no answer") from None
        self.sent.append(record)


def test_a_door_that_is_full_or_cut_off_says_when_to_come_again(monkeypatch: pytest.MonkeyPatch, line: Line) -> None:
    monkeypatch.setattr(webhooks, "IN_FLIGHT", 4)
    path = line.settings.keys_dir / FILE
    path.write_text(f'[[endpoint]]\nchannel = "shopify"\naccount = "north"\nsecrets = ["{SECRET}"]\n')
    try:
        watched = webhooks_endpoints(path)
        full, cut = asyncio.run(_full(watched)), asyncio.run(_cut(watched))
    finally:
        path.unlink()
    assert sorted(answer.status_code for answer in full) == [202] * 4 + [429] * 3
    assert {answer.headers.get("retry-after") for answer in full if answer.status_code == 429} == {"2"}
    assert (cut.status_code, cut.json()["code"], cut.headers["retry-after"]) == (503, "unavailable", "2")


def webhooks_endpoints(path: Any) -> Any:

    return Watched(path).find


async def _full(find: Any) -> list[httpx.Response]:
    outlet = Stuck()
    transport = httpx.ASGITransport(webhooks.Door(find, outlet).app())
    body = shopify_order(1)
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
        asked = [asyncio.create_task(client.post("/webhooks/shopify/north", content=body, headers=signature(body))) for _ in range(7)]
        refused: set[asyncio.Task[httpx.Response]] = set()
        while len(refused) < 3:
            done, _ = await asyncio.wait([task for task in asked if task not in refused], return_when=asyncio.FIRST_COMPLETED)
            refused |= done
        outlet.go.set()
        return list(await asyncio.gather(*asked))


async def _cut(find: Any) -> httpx.Response:
    class Refusing:
        async def send(self, record: Record, timeout_seconds: float) -> None:
            raise DeliveryFailed(f"{record.topic} not confirmed within {timeout_seconds}")

    body = shopify_order(1)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(webhooks.Door(find, Refusing()).app()), base_url="http://door") as client:
        return await client.post("/webhooks/shopify/north", content=body, headers=signature(body))
