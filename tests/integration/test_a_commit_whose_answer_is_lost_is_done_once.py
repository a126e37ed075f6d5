"""The connection to the database is cut at COMMIT, before or after it happened: every edit is applied exactly once.

Fifty cuts in the suite; ORDERMEND_CUTS says how many.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from ordermend import bootstrap
from ordermend.serving import Running
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import Line, shopify_order

CUTS = int(os.environ.get("ORDERMEND_CUTS", "50"))
TURNS = max(4, CUTS // 20)
ORDERS = 4 * TURNS
COMMIT = b"COMMIT\x00"


class Proxy:
    """Stands between one client and PostgreSQL; while `cutting`, cuts at COMMIT: by turns after it happened and before."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.cutting = threading.Event()
        self.after, self.before = 0, 0
        threading.Thread(target=self._accept, daemon=True, name="proxy").start()

    def close(self) -> None:
        self._server.close()

    @property
    def cuts(self) -> int:
        return self.after + self.before

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                upstream = socket.create_connection(self._to)
                threading.Thread(target=self._up, args=(client, upstream), daemon=True).start()

    def _up(self, client: socket.socket, upstream: socket.socket) -> None:
        answers = threading.Thread(target=self._down, args=(upstream, client), daemon=True)
        answers.start()
        with contextlib.suppress(OSError):
            while data := client.recv(65_536):
                if self.cutting.is_set() and self.cuts < CUTS and data.endswith(COMMIT):
                    self._cut(client, upstream, data)
                    break
                upstream.sendall(data)
        for each in (client, upstream):
            each.close()

    def _cut(self, client: socket.socket, upstream: socket.socket, data: bytes) -> None:
        # The client hears nothing more either way; whether PostgreSQL hears the COMMIT is the difference.
        client.shutdown(socket.SHUT_RDWR)
        if self.after <= self.before:
            self.after += 1
            upstream.sendall(data)
            upstream.shutdown(socket.SHUT_WR)
        else:
            self.before += 1
            upstream.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _down(upstream: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := upstream.recv(65_536):
                client.sendall(data)


@pytest.fixture
def proxy(still_line: Line) -> Iterator[Proxy]:
    parts = urlsplit(str(still_line.settings.database_url))
    made = Proxy(str(parts.hostname), int(parts.port or 5432))
    yield made
    made.close()


@pytest.mark.timeout(300 + CUTS)
def test_a_commit_whose_answer_is_lost_is_done_once(still_line: Line, proxy: Proxy, eventually: Eventually) -> None:
    line = still_line
    parts = urlsplit(str(line.settings.database_url))
    through = parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{proxy.port}")).geturl()
    cut_off = line.settings.model_copy(update={"database_url": through})
    line.services["processor"] = Running({"processor": bootstrap.processor_app(cut_off, Health(), "processor-0").run})
    line.start("intake", "relay", "retrier")
    orders = [line.state_order(shopify_order(98_000 + number)) for number in range(ORDERS)]
    eventually(lambda: line.one("select count(*) from orders") == len(orders), 60, what="the orders in the book")

    proxy.cutting.set()
    asked: dict[int, int] = dict.fromkeys(range(ORDERS), 0)
    rounds = 0
    while proxy.cuts < CUTS:
        before = proxy.cuts
        # In turn: an order that was edited thirty times asks for approval.
        for number in range(rounds % TURNS, ORDERS, TURNS):
            asked[number] += 1
            order = orders[number]
            line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 2 + asked[number]}))
        rounds += 1
        eventually(lambda: proxy.cuts > before, 30, what="the next cut")  # noqa: B023 -- asked at once
    proxy.cutting.clear()
    applied = "select count(*) from ticket where state = 'applied'"
    eventually(lambda: line.one(applied) == sum(asked.values()), 60, what="every edit applied")
    assert min(proxy.after, proxy.before) >= CUTS // 2 - 1
    for number, order in enumerate(orders):
        steps = line.rows("select new from history where order_id = %s and path like '/lines/%%/ordered' order by seq", order.order_id)
        assert list(range(3, 3 + asked[number])) == [int(bytes(new)) for (new,) in steps]
    assert 0 == line.one("select count(*) from dead_letter")
    assert () == line.findings()
