"""A console is told to stop while somebody watches an order: the stream ends whole, and the process does not wait for it.

The server waits for answers under way before it goes; a stream that did not end by itself would be cut off after the grace.
"""

import http.client
import json
import threading
import time

from console import serving
from console.serving import GRACE_SECONDS
from ordermend import web
from ordermend.local.processes import accepts, free_port
from telemetry.health import Health
from tests.api import ISSUER, Published, token
from tests.conftest import Eventually
from tests.line import Line, shopify_order


def test_a_stream_ends_whole_when_the_process_is_stopped(line: Line, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(6901))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    port, stop = free_port(None), threading.Event()
    settings = line.settings.model_copy(update={"issuer_url": ISSUER})
    loop = serving.loop(lambda: web.console(settings, keys=Published()), "127.0.0.1", port, "http://127.0.0.1", Health())
    server = threading.Thread(target=loop, args=(stop,), name="console")
    server.start()
    eventually(lambda: accepts(port), what="the console answering")
    watching = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    watching.request("GET", f"/api/v1/orders/{order.order_id}/events?seconds=600", headers={"Authorization": f"Bearer {token()}"})
    stream = watching.getresponse()
    assert 200 == stream.status
    ticket = line.ticket(order.order_id, ("set_note", {"note": "leave it at the door"}))
    told: dict[str, str] = {}
    while told.get(str(ticket)) != "applied":
        row = stream.readline()
        assert row, "the stream ended before the outcome"
        if row.startswith(b"data: "):
            told = json.loads(row[6:])["tickets"]
    asked = time.monotonic()
    stop.set()
    stream.read()  # raises IncompleteRead where the answer is cut off
    ended = time.monotonic() - asked
    stream.close()
    watching.close()
    server.join(30)
    assert not server.is_alive()
    assert ended < GRACE_SECONDS
