"""Failpoints: named steps at which a test may kill, fail or slow this process. All are off unless `arm` was called.

Input:   `ORDERMEND_FAILPOINTS`, items separated by spaces: `NAME=ACTION`, ACTION one of
         `exit` (die at once, as by kill -9), `segv` (die as native code does), `spin` (never end, busy), `hog` (use memory
         without end: a limit of the process raises MemoryError, where there is none it dies as the kernel would let it), `stop` (freeze, as by
         SIGSTOP), `raise` (a defect of ours), `sleep:SECONDS`; behind it `@N` (at the Nth pass only; the first without it) or
         `%P` (at P of 100 passes, by dice of its own). `NAME[TEXT]=ACTION` counts only passes whose step contains TEXT.
Fails:   ValueError, naming the item: a fault test that injects nothing must not pass.

Never set it where real orders are. A service that starts with failpoints armed says so in its log.
"""

import os
import random
import re
import signal
import threading
import time
from dataclasses import dataclass

NAMES = {
    "assign.claiming": "partitions were assigned, none is claimed in the book",
    "assign.claimed": "partitions are claimed, nothing is read from them",
    "read": "one record is about to be decoded and its sender verified",
    "live.begun": "a batch is read, its transaction has not begun",
    "live.fenced": "the batch's offsets are advanced in the open transaction",
    "live.loaded": "heads are locked, orders are loaded",
    "decide": "one message is about to be decided",
    "live.decided": "every message of the batch is decided, no row is written",
    "live.written": "every row is written, nothing is committed",
    "live.committed": "the batch is committed, Kafka has not heard of it",
    "retry.suspected": "the lanes' starts are counted and committed",
    "retry.decided": "the lanes' messages are decided, no row is written",
    "retry.written": "the lanes' rows are written, nothing is committed",
    "retry.committed": "the lanes are committed",
    "relay.sent": "Kafka has confirmed a round of events, none is marked",
    "relay.marked": "a round of events is marked sent",
    "intake.read": "a batch of documents is normalised, nothing is sent",
    "intake.enqueued": "a batch of records is on its way to Kafka, unconfirmed",
    "intake.delivered": "Kafka has confirmed the batch's records, the offsets stand where they stood",
    "intake.committed": "the batch's offsets are advanced",
    "settlement.claimed": "requests are claimed, nobody was asked",
    "settlement.asked": "the gateway, the channel or the notifier has answered, nothing is stored",
    "settlement.reported": "the answers are stored",
    "fetcher.claimed": "fetches are claimed, no channel was asked",
    "fetcher.published": "fetched orders lie on the raw topics, nothing is recorded",
    "replay.written": "a letter is sent back in the open transaction",
    "replay.committed": "a letter is sent back, committed",
}
"""Every failpoint, and what is the case when it is passed."""


ITEM = re.compile(
    r"(?P<name>[a-z.]+)(\[(?P<text>[^\]]+)\])?=(?P<action>exit|segv|spin|hog|stop|raise|sleep:\d+(\.\d+)?)(@(?P<at>[1-9]\d*)|%(?P<percent>\d+(\.\d+)?))?"
)


HOG_STEP, HOG_STEPS = 64 * 1024 * 1024, 64
"""What `hog` takes before it counts as killed: 4 GiB, more than any process of ours is given."""


class FailpointRaised(Exception):
    """What `raise` raises."""


@dataclass
class Armed:
    """What happens at a failpoint, and when."""

    action: str
    at: int | None
    percent: float
    text: str = ""
    passes: int = 0

    def is_due(self, dice: random.Random) -> bool:
        """Whether this pass is one that the action is for."""
        self.passes += 1
        return self.passes == self.at if self.at is not None else dice.random() * 100 < self.percent


_armed: dict[str, list[Armed]] = {}
_lock = threading.Lock()
_dice = random.Random()  # noqa: S311 -- a test's dice, no secret


def parse(text: str) -> dict[str, list[Armed]]:
    """Return what `text` arms; raises ValueError."""
    wanted: dict[str, list[Armed]] = {}
    for item in text.split():
        name, armed = _parsed(item)
        wanted.setdefault(name, []).append(armed)
    return wanted


def arm(text: str) -> None:
    """Arm what `text` names, and nothing else."""
    wanted = parse(text)
    _armed.clear()
    _armed.update(wanted)


def arm_in_child(text: str) -> None:
    """Arm what is for every pass, or a share of them; what is for the Nth pass alone is the parent's."""
    arm(" ".join(item for item in text.split() if "%" in item))


def hit(step: str) -> None:
    """Pass a failpoint; what stands behind a space in `step` says whose turn it is, and chooses nothing."""
    if not _armed:
        return
    for armed in _armed.get(step.partition(" ")[0], ()):
        with _lock:
            due = armed.text in step and armed.is_due(_dice)
        if due:
            _act(armed.action, step)


def _act(action: str, step: str) -> None:
    if action == "exit":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif action == "stop":
        # To this very thread: sent to the process, it is taken by the main thread, and this one goes on for a while.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
    elif action == "spin":
        while True:
            pass
    elif action == "hog":
        _hog()
    elif action == "raise":
        raise FailpointRaised(step)
    else:
        time.sleep(float(action.removeprefix("sleep:")))


def _hog() -> None:
    # Never touched, so it is address space and costs the machine nothing.
    held = [bytearray(HOG_STEP) for _ in range(HOG_STEPS)]
    os.kill(os.getpid(), signal.SIGKILL)
    del held


def _parsed(item: str) -> tuple[str, Armed]:
    found = ITEM.fullmatch(item)
    if found is None or found["name"] not in NAMES:
        raise ValueError(
            f"{item[:80]!r} is no NAME=exit|segv|spin|hog|stop|raise|sleep:SECONDS[@N|%P] with a name of telemetry/failpoints.py"
        )
    at = None if found["percent"] else int(found["at"] or 1)
    return found["name"], Armed(found["action"], at, float(found["percent"] or 0), found["text"] or "")
