"""Other frameworks on the same broker, source topic and machine: each does the given function, our whole intake does all of its checks.

Input:   the folder of the peers' programs and, in `.venvs/<name>` of it, an environment for each (`make_venvs.sh` makes them).
Output:  messages per second by peer, from the first record at the sink to the last: a peer that starts slowly is not slower for it.
Fails:   BenchInvalid where a peer that is there does not bring every record; one without an environment is left out, and named.
"""

import os
import signal
import subprocess
import time
from pathlib import Path

from ordermend.bench.failure import BenchInvalid
from ordermend.bench.place import STOP_SECONDS, Place
from ordermend.progress import Report as Phases

PROGRAMS = {
    "faust": ("faust_app.py", "worker", "-l", "error", "--without-web"),
    "faststream": ("faststream_app.py",),
    "quix": ("quix_app.py",),
    "arroyo": ("arroyo_app.py",),
}
COMPARED = ("faust", "faststream")
START_SECONDS = 120.0
WHOLE_SECONDS = 900.0
LOOK_SECONDS = 0.02


def at_hand(folder: Path | None) -> tuple[str, ...]:
    """Return the peers whose program and environment are there."""
    if folder is None:
        return ()
    return tuple(name for name in COMPARED if _python(folder, name).exists() and (folder / PROGRAMS[name][0]).exists())


def _python(folder: Path, name: str) -> Path:
    return folder / ".venvs" / name / "bin" / "python"


def rate(place: Place, folder: Path, name: str, source: str, messages: int, repeat: int, progress: Phases) -> float:
    """Run a peer once over the whole source topic."""
    progress("Intake", f"repeat {repeat + 1}: {name}")
    out, log = place.new_topic(f"{name}.{repeat}"), place.folder / f"{name}.log"
    wanted = {"OUT": out, "SRC": source, "N": str(messages), "KAFKA_BOOTSTRAP_SERVERS": place.bootstrap}
    # No path of ours: a peer has an environment of its own.
    environment = {**{key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}, **wanted}
    with log.open("wb") as written:
        peer = subprocess.Popen(  # noqa: S603 -- the program the caller named
            [str(_python(folder, name)), "-B", *PROGRAMS[name]], cwd=folder, env=environment, stdout=written, stderr=written
        )
    try:
        first, began = _seen(place, out, 1, peer, START_SECONDS, name)
        _, ended = _seen(place, out, messages, peer, WHOLE_SECONDS, name)
    finally:
        peer.send_signal(signal.SIGTERM)
        try:
            peer.wait(STOP_SECONDS / 4)
        except subprocess.TimeoutExpired:
            peer.kill()
            peer.wait()
    return (messages - first) / (ended - began)


def _seen(place: Place, out: str, records: int, peer: "subprocess.Popen[bytes]", seconds: float, name: str) -> tuple[int, float]:
    """Wait until the sink holds so many; return how many it holds, and when."""
    deadline = time.perf_counter() + seconds
    while (found := place.ends(out)) < records:
        if peer.poll() is not None:
            raise BenchInvalid(f"{name} ended with code {peer.returncode} at {found} records: {_tail(place.folder / f'{name}.log')}")
        if time.perf_counter() > deadline:
            raise BenchInvalid(f"{name} brought {found} of {records} records in {seconds:g} s: {_tail(place.folder / f'{name}.log')}")
        time.sleep(LOOK_SECONDS)
    return found, time.perf_counter()


def _tail(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-400:]
