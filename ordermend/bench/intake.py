"""Intake's speed: bare loop, our loop, the whole of intake; in turn, on one source topic, each in its own process.

Output:  messages per second from the first message in hand to the last confirmation, one figure a repeat.
Fails:   BenchInvalid where a document was not simply accepted, or a record is missing at the end.
"""

import re
import subprocess
import sys
from pathlib import Path

from ordermend.bench import peers
from ordermend.bench.child import Job, Kind
from ordermend.bench.documents import CHANNEL, document
from ordermend.bench.failure import BenchInvalid
from ordermend.bench.place import Child, Place
from ordermend.bench.profiling import top
from ordermend.progress import Report as Phases
from streaming.producer import BatchProducer, Record

KINDS: tuple[Kind, ...] = ("bare", "loop", "full")
PEERS_BARE = "raw_confluent.py"
_RESULT = re.compile(r"^RESULT \w+ ([0-9.]+)$", re.MULTILINE)


class Intake:
    """Measures intake on a source topic of `messages` documents. `folder`: that of the other loops, if at hand."""

    def __init__(self, place: Place, messages: int, folder: Path | None) -> None:
        self._place = place
        self._messages = messages
        self._peers = folder
        self._source = f"{place.settings.topic_prefix}orders.raw.{CHANNEL}.v1"
        self.bytes_mean = 0.0

    def fill(self) -> None:
        """Put the documents on the source topic, once for all runs."""
        producer = BatchProducer(self._place.bootstrap)
        size = 0
        for number in range(self._messages):
            key, body = document(number)
            size += len(body)
            producer.enqueue(Record(self._source, key, body))
        producer.confirm()
        producer.close()
        self.bytes_mean = size / self._messages

    def measure(self, repeats: int, progress: Phases) -> tuple[dict[Kind, list[float]], dict[str, list[float]]]:
        """Run the three and the peers that are at hand in turn, `repeats` times; return messages per second of both."""
        found: dict[Kind, list[float]] = {kind: [] for kind in KINDS}
        others: dict[str, list[float]] = {name: [] for name in peers.at_hand(self._peers)}
        if missing := [name for name in peers.COMPARED if name not in others]:
            progress("Intake", f"left out, without an environment of its own: {', '.join(missing)}")
        for repeat in range(repeats):
            for kind in KINDS:
                progress("Intake", f"repeat {repeat + 1} of {repeats}: {kind}")
                found[kind].append(self._run(kind, repeat))
            for name, rates in others.items():
                assert self._peers is not None
                rates.append(peers.rate(self._place, self._peers, name, self._source, self._messages, repeat, progress))
        return found, others

    def profile(self, folder: Path) -> str:
        """Run the whole intake once more, profiled; return its most expensive functions."""
        self._child("full", self._place.new_topic("full.profile"), folder)
        return top(folder / "intake.prof")

    def _run(self, kind: Kind, repeat: int) -> float:
        out = self._place.new_topic(f"{kind}.{repeat}")
        rate = self._peers_bare(out) if kind == "bare" and self._peers else self._child(kind, out)
        arrived = self._place.ends(out)
        if arrived != self._messages:
            raise BenchInvalid(f"{kind}: {arrived} records came of {self._messages} documents")
        return rate

    def _child(self, kind: Kind, out: str, profile: Path | None = None) -> float:
        folder = str(self._peers) if self._peers else None
        job = Job(kind, self._source, out, self._messages, folder, str(profile) if profile else None)
        with Child(self._place, job) as child:
            found = child.finish()
        if kind == "full" and found["accepted"] != self._messages:
            raise BenchInvalid(f"{found['accepted']} of {self._messages} documents were accepted without a word")
        return self._messages / float(found["seconds"])

    def _peers_bare(self, out: str) -> float:
        assert self._peers is not None
        wanted = {"OUT": out, "SRC": self._source, "N": str(self._messages), "KAFKA_BOOTSTRAP_SERVERS": self._place.bootstrap}
        ended = subprocess.run(  # noqa: S603 -- the script the caller named
            [sys.executable, "-B", str(self._peers / PEERS_BARE)],
            env={**self._place.environment, **wanted},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        found = _RESULT.search(ended.stdout)
        if found is None:
            raise BenchInvalid(f"{PEERS_BARE} ended with code {ended.returncode}: {ended.stderr.strip()[-300:]}")
        return float(found[1])
