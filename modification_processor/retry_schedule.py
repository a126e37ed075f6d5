"""When a failed message is tried again: by the clock, when its order comes, or once a person has looked.

Input:      the lane whose head failed, and the failure. Output: the lane's state, next attempt and cause.
Guarantee:  pure but for the lane it is given. What failed together is not tried together: the schedule wobbles by a fifth, the same
            way for the same attempt.
Source:     exponential back-off with jitter; the steps reach from a hiccup (5 s) to an outage (6 h).
"""

from datetime import datetime, timedelta
from typing import Final

from modification_processor.outcomes import Failed
from schemas.failures import RETRYABLE
from schemas.order import id_of
from store.heads import Lane

RETRY_SECONDS: Final = (5, 30, 120, 600, 1800, 7200, 21600)
JITTER: Final = 0.2
ORDERING_SECONDS: Final = 86_400
BUG_ATTEMPTS: Final = 3


def next_attempt(lane: Lane, failure: Failed, at: datetime) -> bool:
    """Set when the lane is tried next; False when it is up to a person now."""
    lane.error_class, lane.code = failure.error_class, failure.code
    if failure.error_class not in RETRYABLE:
        return False
    if failure.error_class == "ORDERING":
        due = lane.blocked_since + timedelta(seconds=ORDERING_SECONDS)
        lane.state, lane.next_attempt_at = "ordering", due
        return due > at
    limit = BUG_ATTEMPTS if failure.error_class == "BUG" else len(RETRY_SECONDS)
    if lane.attempt >= limit:
        return False
    lane.state, lane.next_attempt_at = "retrying", at + timedelta(seconds=_wait(lane, lane.attempt))
    return True


def soon_again(lane: Lane, failure: Failed, at: datetime) -> None:
    """Have a lane whose head waits for its order tried by the clock: the whole statement that failed behind it is that order."""
    if lane.state != "ordering" or failure.error_class not in RETRYABLE or failure.error_class == "ORDERING":
        return
    assert lane.next_attempt_at is not None
    again = at + timedelta(seconds=_wait(lane, min(lane.attempt, len(RETRY_SECONDS) - 1)))
    lane.state, lane.next_attempt_at = "retrying", min(again, lane.next_attempt_at)
    lane.error_class, lane.code = failure.error_class, failure.code


def _wait(lane: Lane, attempt: int) -> float:
    """Return the seconds until the next attempt, a little off the schedule: what failed together is not tried together."""
    wobble = (id_of(f"{lane.order_id}:{lane.topic}:{lane.attempt}").int % 1000) / 1000 * 2 - 1
    return RETRY_SECONDS[attempt] * (1 + JITTER * wobble)
