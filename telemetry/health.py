"""Liveness, readiness and metrics of a process, over HTTP on loopback or a pod's address.

`/livez` is about this process alone: its loop goes round, its poll is recent, no handler hangs, no fatal client
error. It never looks at Kafka, PostgreSQL or lag: restarting cures none of them, and restarting everything at once
makes an outage of a blip. `/readyz` says whether it can do useful work now. `/metrics` is Prometheus text.

Rules and figures: docs/architecture.md, "Health".
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from telemetry.metrics import LOOP_TICK_SECONDS

TICK_SECONDS = 30.0
HANDLER_SECONDS = 300.0
JOIN_SECONDS = 600.0


@dataclass
class Health:
    """What the loop reports; read by the endpoints. All times are monotonic seconds."""

    clock: Callable[[], float] = time.monotonic
    name: str = "main"
    """Which loop of the process this is."""
    started: bool = False
    fatal: str | None = None
    join_state: str = "init"
    _tick: float = field(default=0.0)
    _ticked: bool = False
    _handler: float | None = None
    _join_since: float = 0.0
    _not_ready: dict[str, str] = field(default_factory=dict)
    _loops: dict[str, "Health"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._tick = self._join_since = self.clock()

    def loop(self, name: str) -> "Health":
        """Return what one of several loops of this process reports to: one that stands still is seen beside those that go on."""
        self._loops[name] = Health(self.clock, name)
        return self._loops[name]

    def tick(self) -> None:
        """The loop went round."""
        self._tick, self._ticked = self.clock(), True
        LOOP_TICK_SECONDS.labels(self.name).set_to_current_time()

    def handling(self, *, begins: bool) -> None:
        """A batch begins or ends."""
        self._handler = self.clock() if begins else None

    def join(self, state: str) -> None:
        """The group member's join state, from the client's statistics."""
        if state != self.join_state:
            self.join_state, self._join_since = state, self.clock()

    def ready(self, part: str, why_not: str | None = None) -> None:
        """Say that a part (database, kafka, assignment, lanes) is ready, or why it is not."""
        if why_not is None:
            self._not_ready.pop(part, None)
        else:
            self._not_ready[part] = why_not

    def liveness(self) -> dict[str, str]:
        """Return what is wrong with the process itself; empty means alive."""
        now = self.clock()
        problems = {}
        if self.fatal:
            problems["fatal"] = self.fatal
        hangs = self._handler is not None and now - self._handler > HANDLER_SECONDS
        if hangs:
            problems["handler"] = f"a batch has been handled for more than {HANDLER_SECONDS:.0f} s"
        # A process whose loops all report for themselves has no round of its own.
        own = self._ticked or not self._loops
        if own and self._handler is None and now - self._tick > TICK_SECONDS:
            problems["loop"] = f"the loop has not gone round for {now - self._tick:.0f} s"
        if self.join_state not in ("init", "steady") and now - self._join_since > JOIN_SECONDS:
            problems["join"] = f"the group member has been in {self.join_state} for {now - self._join_since:.0f} s"
        for name, loop in self._loops.items():
            problems |= {f"{name} {part}": problem for part, problem in loop.liveness().items()}
        return problems

    def startup(self) -> dict[str, str]:
        """Return why the process has not finished starting; empty means it has."""
        return {} if self.started else {"start": "still starting"}

    def readiness(self) -> dict[str, str]:
        """Return why no useful work can be done now; empty means ready."""
        parts = {f"{name} {part}": why for name, loop in self._loops.items() for part, why in loop._not_ready.items()}  # noqa: SLF001 -- one of ours
        return dict(self._not_ready) | parts | self.startup() | self.liveness()


def serve(health: Health, host: str, port: int) -> ThreadingHTTPServer:
    """Serve the endpoints in a thread of their own; port 0 chooses a free one (see `server_address`)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest())
                return
            checks = {
                "/livez": health.liveness,
                "/readyz": health.readiness,
                "/startupz": health.startup,
            }
            check = checks.get(self.path)
            if check is None:
                self._answer(404, "application/json", b'{"error":"not found"}')
                return
            problems = check()
            body = json.dumps({"ok": not problems, "problems": problems}).encode()
            self._answer(503 if problems else 200, "application/json", body)

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Probes are not logged."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
