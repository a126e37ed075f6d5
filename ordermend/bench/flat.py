"""Whether intake's cost stays the same: a message among 1,000 and among many; a line in an order of one line and of sixty.

Output:  µs per message of the whole intake, Kafka to Kafka, by the number of messages; µs per message and per line of `accept` alone, by
         the number of lines.
Fails:   BenchInvalid where a document was not simply accepted.
"""

import time
from statistics import median

from intake.accept import RawRecord, accept, signed
from intake.rules import discover as rules
from normalizers import discover
from ordermend.bench.child import Job
from ordermend.bench.documents import CHANNEL, document
from ordermend.bench.failure import BenchInvalid
from ordermend.bench.place import Child, Place
from ordermend.bench.report import Figures
from ordermend.progress import Report as Phases
from schemas.assertion import Signer
from streaming.producer import BatchProducer, Record

LINES = (1, 3, 10, 30, 60)
DOCUMENTS = 200
PASSES = 5


def by_messages(place: Place, most: int, progress: Phases) -> Figures:
    """Run the whole intake over 1,000 messages, ten times as many, and so on up to `most`."""
    sizes = [size for size in (1_000, 10_000, 100_000, 1_000_000) if size <= most]
    found = {}
    for size in sizes:
        progress("Intake", f"{size:,} messages by themselves")
        source = place.new_topic(f"flat.source.{size}")
        _fill(place, source, size)
        with Child(place, Job("full", source, place.new_topic(f"flat.{size}"), size)) as child:
            done = child.finish()
        if done["accepted"] != size:
            raise BenchInvalid(f"{done['accepted']} of {size} documents were accepted without a word")
        found[str(size)] = round(float(done["seconds"]) / size * 1e6, 1)
    return found


def _fill(place: Place, source: str, size: int) -> None:
    producer = BatchProducer(place.bootstrap)
    for number in range(size):
        key, body = document(number)
        producer.enqueue(Record(source, key, body))
    producer.confirm()
    producer.close()


def by_lines(signer: Signer) -> Figures:
    """Take documents of more and more lines through `accept`; a line's cost is what each line beyond the first adds."""
    costs = {count: _cost(count, signer) for count in LINES}
    one = costs[LINES[0]]
    each = {str(count): round((cost - one) / (count - 1), 2) for count, cost in costs.items() if count > 1}
    return {"message_us": {str(count): round(cost, 1) for count, cost in costs.items()}, "line_us": each}


def _cost(lines: int, signer: Signer) -> float:
    channel, active = discover()[CHANNEL], rules()
    records = [RawRecord("bench", 0, number, key, body, {}) for number in range(DOCUMENTS) for key, body in [document(number, lines)]]
    found = []
    for _ in range(PASSES):
        began = time.perf_counter()
        verdicts = {item.verdict for item in signed([item for record in records for item in accept(record, channel, active)], signer)}
        found.append(time.perf_counter() - began)
        if verdicts != {"accept"}:
            raise BenchInvalid(f"documents of {lines} lines came out as {', '.join(sorted(verdicts))}")
    return median(found) / DOCUMENTS * 1e6
