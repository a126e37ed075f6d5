"""Services as one child process of the demo: `python -m ordermend.local.demo.services NAME…`.

Guarantee: it ends when its parent does, however the parent ended: the parent holds the other end of standard input.
"""

import os
import signal
import sys
import threading
from collections.abc import Sequence

from ordermend import serving
from ordermend import settings as settings_module
from ordermend.local import stack
from telemetry import health as health_endpoints
from telemetry import logs
from telemetry.health import Health


def main(names: Sequence[str]) -> None:
    """Run the named services until SIGTERM, or until one of them fails."""
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: asked.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    settings = stack.connected(settings_module.load())
    logs.configure(settings.log_level, people=False)
    serving.settle_interpreter()
    health = Health()
    server = health_endpoints.serve(health, "127.0.0.1", 0)
    loops = {name: loop for service in names for name, loop in serving.loops_of(service, settings, health, "processor-0", ()).items()}
    running = serving.Running(loops)
    health.started = True
    logs.logger("demo").info("started", services=list(names), health=f"http://127.0.0.1:{server.server_address[1]}")
    while not asked.is_set() and not running.ended.wait(0.1):
        pass
    running.stop()
    server.shutdown()
    if running.failure is not None:
        raise running.failure


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1:])
