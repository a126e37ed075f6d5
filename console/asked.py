"""What several parts of the door make of what is asked and of what is there: amounts, reasons, operations, the book's time."""

from collections.abc import Sequence
from datetime import datetime

import orjson

from console.api import models as m
from console.api.problems import Problem
from schemas.money import to_text
from schemas.ticket import REASON_CODES, Operation
from store.database import Cursor


def now(cursor: Cursor) -> datetime:
    """Return the transaction's time."""
    row = cursor.execute("select now()").fetchone()
    assert row is not None
    at: datetime = row[0]
    return at


def amount(minor: int, currency: str) -> m.Amount:
    """Return an amount as the API gives it."""
    return m.Amount(amount=to_text(minor, currency), currency=currency)


def check_reason(reason_code: str) -> None:
    """Raise where there is no such reason."""
    if reason_code not in REASON_CODES:
        raise Problem("invalid_request", f"reason_code is one of {', '.join(REASON_CODES)}", field="/body/reason_code", rule="reason_known")


def operations(bodies: Sequence[m.OperationBody]) -> tuple[Operation, ...]:
    """Return what was asked as a ticket carries it."""
    try:
        return tuple(Operation(name=x.name, version=x.version, arguments=orjson.dumps(x.arguments).decode()) for x in bodies)
    except (TypeError, ValueError):  # a lone surrogate, an integer no 64 bits hold
        raise Problem("invalid_request", "the arguments cannot be written as JSON", field="/body/operations", rule="json") from None
