"""THE FLOW of the demo: stack, place, services, traffic, quiet, verify, report; and nothing left behind.

Input:     `Options`.
Output:    `Report`; written to `Options.report` too, where that is set.
Guarantee: whatever ends the run (its end, an error, Ctrl-C, SIGTERM), the services are stopped, and so is the stack if
           this run started it. The run's schema and topics stay, to be looked at, until the next run.
Fails:     StackFailed, FeedUnusable; Interrupted where a signal came before there was anything to report.
"""

import contextlib
import gc
import json
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Final
from uuid import UUID

from modification_processor.verify import verify
from normalizers import discover
from ordermend import bootstrap
from ordermend.local import stack as local_stack
from ordermend.local.demo import place as places
from ordermend.local.demo.children import CONSOLE, PROCESSES, Children
from ordermend.local.demo.edits import Edit
from ordermend.local.demo.feed import Feed, read_feed
from ordermend.local.demo.place import Place
from ordermend.local.demo.report import Report, Times, build
from ordermend.local.demo.screen import Screen, screen
from ordermend.local.demo.sending import Sender
from ordermend.local.demo.stories import Step, Story, Teller
from ordermend.local.demo.watch import Progress, Watch
from ordermend.local.stack import Interrupted
from ordermend.local.traffic.schedule import Plan, Send, plan
from ordermend.local.users import USERS
from ordermend.progress import Report as Phases
from ordermend.progress import phases
from ordermend.settings import Settings
from store.database import connect
from store.sealing import KeyVault

CHUNK: Final = 100
TICK_SECONDS: Final = 0.05
SHOW_SECONDS: Final = 0.25
KILL_SECONDS: Final = 2.0
"""At least so long between two kills: the next one must meet a processor at work."""
STUCK_SECONDS: Final = 90.0
"""A run that does not move for so long is cut short and reported as it is."""

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Options:
    """What to play. `kills`: how often the processor is killed on the spot while it works."""

    orders: int
    edits: int
    seed: int
    once: bool
    feed: Path | None = None
    report: Path | None = None
    kills: int = 0
    keep: bool = False


def run(options: Options, settings: Settings) -> Report:
    """Play the demo and return its report."""
    began = time.monotonic()
    feed = read_feed(options.feed, discover().keys()) if options.feed else Feed()
    with _interruptible(), places.alone(settings.home / "demo"), contextlib.ExitStack() as cleanup:
        try:
            with phases() as progress:
                place = _set_up(settings, options, progress, cleanup)
                watched = not options.once and place.settings.issuer_url is not None
                children = cleanup.enter_context(Children(place.environment, place.folder, {**PROCESSES, **(CONSOLE if watched else {})}))
                progress("Services", "ready")
            play = cleanup.enter_context(contextlib.closing(_Play(options, place, feed, children, began)))
            return play.run()
        finally:
            _deafen()


def _set_up(settings: Settings, options: Options, progress: Phases, cleanup: contextlib.ExitStack) -> Place:
    """Start what does not run and make a fresh place on it; `cleanup` stops what this started."""
    states = {part.state for part in local_stack.status(settings)}
    ours = "running" not in states and states != {"outside"}
    if ours and not options.keep:
        cleanup.callback(local_stack.down, settings)
    stack = local_stack.up(settings, progress)
    place = places.fresh(stack, local_stack.connected(settings))
    progress("Order book", "making a fresh one")
    with ThreadPoolExecutor(1) as pool:
        dropped = pool.submit(places.drop_older, place.settings)
        bootstrap.prepare(place.settings)
        places.seed_catalogue(place.settings)
        dropped.result()
    progress("Order book", "ready")
    return place


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Make each signal that ends a program unwind the stack, so that everything is cleaned up."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _deafen() -> None:
    """Clean up whatever comes; a second Ctrl-C must not leave half of it."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


class _Play:
    """One run's traffic, from the first document to the report."""

    def __init__(self, options: Options, place: Place, feed: Feed, children: Children, began: float) -> None:
        self._options = options
        self._place = place
        self._feed = feed
        self._children = children
        self._began = began
        self._plan: Plan = plan(options.orders, options.edits, options.seed)
        self._teller = Teller(options.seed, options.edits)
        self._sender = Sender(place.settings)
        self._watch = Watch(place.settings)
        self._screen: Screen = screen(len(self._plan) + len(feed.payloads), options.orders, options.edits)
        self._stories = _Stories(self._sender, self._watch)
        self._kills = _kill_marks(options)
        self._first_edit: float | None = None
        self._counts = Progress()
        self._shown = self._killed = 0.0
        self._late = ""

    def close(self) -> None:
        """Give back what the run holds."""
        self._screen.close()
        self._sender.close()
        self._watch.close()
        # Their Kafka clients go now, before the broker does, or each would complain of it. They hang in cycles.
        del self._stories, self._sender, self._watch
        gc.collect()

    def run(self) -> Report:
        """Send everything, wait until all is settled, report; without `once`, stay until interrupted."""
        began_at, began = self._watch.now(), time.monotonic()
        report: Report | None = None
        try:
            self._send_all()
            self._settle()
            seconds = time.monotonic() - began
            report = self._report(Times(began_at, seconds, self._first_edit))
            if not self._options.once:
                self._stay(report)
        except Interrupted:
            if self._options.once:
                raise
            if report is None:
                self._late = "interrupted before everything was settled"
                report = self._report(Times(began_at, time.monotonic() - began, self._first_edit))
        return report

    def _send_all(self) -> None:
        if self._feed.unread:
            self._screen.say(f"left out, no channel of ours: {', '.join(self._feed.unread)}")
        for payload in self._feed.payloads:
            self._sender.document(payload.channel, None, {}, payload.path.read_bytes())
        sends = iter(self._plan)
        while chunk := list(islice(sends, CHUNK)):
            self._send_chunk(chunk)
            self._tick()
        self._sender.confirm()

    def _send_chunk(self, chunk: list[Send]) -> None:
        told = [story for send in chunk if (story := self._teller.tell(send))]
        for story in told:
            self._sender.messages(story.early)
        self._sender.confirm()
        for send in chunk:
            self._sender.document(send.channel, send.key, send.headers, send.body)
        self._stories.add(told)
        self._sender.confirm()

    def _settle(self) -> None:
        """Go on with the stories until everything sent has an outcome, or nothing moves any more."""
        moved = time.monotonic()
        while True:
            before = self._counts
            self._tick()
            if self._watch.settled() and not self._stories.go_on():
                if not self._stories.waiting:
                    break
                # What these wait for will not come: a document that nobody could read, an edit that waits.
                self._stories.let_go()
            if self._counts != before:
                moved = time.monotonic()
            if time.monotonic() - moved > STUCK_SECONDS:
                self._late = f"nothing moved for {STUCK_SECONDS:.0f} s, with work left: see {self._place.folder}"
                break
            time.sleep(TICK_SECONDS)
        self._tick(show=True)

    def _tick(self, *, show: bool = False) -> None:
        """Go on with the stories; now and then count, show, and play the power cut."""
        self._children.check()
        self._stories.go_on()
        if not show and time.monotonic() - self._shown < SHOW_SECONDS:
            return
        self._shown = time.monotonic()
        self._counts = self._watch.progress()
        self._screen.show(self._sender.sent.documents, self._counts)
        if self._first_edit is None and self._counts.applied:
            self._first_edit = time.monotonic() - self._began
            self._screen.say(f"first edit applied {self._first_edit:.1f} s after the start of this command")
        if self._kills and self._counts.orders >= self._kills[0] and self._shown - self._killed > KILL_SECONDS:
            self._screen.say(f"killing the processor, process {self._children.pid('processor')}")
            self._children.kill("processor")
            self._kills.pop(0)
            self._killed = self._shown

    def _stay(self, report: Report) -> None:
        self._screen.say("; ".join(report.problems) or "Everything has an outcome, the sums close, the book has no integrity error.")
        if self._place.settings.issuer_url is not None:
            self._screen.say(
                f"The console is at {self._place.settings.console_address}: sign in as {', '.join(USERS)}; there is no password."
            )
        self._screen.say(f"The services go on. Before any command, {self._place.hint} looks at this run. Ctrl-C ends it.")
        while True:
            self._tick()
            time.sleep(SHOW_SECONDS)

    def _report(self, times: Times) -> Report:
        settings = self._place.settings
        with connect(bootstrap.database_of(settings), settings.db_schema, application="verify") as connection:
            findings = verify(connection, KeyVault.load(settings.keys_dir), self._screen.checked).findings
        for finding in findings[:20]:
            self._screen.say(f"{finding.rule}: order {finding.order_id}: {finding.detail}")
        sent = self._sender.sent
        report = build(
            sent.documents, sent.edits, sent.facts, self._watch.tally(), times, len(findings), self._children.restarts, self._late
        )
        if self._options.report:
            self._options.report.write_text(json.dumps(report.as_json(), indent=1) + "\n", "utf-8")
        return report


class _Stories:
    """Stories under way: the next step of each goes out when what it waits for is in the database."""

    def __init__(self, sender: Sender, watch: Watch) -> None:
        self._sender = sender
        self._watch = watch
        self._unborn: dict[UUID, Story] = {}
        self._running: dict[UUID, tuple[list[Step], set[tuple[UUID, str]]]] = {}

    @property
    def waiting(self) -> int:
        """How many stories have steps left."""
        return len(self._unborn) + len(self._running)

    def add(self, stories: list[Story]) -> None:
        """Take on stories whose documents were sent."""
        self._unborn |= {story.order_id: story for story in stories if story.steps}

    def go_on(self) -> int:
        """Send every step that is due; return how many."""
        due: list[tuple[UUID, list[Step]]] = []
        if self._unborn:
            born = self._watch.arrived(list(self._unborn))
            due += [(order_id, list(self._unborn.pop(order_id).steps)) for order_id in born]
        if self._running:
            awaited = {message for _, messages in self._running.values() for message in messages}
            decided = self._watch.decided(awaited)
            ready = [order_id for order_id, (_, messages) in self._running.items() if messages <= decided]
            due += [(order_id, self._running.pop(order_id)[0]) for order_id in ready]
        for order_id, steps in due:
            self._send(order_id, steps)
        if due:
            self._sender.confirm()
        return len(due)

    def let_go(self) -> None:
        """Send all that is left, whatever it waits for."""
        for story in self._unborn.values():
            self._running[story.order_id] = (list(story.steps), set())
        self._unborn.clear()
        for steps, _ in self._running.values():
            for step in steps:
                self._sender.messages(step)
        self._running.clear()
        self._sender.confirm()

    def _send(self, order_id: UUID, steps: list[Step]) -> None:
        first, *rest = steps
        self._sender.messages(first)
        if rest:
            # A forged ticket gets no outcome under its own id: nothing waits for it.
            awaited = {(order_id, message.message_id) for message in first if not (isinstance(message, Edit) and message.forged)}
            self._running[order_id] = (rest, awaited)


def _kill_marks(options: Options) -> list[int]:
    """Return after how many orders in the book the processor is killed, each time."""
    rng = random.Random(options.seed)  # noqa: S311 - demo data
    return sorted(rng.randrange(1, max(2, options.orders * 9 // 10)) for _ in range(options.kills))
