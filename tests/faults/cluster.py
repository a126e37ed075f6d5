"""Three brokers on loopback: what is written stands in two places before it counts, so one may be killed at any time.

Each node is broker and controller in one; the jars and the way of starting are the local stack's.
Source: Apache Kafka 4.4 KRaft operations guide (static quorum, minimum in-sync replicas), read 2026-11-24.
"""

import base64
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from ordermend.local import kafka, kafka_jars
from ordermend.local.processes import accepts, free_port, remove_strays

NODES = 3
START_SECONDS = 120.0
REPLICATED = {
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
    "controller.quorum.election.timeout.ms": "1000",
    "controller.quorum.fetch.timeout.ms": "2000",
}


class Cluster:
    """`with Cluster(...) as cluster:` starts three brokers and leaves none behind."""

    def __init__(self, folder: Path, jars: Path) -> None:
        self._folder = folder
        self._java = kafka.find_java()
        self._jars = jars
        if kafka_jars.problems(jars):
            jars.mkdir(parents=True, exist_ok=True)
            subprocess.run([sys.executable, "-m", "ordermend.local.kafka_jars", str(jars)], check=True)
        taken: set[int] = set()
        for _ in range(2 * NODES):
            taken.add(free_port(avoid=frozenset(taken)))
        ports = sorted(taken)
        self._brokers, self._controllers = ports[:NODES], ports[NODES:]
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def bootstrap(self) -> str:
        """Return all brokers' addresses."""
        return ",".join(f"127.0.0.1:{port}" for port in self._brokers)

    def __enter__(self) -> Self:
        cluster_id = base64.urlsafe_b64encode(b"O" + secrets.token_bytes(15)).decode().rstrip("=")
        for node in range(NODES):
            self._home(node).mkdir(parents=True)
            self._configure(node)
            subprocess.run(
                self._command(node, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._config(node))),
                check=True, capture_output=True, cwd=self._home(node),
            )  # fmt: skip
        for node in range(NODES):
            self.start(node)
        self.await_all()
        return self

    def __exit__(self, *_: object) -> None:
        for node in tuple(self._running):
            self.kill(node)
        remove_strays(self._folder, kafka.KafkaServer.programs, kafka.KafkaServer.stop_signal, 10)

    def kill(self, node: int) -> None:
        """Kill a broker on the spot."""
        process = self._running.pop(node)
        process.kill()
        process.wait()

    def start(self, node: int) -> None:
        """Start a broker on its data."""
        with (self._home(node) / "kafka.log").open("ab") as log:
            command = self._command(node, "kafka.Kafka", str(self._config(node)))
            self._running[node] = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._home(node))

    def await_all(self) -> None:
        """Wait until every broker takes connections."""
        deadline = time.monotonic() + START_SECONDS
        while not all(accepts(port) for port in self._brokers):
            if time.monotonic() > deadline:
                raise RuntimeError(f"not all brokers came up; see {self._folder}/node-*/kafka.log")
            time.sleep(0.1)

    def _home(self, node: int) -> Path:
        return self._folder / f"node-{node}"

    def _config(self, node: int) -> Path:
        return self._home(node) / "server.properties"

    def _configure(self, node: int) -> None:
        voters = ",".join(f"{index + 1}@127.0.0.1:{port}" for index, port in enumerate(self._controllers))
        settings = kafka.SETTINGS | REPLICATED | {
            "node.id": str(node + 1),
            "listeners": f"BROKER://127.0.0.1:{self._brokers[node]},CONTROLLER://127.0.0.1:{self._controllers[node]}",
            "advertised.listeners": f"BROKER://127.0.0.1:{self._brokers[node]}",
            "controller.quorum.voters": voters,
            "log.dirs": str(self._home(node) / "data"),
        }  # fmt: skip
        self._config(node).write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def _command(self, node: int, program: str, *arguments: str) -> list[str]:
        scratch = f"-Djava.io.tmpdir={self._home(node)}"
        return [str(self._java), *kafka.JVM, scratch, "-cp", kafka_jars.classpath(self._jars), program, *arguments]
