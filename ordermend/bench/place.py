"""Where a bench run lives: topics and a schema of its own on the stack that runs, gone at the end; and its children.

Guarantee: whatever ends the run, its schema and topics are dropped, its processes are stopped, and so is the stack if
           this run started it.
"""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # re-exported without being named

from ordermend import bootstrap
from ordermend.bench.child import Job
from ordermend.bench.failure import BenchInvalid
from ordermend.local import stack as local_stack
from ordermend.local.processes import python_environment, wait_until
from ordermend.progress import Report as Phases
from ordermend.settings import Settings
from schemas.topics import PARTITIONS, Topic
from store.database import drop_schema
from streaming.admin import create_topics

STOP_SECONDS = 60.0
LEADER_SECONDS = 30.0


@dataclass(frozen=True)
class Place:
    """The run's settings, the environment of its children, and a folder for what they print."""

    settings: Settings
    environment: Mapping[str, str]
    folder: Path
    admin: AdminClient

    @property
    def bootstrap(self) -> str:
        """The brokers."""
        return bootstrap.bootstrap_of(self.settings)

    def new_topic(self, name: str) -> str:
        """Make a topic under the run's prefix and return its whole name."""
        topic = Topic(f"{self.settings.topic_prefix}bench.{name}", "the source's", 86_400_000)
        create_topics(self.bootstrap, [topic])
        if not wait_until(lambda: self._answers(topic.name), LEADER_SECONDS):
            raise BenchInvalid(f"{topic.name} has no leader after {LEADER_SECONDS:g} s")
        return topic.name

    def _answers(self, topic: str) -> bool:
        """Whether every partition of a topic that was just made has its leader."""
        try:
            return self.ends(topic) == 0
        except KafkaException:
            return False

    def ends(self, topic: str) -> int:
        """Return how many records were ever appended to a topic: the sum of its partitions' ends."""
        return _ends(self.admin, topic)

    def await_ends(self, topic: str, records: int, child: "Child", timeout_seconds: float) -> float:
        """Wait until a topic holds so many records; return the unix time at which it did."""
        deadline = time.monotonic() + timeout_seconds
        while (found := _ends(self.admin, topic)) < records:
            child.check()
            if time.monotonic() > deadline:
                raise BenchInvalid(f"{topic} holds {found} of {records} records after {timeout_seconds:.0f} s")
            time.sleep(0.02)
        return time.time()


def _ends(admin: AdminClient, topic: str) -> int:
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the client does not say what it returns
    wanted = {TopicPartition(topic, partition): latest for partition in range(PARTITIONS)}
    return sum(future.result(20).offset for future in admin.list_offsets(wanted).values())


@contextlib.contextmanager
def fresh(settings: Settings, progress: Phases) -> Iterator[Place]:
    """Start what does not run, make a fresh place on it, and clean up at the end."""
    ours = not any(part.pid for part in local_stack.status(settings) if part.state == "running")
    with contextlib.ExitStack() as cleanup:
        stack = local_stack.up(settings, progress)
        if ours:
            cleanup.callback(local_stack.down, settings)
        name = f"ordermend_bench_{time.strftime('%Y%m%d%H%M%S', time.gmtime())}"
        here = local_stack.connected(settings).model_copy(update={"topic_prefix": f"{name}.", "db_schema": name})
        cleanup.callback(_drop, here)
        progress("Order book", "making a fresh one")
        bootstrap.prepare(here)
        progress("Order book", "ready")
        environment = python_environment() | stack.environment()
        environment |= {"ORDERMEND_TOPIC_PREFIX": here.topic_prefix, "ORDERMEND_DB_SCHEMA": here.db_schema}
        folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="ordermend-bench-")))
        yield Place(here, environment, folder, AdminClient({"bootstrap.servers": bootstrap.bootstrap_of(here)}))


def _drop(settings: Settings) -> None:
    drop_schema(settings.migration_url or bootstrap.database_of(settings), settings.db_schema)
    admin = AdminClient({"bootstrap.servers": bootstrap.bootstrap_of(settings)})
    mine = [name for name in admin.list_topics(timeout=20).topics if name.startswith(settings.topic_prefix)]
    for deleted in admin.delete_topics(mine, operation_timeout=20).values() if mine else ():
        with contextlib.suppress(KafkaException):
            deleted.result(20)


class Child:
    """A child of the bench. `with Child(place, job) as child:` stops it at the end, whatever happens."""

    def __init__(self, place: Place, job: Job) -> None:
        self._name = job.kind
        self._log = place.folder / f"{job.kind}-{job.ordinal}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 -- our own program
                [sys.executable, "-m", "ordermend.bench.child", job.text()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=dict(place.environment),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def check(self) -> None:
        """Raise if the child has ended."""
        if self._process.poll() is not None:
            raise self._failed()

    def answer(self) -> dict[str, Any]:
        """Return the next line the child prints; raise if it ends instead."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait(STOP_SECONDS)
            raise self._failed()
        found: dict[str, Any] = json.loads(line)
        return found

    def finish(self) -> dict[str, Any]:
        """Tell the child to end, and return its last line."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        last = self.answer()
        self._process.wait(STOP_SECONDS)
        return last

    def _failed(self) -> BenchInvalid:
        error = BenchInvalid(f"the bench's {self._name} process ended with code {self._process.returncode}")
        for line in self._log.read_text("utf-8", "replace").splitlines()[-8:]:
            error.add_note(line[:300])
        return error
