"""The console as a loop of a service process: a web server in this thread until it is told to stop."""

import threading
from collections.abc import Callable
from typing import Final

import uvicorn

from console.app import Console
from telemetry.health import Health
from telemetry.logs import logger

TICK_SECONDS: Final = 1.0
GRACE_SECONDS: Final = 5


def loop(make: Callable[[], Console], host: str, port: int, url: str, health: Health) -> Callable[[threading.Event], None]:
    """Return the loop. `make` puts the application together, in the thread that serves it."""

    def run(stop: threading.Event) -> None:
        config = uvicorn.Config(
            make().asgi, host=host, port=port, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=GRACE_SECONDS,
            lifespan="on",
        )  # fmt: skip
        server = uvicorn.Server(config)

        def watch() -> None:
            while not stop.wait(TICK_SECONDS):
                if server.started:
                    health.tick()
            server.should_exit = True

        threading.Thread(target=watch, name="console-watch", daemon=True).start()
        logger("console").info("serving", url=url)
        server.run()

    return run
