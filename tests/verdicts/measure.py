"""How often the rules judge too hard or too softly, per channel, on the labelled set: `make measure-rules`.

A case is judged too hard where it should have been taken and is held or refused, or should be held and is refused: a false-positive reject.
It is judged too softly where it should have been refused and is not, or held and is taken: a false-negative reject. Between accept and accept
with a warning, and between quarantine, reject and dead letter, the table tells how many agree to the word.
Exit code 1 where a channel is beyond a bar.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from intake.accept import RawRecord, statements
from intake.rules import discover as rules
from intake.rules.tuning import SHIPPED, Tuning, parse
from normalizers import discover
from normalizers.channel import Document
from schemas.statement import IntakeFailed, OrderStated
from tests.verdicts.cases import Case, channels, grave, harmless

FALSE_POSITIVES = 0.005
"""At most this share of the cases that should be taken or held may be judged harder."""
FALSE_NEGATIVES = 0.01
"""At most this share of the cases that should be held or refused may be judged more softly."""
TAKEN, HELD, REFUSED = 0, 1, 2
_CLASS = {
    "accept": TAKEN,
    "accept_with_warning": TAKEN,
    "accept_with_hold": HELD,
    **dict.fromkeys(("incomplete", "quarantine", "reject", "dead_letter"), REFUSED),
}


@dataclass
class Measured:
    """A channel's figures; `wrong` counts (defect, wanted, got)."""

    channel: str
    cases: int = 0
    spared: int = 0
    """Cases that should not be refused: taken, or held."""
    stopped: int = 0
    """Cases that should be held or refused."""
    too_hard: int = 0
    too_soft: int = 0
    to_the_word: int = 0
    wrong: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    again: list[str] = field(default_factory=list)

    @property
    def false_positives(self) -> float:
        """Return the share judged too hard."""
        return self.too_hard / max(self.spared, 1)

    @property
    def false_negatives(self) -> float:
        """Return the share judged too softly."""
        return self.too_soft / max(self.stopped, 1)

    @property
    def within(self) -> bool:
        """Whether the channel keeps both bars."""
        return self.false_positives <= FALSE_POSITIVES and self.false_negatives <= FALSE_NEGATIVES


def verdict_of(case: Case, tuning: Tuning = SHIPPED) -> str:
    """Return the verdict of the whole intake on a case: what is published for its order."""
    channel = discover()[case.channel]
    documents = tuple(Document(body) for body in case.bodies)
    # An order that comes in several answers is judged as its fetcher would have joined them.
    joined = replace(channel, normalize=lambda _: channel.normalize(documents)) if len(documents) > 1 else channel
    record = RawRecord(channel.topic.name, 0, 0, None, case.bodies[0], {})
    (_, statement), *_ = statements(record, joined, rules(), tuning)
    return statement.verdict if isinstance(statement, OrderStated | IntakeFailed) else "incomplete"


def measure(name: str, cases: Iterable[Case], tuning: Tuning = SHIPPED) -> Measured:
    """Judge a channel's cases and compare with their labels."""
    found = Measured(name)
    for case in cases:
        got = verdict_of(case, tuning)
        difference = _CLASS[got] - _CLASS[case.label]
        found.cases += 1
        found.spared += _CLASS[case.label] < REFUSED
        found.stopped += _CLASS[case.label] > TAKEN
        found.to_the_word += got == case.label
        found.too_hard += difference > 0
        found.too_soft += difference < 0
        if difference:
            found.wrong["+".join(case.defects), case.label, got] += 1
            found.again.append(case.again)
    return found


def table(rows: Iterable[Measured]) -> str:
    """Return the table of all channels."""
    head = f"{'channel':15} {'to spare':>8} {'too hard':>9} {'rate':>7}   {'to stop':>8} {'too soft':>9} {'rate':>7}   {'to the word':>11}"
    lines = [head, "-" * len(head)]
    for row in rows:
        told = row.to_the_word / max(row.cases, 1)
        lines.append(
            f"{row.channel:15} {row.spared:>8} {row.too_hard:>9} {row.false_positives:>7.2%}   {row.stopped:>8} {row.too_soft:>9} {row.false_negatives:>7.2%}   {told:>11.1%}"
            f"{'' if row.within else '   BEYOND THE BAR'}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--harmless", type=int, default=600, help="cases a channel that should be taken")
    parser.add_argument("--grave", type=int, default=400, help="cases a channel that should be held or refused")
    parser.add_argument("--channel", action="append", default=[], help="only this channel; may be given again")
    parser.add_argument("--tuning", type=Path, help="a tuning (TOML, as of `ordermend rules show`) instead of the shipped modes")
    parser.add_argument("--show", action="store_true", help="also print what was judged otherwise")
    chosen = parser.parse_args(arguments)
    tuning = parse(chosen.tuning.read_text(), rules(), 1) if chosen.tuning else SHIPPED
    found = [measure(name, [*harmless(name, chosen.harmless), *grave(name, chosen.grave)], tuning) for name in chosen.channel or channels()]
    sys.stdout.write(table(found) + "\n")
    for row in found if chosen.show else ():
        for (defects, want, got), times in row.wrong.most_common():
            sys.stdout.write(f"{row.channel}: {defects}: {want} was right, {got} was said, {times} times\n")
        sys.stdout.writelines(f"{again}\n" for again in row.again[:3])
    return 0 if all(row.within for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
