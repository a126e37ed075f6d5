"""A service as a process: its loops in threads, its health over HTTP, a clean end on SIGTERM and Ctrl-C.

The first loop that fails ends the process with its error: whoever runs us starts it again, and the offsets in
PostgreSQL say where to go on.
"""

import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from types import FrameType

from ordermend import bootstrap
from ordermend import settings as settings_module
from ordermend.local import stack
from ordermend.settings import Settings
from streaming.admin import check_topics
from telemetry import failpoints, logs
from telemetry import health as health_endpoints
from telemetry.health import Health

SWITCH_SECONDS = 0.0005
"""How long a thread may compute while another waits for the interpreter."""

Loop = Callable[[threading.Event], None]


def loops_of(service: str, settings: Settings, health: Health, instance: str | None, channels: Iterable[str]) -> dict[str, Loop]:
    """Return the loops of a service by name; `all` is every service in one process, but for the monitor, the console and the webhook door.

    `instance` names a static group member: whoever comes back under it within the session timeout gets its partitions at once.
    """
    if service == "monitor":
        return {"monitor": bootstrap.monitor(settings, health).run}
    makers: Mapping[str, Callable[[], dict[str, Loop]]] = {
        "intake": lambda: {
            f"intake-{name}": loop.run for name, loop in bootstrap.intake_loops(settings, health, channels, instance).items()
        },
        "processor": lambda: {"processor": bootstrap.processor_app(settings, health, instance or "processor-0").run},
        "relay": lambda: {"relay": bootstrap.relay(settings, health).run},
        "bulk": lambda: {"bulk": bootstrap.bulk_service(settings, health).run},
        "verifier": lambda: {
            "verifier": bootstrap.sampler(settings, health.loop("verifier")).run,
            "reconciler": bootstrap.reconciler(settings, health.loop("reconciler")).run,
            "rule-keeper": bootstrap.rule_keeper(settings, health.loop("rule-keeper")).run,
        },
        "settlement": lambda: {"settlement": bootstrap.settlement(settings, health).run},
        "fetcher": lambda: {"fetcher": bootstrap.fetcher(settings, health).run},
        "retrier": lambda: {"retrier": bootstrap.retrier(settings, health).run},
    }
    if service in {"console", "webhooks"}:
        from ordermend import web  # noqa: PLC0415 -- no other service needs a web framework

        return {service: web.console_loop(settings, health) if service == "console" else web.webhooks_loop(settings, health)}
    wanted = makers if service == "all" else {service: makers[service]}
    return {name: loop for make in wanted.values() for name, loop in make().items()}


class Running:
    """Loops in threads. `stop()` ends them all; `failure` is what ended one early."""

    def __init__(self, loops: Mapping[str, Loop]) -> None:
        self._stop = threading.Event()
        self.ended = threading.Event()
        self.failure: BaseException | None = None
        self._threads = [threading.Thread(target=self._run, args=(loop,), name=name, daemon=True) for name, loop in loops.items()]
        for thread in self._threads:
            thread.start()

    def _run(self, loop: Loop) -> None:
        try:
            loop(self._stop)
        except BaseException as error:  # noqa: BLE001 -- handed to the main thread, which raises it
            self.failure = self.failure or error
        self.ended.set()

    def stop(self, timeout_seconds: float = 30.0) -> None:
        """Ask every loop to finish its work, and wait."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout_seconds)


def settle_interpreter() -> None:
    """Take what start-up made out of the collector's sight, let it look less often, and let threads take turns more often.

    A batch makes some 50,000 short-lived objects that die by reference count. With Python's defaults the collector
    walks all of them again and again: measured, half of the processor's time. Cycles are still found.
    A thread that waits for the database or the broker wants the interpreter for a moment, some twenty times a batch; with Python's default
    it waits 5 ms each time for one that computes. Measured with all services on two busy cores: a third of an edit's way.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    sys.setswitchinterval(SWITCH_SECONDS)


def serve_until_stopped(service: str, instance: str | None, channels: Iterable[str], host: str, port: int) -> None:
    """Run a service until a signal comes or a loop fails."""
    settings = stack.connected(settings_module.load())
    logs.configure(settings.log_level)
    health = Health()
    server = health_endpoints.serve(health, host, port)
    log = logs.logger(service)
    failpoints.arm(settings.failpoints)
    if settings.failpoints:
        log.warning("failpoints_armed", failpoints=settings.failpoints)
    asked = threading.Event()

    def ask(number: int, _frame: FrameType | None) -> None:
        log.info("stopping", signal=signal.Signals(number).name)
        asked.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    settle_interpreter()
    check_topics(bootstrap.bootstrap_of(settings), bootstrap.all_topics(settings.topic_prefix))
    running = Running(loops_of(service, settings, health, instance, channels))
    health.started = True
    log.info("started", instance=instance, health=f"http://{host}:{server.server_address[1]}")
    while not asked.is_set() and not running.ended.wait(0.2):
        pass
    running.stop()
    server.shutdown()
    if running.failure is not None:
        raise running.failure
