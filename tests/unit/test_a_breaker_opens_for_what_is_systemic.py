"""A breaker opens after twenty failures in a row, or more than two hundred in a thousand, and for nothing less."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from modification_processor.breakers import Breaking, Tally, keys_of
from modification_processor.incoming import Incoming, Read
from modification_processor.outcomes import Failed, Noted, Outcome
from schemas.ticket import ModificationTicket, Operation

AT = datetime(2026, 11, 24, tzinfo=UTC)
BUG, DEPENDENCY, WAITS = (Failed(kind, "x", "decide", "it failed") for kind in ("BUG", "DEPENDENCY", "ORDERING"))
FINE = Noted("duplicate")


def ticket(*names: str, seq: int | None = None) -> Read:
    body = ModificationTicket(
        ticket_id=uuid.uuid4(),
        order_id=uuid.uuid4(),
        operations=tuple(Operation(name=name, arguments=json.dumps({})) for name in names),
        reason_code="customer_request",
        opened_at=AT,
    )
    return Read(Incoming("t", 0, 0, None, b"", None, AT), body.order_id, "m", "ModificationTicket", b"", body, seq=seq)


def breaking(open_until: datetime | None = None, **tallies: Tally) -> Breaking:
    return Breaking(
        {} if open_until is None else {"operation:a": open_until}, AT, {f"operation:{name}": tally for name, tally in tallies.items()}
    )


def after(outcomes: list[Outcome], seq: int | None = None) -> Breaking:
    found = breaking()
    for outcome in outcomes:
        found.note(ticket("a", seq=seq), outcome)
    return found


def test_a_ticket_stands_with_each_of_its_operations_once() -> None:
    assert ("operation:a", "operation:b") == keys_of(ticket("a", "b", "a"))


@pytest.mark.parametrize(
    ("outcomes", "opens"),
    [
        ([BUG] * 20, True),
        ([BUG] * 19, False),
        ([BUG] * 19 + [FINE] + [BUG] * 19, False),
        ([DEPENDENCY] * 100, False),
        (([BUG] + [FINE] * 3) * 200, False),
        (([BUG] + [FINE] * 3) * 201, True),
        (([BUG] + [FINE] * 9) * 300, False),
        ([BUG, WAITS] * 20, True),
        (([BUG] + [WAITS] * 19) * 200, False),
        (([BUG] + [WAITS] * 19) * 201, True),
        (([BUG] * 19 + [WAITS] * 30 + [FINE] + [BUG] * 20), True),
    ],
    ids=[
        "twenty in a row",
        "nineteen",
        "broken by one",
        "other classes",
        "a quarter of 800",
        "more than 200 of 1,000",
        "a tenth for ever",
        "a row of as many as wait",
        "one in twenty, and orders late",
        "late orders hide no defect for ever",
        "a row counts its own",
    ],
)
def test_it_opens_for_what_is_systemic_and_nothing_less(outcomes: list[Outcome], opens: bool) -> None:
    assert opens == bool(after(outcomes).tripped)


def test_what_is_tried_again_is_not_counted() -> None:
    assert not after([BUG] * 50, seq=3).tripped


def test_behind_the_failure_that_opens_it_everything_of_the_key_waits_and_nothing_else() -> None:
    found = after([BUG] * 20)
    held = found.holds(ticket("b", "a"))
    assert held is not None
    assert ("DEPENDENCY", "breaker:operation:a") == (held.error_class, held.code)
    assert found.holds(ticket("b")) is None


def test_one_message_probes_once_the_time_has_come() -> None:
    assert breaking(AT + timedelta(seconds=1)).holds(ticket("a")) is not None
    due = breaking(AT)
    assert due.holds(ticket("a")) is None
    assert due.holds(ticket("a")) is not None, "one at a time"
    due.note(ticket("a", seq=1), BUG)
    assert {"operation:a"} == due.in_vain


def test_a_probe_that_fares_well_closes_it_and_the_count_begins_anew() -> None:
    due = breaking(AT, a=Tally(3, 3, 3))
    assert due.holds(ticket("a")) is None
    due.note(ticket("a", seq=1), FINE)
    assert ({"operation:a"}, set()) == (due.closed, due.in_vain)
    assert due.holds(ticket("a")) is None
    assert {"operation:a": Tally()} == due.tallies
