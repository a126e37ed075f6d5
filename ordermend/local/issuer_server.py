"""The token issuer as a process of the stack; what it hands out is in `issuer.py`.

Kept apart so that starting the stack does not load a web framework.
"""

import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ordermend.local.parts import Part
from ordermend.local.processes import Starting, accepts, free_port, python_environment


@dataclass(frozen=True)
class IssuerServer:
    """The issuer: log below `directory`, its key in `keys`."""

    directory: Path
    keys: Path

    name = "issuer"
    title = "Token issuer"
    programs = frozenset({Path(sys.executable).resolve().name})
    stop_signal = signal.SIGTERM

    @property
    def log(self) -> Path:
        """File that takes what the issuer prints."""
        return self.directory / "issuer.log"

    def start(self, starting: Starting, ports: Mapping[str, int]) -> Part:
        """Start it and wait until it listens."""
        port = free_port(ports.get("http"))
        starting.report("starting")
        command = [sys.executable, "-m", "ordermend.local.issuer", "--port", str(port), "--keys", str(self.keys)]
        process = starting.spawn(command, self.directory, python_environment())
        starting.wait(process, lambda: accepts(port), 60)
        address = f"http://127.0.0.1:{port}"
        return Part(
            name=self.name,
            title=self.title,
            address=address,
            port=port,
            ports={"http": port},
            pid=process.pid,
            started=process.started,
            directory=self.directory,
            log=self.log,
            environment={"ORDERMEND_ISSUER_URL": address},
        )
