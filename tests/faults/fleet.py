"""The processes of a fault run: started by name, killed, frozen and thawed by their own handles, stopped at the end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from ordermend.settings import Settings

SERVICES = {
    "processor-0": ("processor", "--instance", "processor-0"),
    "processor-1": ("processor", "--instance", "processor-1"),
    "intake": ("intake", "--channel", "shopify", "--instance", "intake-0"),
    "relay": ("relay",),
    "retrier": ("retrier",),
}


def environment(settings: Settings, failpoints: str = "") -> dict[str, str]:
    """Return what makes a process of ours work on the settings' installation."""
    return {
        **os.environ,
        "ORDERMEND_HOME": str(settings.home),
        "ORDERMEND_KEYS_DIR": str(settings.keys_dir),
        "ORDERMEND_TOPIC_PREFIX": settings.topic_prefix,
        "ORDERMEND_DB_SCHEMA": settings.db_schema,
        "ORDERMEND_FAILPOINTS": failpoints,
        "ORDERMEND_PORTS": settings.ports or "simulated",
        "ORDERMEND_SOURCES": settings.sources or "simulated",
        "KAFKA_BOOTSTRAP_SERVERS": str(settings.kafka_bootstrap_servers),
        "DATABASE_URL": str(settings.database_url),
    }


class Fleet:
    """Running processes by name. `with Fleet(...) as fleet:` leaves none behind, whatever happens."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._begun: dict[str, int] = {}
        """Where in its log a process's present life begins."""
        self.frozen: dict[str, float] = {}
        """Name -> when to thaw it [monotonic s]."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in tuple(self._running):
            self.kill(name)

    def start(self, name: str, failpoints: str = "") -> None:
        """Start a process; its log is kept over restarts."""
        with (self._folder / f"{name}.log").open("ab") as log:
            self._begun[name] = log.tell()
            command = [sys.executable, "-m", "ordermend", "run", *SERVICES.get(name, (name,))]
            self._running[name] = subprocess.Popen(command, env=environment(self._settings, failpoints), stdout=log, stderr=log)

    def has_started(self, name: str) -> bool:
        """Whether it says that it runs: before that it knows no signal."""
        with (self._folder / f"{name}.log").open("rb") as log:
            log.seek(self._begun[name])
            return b'"event":"started"' in log.read().replace(b": ", b":")

    def kill(self, name: str) -> None:
        """Kill it on the spot (SIGKILL works on a frozen one too)."""
        process = self._running.pop(name)
        self.frozen.pop(name, None)
        process.kill()
        process.wait()

    def stop(self, name: str, seconds: float = 30.0) -> int:
        """Ask it to finish (SIGTERM); return its exit code."""
        process = self._running.pop(name)
        process.terminate()
        return process.wait(seconds)

    def freeze(self, name: str, seconds: float) -> None:
        """Stop its clockwork (SIGSTOP): it does not know that it loses its partitions meanwhile."""
        self._running[name].send_signal(signal.SIGSTOP)
        self.frozen[name] = time.monotonic() + seconds

    def thaw(self, *, every: bool = False) -> None:
        """Let go on (SIGCONT) what was frozen for long enough, or all."""
        for name, until in tuple(self.frozen.items()):
            if every or time.monotonic() >= until:
                self._running[name].send_signal(signal.SIGCONT)
                del self.frozen[name]

    def is_stopped(self, name: str) -> bool:
        """Whether the process has stopped its own clockwork."""
        state = Path(f"/proc/{self._running[name].pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "T"

    def wake(self, name: str) -> None:
        """Let a process go on that stopped itself."""
        self._running[name].send_signal(signal.SIGCONT)

    def log(self, name: str, *, clear: bool = False) -> str:
        """Return what a process logged; with `clear` it begins anew."""
        path = self._folder / f"{name}.log"
        text = path.read_text(errors="replace")
        if clear:
            path.write_text("")
        return text

    def exit_code(self, name: str) -> int | None:
        """Return how a process ended by itself, or None while it runs."""
        return self._running[name].poll()

    def revive(self, failpoints: dict[str, str]) -> int:
        """Start again what ended by itself; return how many."""
        ended = [name for name, process in self._running.items() if process.poll() is not None]
        for name in ended:
            self._running.pop(name).wait()
            self.start(name, failpoints.get(name, ""))
        return len(ended)

    @property
    def names(self) -> list[str]:
        """Return what runs and is not frozen."""
        return [name for name in self._running if name not in self.frozen]
