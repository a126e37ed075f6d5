"""What cannot be written: how it is told from an outage, and what becomes of the message behind it.

A message whose rows the tables refuse, or whose events are too large for Kafka, is a dead letter. One whose dead letter is refused too waits
in its lane without it. One that cannot even wait halts its partition, and that alone. None is skipped.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import psycopg

from modification_processor.incoming import Read, place_of
from modification_processor.outcomes import Failed, unexpected
from modification_processor.transaction import Handled
from schemas.failures import OrdermendError
from store.outbox import OutputTooLarge
from store.partitions import Advance
from telemetry.logs import logger

RETRY_SQLSTATES = frozenset({"40001", "40P01", "55P03"})
"""What goes away by itself: two transactions met, and one of them has to be done again."""
Once = Callable[[Sequence[Read], Sequence[Advance]], Handled]
"""Handles messages in one transaction and moves the offsets; rolls back where it raises."""
DATA_SQLSTATES = frozenset({"22", "23", "54"})
"""What a message's own content can cause; psycopg refuses some of it itself (a NUL in a text), without a code."""
LETTER_UNWRITABLE = Failed(
    "DEPENDENCY", "letter_unwritable", "write", "its dead letter could not be written; it waits until that is possible", rule="letter_written"
)  # fmt: skip


class Unstorable(OrdermendError):
    """Nothing can be stored of a message: its partition has to stand still."""

    code = "unstorable"
    error_class = "INFRA"

    def __init__(self, step: Advance, error: psycopg.Error) -> None:
        super().__init__(
            f"nothing can be stored of the message before {step.topic}[{step.partition}]@{step.new}: PostgreSQL says {error.sqlstate}"
        )
        self.place = (step.topic, step.partition)


def is_of_data(error: Exception) -> bool:
    """Whether it is the rows themselves that are refused, now and whenever it is tried again."""
    if isinstance(error, OutputTooLarge | psycopg.DataError | psycopg.IntegrityError):
        return True
    return isinstance(error, psycopg.Error) and (error.sqlstate or "")[:2] in DATA_SQLSTATES


def is_of_contention(error: Exception) -> bool:
    """Whether a transaction met another, and is to be done again."""
    return isinstance(error, psycopg.Error) and error.sqlstate in RETRY_SQLSTATES


def failure_of(error: Exception) -> Failed:
    """Return what the message failed of."""
    if isinstance(error, OutputTooLarge):
        return Failed("LIMIT", "output_too_large", "write", f"too large for Kafka: {error}"[:500], rule="max_bytes", where="write")
    state = getattr(error, "sqlstate", None)
    return Failed(
        "SEMANTIC", "refused_by_tables", "write", f"PostgreSQL refuses it: {state or type(error).__name__}", rule=state, where="write"
    )


def one_by_one(once: Once, batch: Sequence[Read], advances: Sequence[Advance]) -> Handled:
    """Handle a batch message by message, each with its own fence step; the one that cannot be written is parked."""
    position = {(a.topic, a.partition): a for a in advances}
    final = {(a.topic, a.partition): a.new for a in advances}
    words: list[tuple[str, str]] = []
    for read in sorted(batch, key=lambda r: (r.incoming.topic, r.incoming.part, r.incoming.off)):
        place = (read.incoming.topic, read.incoming.part)
        step = position[place]._replace(new=read.incoming.off + 1)
        words += _one(once, read, step).words
        position[place] = step._replace(expected=step.new, new=final[place])
    rest = [a for a in position.values() if a.expected != a.new]
    if rest:
        once([], rest)
    return Handled(tuple(words), len({read.order_id for read in batch}))


def _one(once: Once, read: Read, step: Advance) -> Handled:
    try:
        return once([read], [step])
    except (psycopg.Error, OutputTooLarge) as error:
        if not is_of_data(error):
            raise
        return _park_culprit(once, read, step, failure_of(error))
    except OrdermendError:
        raise
    except Exception as error:  # noqa: BLE001 -- a defect of ours: it must cost one message, not the partition
        return _park_culprit(once, read, step, unexpected(error, "write"))


def _park_culprit(once: Once, read: Read, step: Advance, failure: Failed) -> Handled:
    """Park a message: as its ticket and under its own id, or under the id of its place where one of them is what the tables refuse.

    Where not even its dead letter can be written it waits in its lane without one, to be tried again; where it has no lane to wait in,
    or cannot be parked either, its partition halts. It is never skipped.
    """
    own, nameless = replace(read, failure=failure), replace(read, message_id=place_of(read.incoming), body=None, calls=(), failure=failure)
    done, error = _first_that_is_stored(once, (own, nameless), step)
    if done is not None:
        return done
    assert error is not None
    logger("processor").error(
        "letter_unwritable", partition=f"{step.topic}[{step.partition}]", offset=step.new - 1, sqlstate=error.sqlstate
    )
    if read.actor is not None and failure.blocks:
        done, error = _first_that_is_stored(once, [replace(each, failure=LETTER_UNWRITABLE) for each in (read, nameless)], step)
    if done is None:
        assert error is not None
        raise Unstorable(step, error) from error
    return done


def _first_that_is_stored(once: Once, forms: Sequence[Read], step: Advance) -> tuple[Handled | None, psycopg.Error | None]:
    """Store a message in the first of these forms that the tables take; else return what they say of the last."""
    refused: psycopg.Error | None = None
    for form in forms:
        try:
            return once([form], [step]), None
        except psycopg.Error as error:
            if not is_of_data(error):
                raise
            refused = error
    return None, refused
