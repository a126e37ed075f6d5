"""What cannot be written: how it is told from an outage, and what becomes of the message behind it.

A message whose rows the tables refuse, or whose events are too large for Kafka, is a dead letter. One whose dead letter is refused too waits
in its lane without it. One that cannot even wait halts its partition, and that alone. None is skipped.
"""

import psycopg

from modification_processor.outcomes import Failed
from schemas.failures import OrdermendError
from store.outbox import OutputTooLarge
from store.partitions import Advance

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


def failure_of(error: Exception) -> Failed:
    """Return what the message failed of."""
    if isinstance(error, OutputTooLarge):
        return Failed("LIMIT", "output_too_large", "write", f"too large for Kafka: {error}"[:500], rule="max_bytes", where="write")
    state = getattr(error, "sqlstate", None)
    return Failed(
        "SEMANTIC", "refused_by_tables", "write", f"PostgreSQL refuses it: {state or type(error).__name__}", rule=state, where="write"
    )
