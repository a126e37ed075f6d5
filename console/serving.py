"""An application as a loop of a service process: a web server in this thread until it is told to stop."""

import threading
from collections.abc import Callable
from typing import Final, Literal

import uvicorn
from starlette.types import ASGIApp

from console.app import Console
from telemetry.health import Health
from telemetry.logs import logger

TICK_SECONDS: Final = 1.0
GRACE_SECONDS: Final = 5


def loop(make: Callable[[], Console], host: str, port: int, url: str, health: Health) -> Callable[[threading.Event], None]:
    """Return the loop. `make` puts the application together, in the thread that serves it."""

    def run(stop: threading.Event) -> None:
        made = make()
        serve(made.asgi, host, port, url, health, "console", lifespan="on", closing=made.closing)(stop)

    return run


def serve(
    app: ASGIApp,
    host: str,
    port: int,
    url: str,
    health: Health,
    name: str,
    *,
    lifespan: Literal["on", "off"] = "off",
    closing: Callable[[], None] = lambda: None,
) -> Callable[[threading.Event], None]:
    """Return a loop that serves `app`. `closing` is called when it is told to stop, before answers under way are waited for."""

    def run(stop: threading.Event) -> None:
        config = uvicorn.Config(
            app, host=host, port=port, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=GRACE_SECONDS,
            lifespan=lifespan,
        )  # fmt: skip
        server = uvicorn.Server(config)

        def watch() -> None:
            while not stop.wait(TICK_SECONDS):
                if server.started:
                    health.tick()
            closing()
            server.should_exit = True

        threading.Thread(target=watch, name=f"{name}-watch", daemon=True).start()
        logger(name).info("serving", url=url)
        server.run()

    return run
