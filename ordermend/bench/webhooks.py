"""The webhook door's speed: a door process as `ordermend run webhooks` starts it, signed bodies over HTTP, more and more at once.

Output:  for each number of connections: requests taken a second (answered 202, so Kafka has them), the time an answer took at the median, the 95th and the 99th
         percentile, and the share that was told to come again (429). The clients share the machine's processors with door and broker.
Fails:   BenchInvalid where an answer is neither 202 nor 429, a 429 says not when to come again, or the topic holds another number
         of records than was answered 202.
"""

import asyncio
import hmac
import subprocess
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from statistics import quantiles

from intake.endpoints import FILE
from intake.webhooks import IN_FLIGHT
from ordermend.bench.documents import CHANNEL, document
from ordermend.bench.failure import BenchInvalid
from ordermend.bench.place import STOP_SECONDS, Place
from ordermend.bench.report import Figures
from ordermend.local.processes import accepts, free_port, wait_until
from ordermend.progress import Report as Phases

CONNECTIONS = (1, 8, 32, 128, 2 * IN_FLIGHT)
"""The last is overload: twice what the door takes at once."""
ACCOUNT = "bench"
DOCUMENTS = 500
SECRET = "made-for-the-bench-alone"  # noqa: S105 -- of a door that lives for the length of the bench
TAKEN, LATER = 202, 429
START_SECONDS = 60.0


@dataclass
class Level:
    """What came of one number of connections."""

    connections: int
    seconds: float = 0.0
    taken_ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def figures(self) -> Figures:
        """Return what is reported of it."""
        cuts = quantiles(self.taken_ms, n=100) if len(self.taken_ms) > 1 else [0.0] * 99
        every = sum(self.statuses.values())
        return {
            "connections": self.connections,
            "taken_per_second": round(self.statuses[TAKEN] / self.seconds),
            "answered_per_second": round(every / self.seconds),
            "p50_ms": round(cuts[49], 1),
            "p95_ms": round(cuts[94], 1),
            "p99_ms": round(cuts[98], 1),
            "told_to_come_again": round(self.statuses[LATER] / every, 4) if every else 0.0,
        }


def measure_webhooks(place: Place, seconds: float, progress: Phases) -> Figures:
    """Drive the door with each number of connections in turn, `seconds` long."""
    topic = f"{place.settings.topic_prefix}orders.raw.{CHANNEL}.v1"
    port = free_port()
    requests = [_request(number, port) for number in range(DOCUMENTS)]
    levels = []
    with _door(place, port):
        asyncio.run(_drive(Level(8), port, requests, 1.0))
        warm = place.ends(topic)
        for connections in CONNECTIONS:
            progress("Webhooks", f"{connections} connections for {seconds:g} s")
            level = Level(connections)
            asyncio.run(_drive(level, port, requests, seconds))
            levels.append(level)
    taken, arrived = sum(level.statuses[TAKEN] for level in levels), place.ends(topic) - warm
    if taken != arrived:
        raise BenchInvalid(f"{taken} requests were answered {TAKEN}, and Kafka has {arrived} of them")
    return {"webhooks": {"body_bytes": len(requests[0]), "levels": [level.figures() for level in levels]}}


def _request(number: int, port: int) -> bytes:
    """Return a whole signed request; every sending of it is a record, the event's id being the same."""
    _, body = document(number)
    signature = b64encode(hmac.new(SECRET.encode(), body, sha256).digest()).decode()
    head = (
        f"POST /webhooks/{CHANNEL}/{ACCOUNT} HTTP/1.1",
        f"host: 127.0.0.1:{port}",
        f"content-length: {len(body)}",
        "content-type: application/json",
        "x-shopify-topic: orders/create",
        f"x-shopify-webhook-id: bench-{number}",
        f"x-shopify-hmac-sha256: {signature}",
        "",
        "",
    )
    return "\r\n".join(head).encode() + body


@contextmanager
def _door(place: Place, port: int) -> Iterator[None]:
    """Run the door as a process, with keys of its own: nothing of the installation's is touched."""
    keys = place.folder / "door-keys"
    keys.mkdir()
    (keys / FILE).write_text(f'[[endpoint]]\nchannel = "{CHANNEL}"\naccount = "{ACCOUNT}"\nsecrets = ["{SECRET}"]\n')
    environment = {
        **place.environment, "ORDERMEND_KEYS_DIR": str(keys), "ORDERMEND_WEBHOOKS_LISTEN": f"127.0.0.1:{port}",
        "ORDERMEND_LOG_LEVEL": "WARNING",
    }  # fmt: skip
    log = place.folder / "door.log"
    with log.open("wb") as out:
        door = subprocess.Popen([sys.executable, "-m", "ordermend", "run", "webhooks"], env=environment, stdout=out, stderr=out)
    try:
        if not wait_until(lambda: accepts(port) or door.poll() is not None, START_SECONDS) or door.poll() is not None:
            raise BenchInvalid(f"the door did not open: {log.read_text('utf-8', 'replace')[-500:]}")
        yield
    finally:
        door.terminate()
        try:
            door.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            door.kill()
            door.wait()


async def _drive(level: Level, port: int, requests: list[bytes], seconds: float) -> None:
    """Send over `level.connections` kept-alive connections, each its next request when the last was answered."""
    began = time.perf_counter()
    until = began + seconds
    await asyncio.gather(*(_sender(level, port, requests, until, start) for start in range(level.connections)))
    level.seconds = time.perf_counter() - began


async def _sender(level: Level, port: int, requests: list[bytes], until: float, start: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    place = start * 17
    try:
        while (now := time.perf_counter()) < until:
            writer.write(requests[place % len(requests)])
            status, later = await _answer(reader)
            level.statuses[status] += 1
            place += 1
            if status == TAKEN:
                level.taken_ms.append((time.perf_counter() - now) * 1000)
            elif status != LATER or later is None:
                raise BenchInvalid(f"the door answered {status}, Retry-After {later}")
            else:
                # A sender that keeps to what it is told waits longer; this one is a load, and only lets others in.
                await asyncio.sleep(0.05)
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, str | None]:
    """Return the status and what Retry-After says."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
    await reader.readexactly(int(headers.get("content-length", "0")))
    return int(head[0].split()[1]), headers.get("retry-after")
