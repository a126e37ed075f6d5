"""One measured process: `python -m ordermend.bench.child JOB`, JOB being a `Job` as JSON.

Output:  JSON lines on standard output. An intake job: its seconds. A processor job: the moment its first batch began
         (`{"first": unix time}`), and at the end of standard input what its threads and stages took.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from confluent_kafka import Message

from intake.app import IntakeLoop, Transform, channel_transform
from normalizers import discover
from ordermend import bootstrap
from ordermend import settings as settings_module
from ordermend.bench import bare_loop
from ordermend.bench.documents import CHANNEL
from ordermend.bench.function import Function, given
from ordermend.bench.profiling import profiled
from ordermend.serving import Loop, Running, loops_of, settle_interpreter
from ordermend.settings import Settings
from streaming.producer import Record
from telemetry import logs
from telemetry.health import Health
from telemetry.metrics import INTAKE_RECORDS, STAGE_SECONDS

Kind = Literal["bare", "loop", "full", "processor"]


@dataclass(frozen=True)
class Job:
    """What a child does. `source`, `out` and `messages` are for intake, `ordinal` for a processor; `profile` is the folder for cProfile's files."""

    kind: Kind
    source: str = ""
    out: str = ""
    messages: int = 0
    peers: str | None = None
    profile: str | None = None
    ordinal: int = 0

    def text(self) -> str:
        """Return the job as JSON."""
        return json.dumps(asdict(self))

    def profile_file(self, name: str) -> Path | None:
        """Return where the figures of a thread go, or None."""
        return Path(self.profile) / f"{name}.prof" if self.profile else None


def main() -> None:
    """Do the job named by the first argument."""
    job = Job(**json.loads(sys.argv[1]))
    settings = settings_module.load()
    logs.configure("warning")
    settle_interpreter()
    if job.kind == "processor":
        _processor(job, settings)
    else:
        _say(_intake(job, settings))


def _say(found: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def _intake(job: Job, settings: Settings) -> dict[str, Any]:
    servers = bootstrap.bootstrap_of(settings)
    peers = Path(job.peers) if job.peers else None
    if job.kind == "bare":
        return {"seconds": bare_loop.run(servers, job.source, job.out, job.messages, given(peers))}
    if job.kind == "loop":
        return _loop(job, servers, _around(given(peers), job.out))
    own = bootstrap.signer(settings, "intake", "intake")
    found = _loop(job, servers, channel_transform(discover()[CHANNEL], job.out, own))
    accepted = INTAKE_RECORDS.labels(CHANNEL, "accept")._value.get()  # noqa: SLF001 -- the client offers no public way
    return {**found, "accepted": accepted}


def _around(function: Function, out: str) -> Transform:
    def transform(messages: Sequence[Message]) -> Sequence[Record]:
        return [Record(out, message.key(), function(message.value() or b"")) for message in messages]

    return transform


def _loop(job: Job, servers: str, transform: Transform) -> dict[str, float]:
    """Run intake's loop over the whole source topic; return the seconds, and those of processor time, from its first message to the last confirmation."""
    began: list[float] = []
    used: list[float] = []

    def noted(messages: Sequence[Message]) -> Sequence[Record]:
        if messages and not began:
            began.append(time.perf_counter())
            used.append(time.process_time())
        return transform(messages)

    loop = IntakeLoop(servers, job.out, job.source, noted, Health())
    stop, done = threading.Event(), 0
    with profiled(job.profile_file("intake")):
        while done < job.messages:
            done += loop.step(stop)
        loop.settle(stop)
    found = {"seconds": time.perf_counter() - began[0], "cpu_seconds": time.process_time() - used[0]}
    stop.set()
    loop.run(stop)
    return found


class _FirstWork(Health):
    """Health as ever, and when the first batch was polled: `first` is unix time, `used` the process's processor time by then."""

    def handling(self, *, begins: bool) -> None:
        """Note the first batch; it was polled before it was read."""
        if begins and not self.began.is_set():
            self.first = time.time() - _stage_seconds().get("read", 0.0)
            self.used = time.process_time()
            self.began.set()
        super().handling(begins=begins)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.began = threading.Event()
        self.first = self.used = 0.0


def _processor(job: Job, settings: Settings) -> None:
    """Run a processor, the first of them with the relay, as `ordermend run` does, until standard input ends."""
    health = _FirstWork()
    used: dict[str, float] = {}
    loops = loops_of("processor", settings, health, f"processor-{job.ordinal}", ())
    if job.ordinal == 0:
        loops |= loops_of("relay", settings, health, "", ())
    running = Running({name: _measured(name, loop, used, job) for name, loop in loops.items()})
    threading.Thread(target=_watch_input, args=(running,), daemon=True).start()
    while not health.began.wait(0.05) and not running.ended.is_set():
        pass
    _say({"first": health.first})
    running.ended.wait()
    running.stop()
    if running.failure is not None:
        raise running.failure
    whole = time.process_time() - health.used
    _say({"cpu_seconds": {**used, "whole process": whole}, "stage_seconds": _stage_seconds()})


def _watch_input(running: Running) -> None:
    sys.stdin.read()
    running.ended.set()


def _measured(name: str, loop: Loop, used: dict[str, float], job: Job) -> Callable[[threading.Event], None]:
    """Return the loop, noting its thread's processor time."""

    def run(stop: threading.Event) -> None:
        with profiled(job.profile_file(name)):
            loop(stop)
        used[name] = time.thread_time()

    return run


def _stage_seconds() -> dict[str, float]:
    samples = (sample for metric in STAGE_SECONDS.collect() for sample in metric.samples)
    return {sample.labels["stage"]: sample.value for sample in samples if sample.name.endswith("_sum")}


if __name__ == "__main__":
    main()
