"""What the stack knows of each server it runs, and what it asks of the code that starts one.

`Part` is what the state file keeps; `Server` is the one interface behind which broker, database and issuer stand.
"""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from ordermend.local.processes import Identity, Starting


class Part(BaseModel):
    """One server of the stack. `pid` is None while it is stopped; `environment` is what makes other processes use it."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    address: str
    port: int
    ports: dict[str, int] = {}
    pid: int | None = None
    started: str | None = None
    directory: Path
    log: Path
    environment: dict[str, str] = {}

    @property
    def process(self) -> Identity | None:
        """Return the server's process, if it was started and not stopped since."""
        return None if self.pid is None or self.started is None else Identity(self.pid, self.started)

    def stopped(self) -> "Part":
        """Return the part without its process; ports stay, so that the next start gets the same addresses."""
        return self.model_copy(update={"pid": None, "started": None})


class Server(Protocol):
    """How one server is started and stopped."""

    @property
    def name(self) -> str:
        """Key in the state file."""

    @property
    def title(self) -> str:
        """Name for people."""

    @property
    def directory(self) -> Path:
        """Where it keeps its data; its working directory is here, which is how a left-over is recognised."""

    @property
    def log(self) -> Path:
        """File that takes what it prints."""

    @property
    def programs(self) -> frozenset[str]:
        """Names of the executables it consists of."""

    @property
    def stop_signal(self) -> signal.Signals:
        """Signal that ends it in order."""

    def start(self, starting: Starting, ports: Mapping[str, int]) -> Part:
        """Start it and return when it answers. `ports` are those of the last time, taken again if free."""
