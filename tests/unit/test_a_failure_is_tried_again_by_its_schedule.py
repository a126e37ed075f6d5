"""A failure that may pass is tried seven times over nine hours, one of ours three times; what waits for its order waits for that."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from modification_processor.outcomes import Failed
from modification_processor.retry_schedule import BUG_ATTEMPTS, JITTER, ORDERING_SECONDS, RETRY_SECONDS, next_attempt, soon_again
from schemas.failures import ERROR_CLASSES, RETRYABLE, ErrorClass
from store.heads import Lane

ORDER = UUID(int=1)
AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
FINAL = tuple(name for name in ERROR_CLASSES if name not in RETRYABLE)


def lane(order_id: UUID = ORDER, attempt: int = 0, state: str = "blocked", *, due: datetime | None = None) -> Lane:
    return Lane(order_id, "orders.modifications.v1", state, 1, 1, attempt, due, "", "", AT)


def failed(error_class: ErrorClass) -> Failed:
    return Failed(error_class, "why", "decide", "it failed")


@given(st.uuids(), st.sampled_from(("DEPENDENCY", "BUG")))
def test_attempts_come_later_each_time_and_end(order_id: UUID, error_class: ErrorClass) -> None:
    tried = lane(order_id)
    waits = []
    while next_attempt(tried, failed(error_class), AT):
        assert tried.next_attempt_at is not None
        waits.append((tried.next_attempt_at - AT).total_seconds())
        tried = replace(tried, attempt=tried.attempt + 1)
    assert len(waits) == (BUG_ATTEMPTS if error_class == "BUG" else len(RETRY_SECONDS))
    assert waits == sorted(waits)
    assert all(abs(wait - step) <= JITTER * step for wait, step in zip(waits, RETRY_SECONDS, strict=False))
    assert (tried.error_class, tried.code) == (error_class, "why")


def test_what_failed_together_is_not_tried_together() -> None:
    tried = [lane(UUID(int=number)) for number in range(50)]
    assert all(next_attempt(one, failed("DEPENDENCY"), AT) for one in tried)
    assert len({one.next_attempt_at for one in tried}) > 40
    again = lane(UUID(int=7))
    next_attempt(again, failed("DEPENDENCY"), AT)
    assert again.next_attempt_at == tried[7].next_attempt_at


@given(st.sampled_from(FINAL), st.integers(0, 9))
def test_what_no_wait_mends_waits_for_a_person(error_class: ErrorClass, attempt: int) -> None:
    assert not next_attempt(lane(attempt=attempt), failed(error_class), AT)


@given(st.integers(0, 2 * ORDERING_SECONDS))
def test_what_waits_for_its_order_waits_a_day(after: int) -> None:
    tried = lane()
    assert next_attempt(tried, failed("ORDERING"), AT + timedelta(seconds=after)) == (after < ORDERING_SECONDS)
    assert (tried.state, tried.next_attempt_at) == ("ordering", AT + timedelta(seconds=ORDERING_SECONDS))


@given(st.sampled_from(tuple(sorted(RETRYABLE))), st.integers(0, 20))
def test_the_order_that_failed_behind_a_head_is_tried_by_the_clock(error_class: ErrorClass, attempt: int) -> None:
    due = AT + timedelta(seconds=ORDERING_SECONDS)
    waiting = lane(attempt=attempt, state="ordering", due=due)
    soon_again(waiting, failed(error_class), AT)
    assert waiting.next_attempt_at is not None
    if error_class == "ORDERING":
        assert (waiting.state, waiting.next_attempt_at) == ("ordering", due)
    else:
        assert waiting.state == "retrying"
        assert AT < waiting.next_attempt_at <= due
