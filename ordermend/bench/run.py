"""THE FLOW of the bench: stack, place, intake's loops in turn, the processor and its bound in turn, figures.

Output:  one dictionary: the ratios, the absolute figures, what each stage costs, the machine and the versions.
Fails:   BenchInvalid where the work was not all done; StackFailed where a server does not start.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import ordermend
from ordermend import bootstrap
from ordermend.bench import place as places
from ordermend.bench.book import measure_book
from ordermend.bench.bound import bound
from ordermend.bench.console import measure_console
from ordermend.bench.flat import by_lines, by_messages
from ordermend.bench.function import given
from ordermend.bench.intake import PEERS_BARE, Intake
from ordermend.bench.latency import measure_latency
from ordermend.bench.place import Place
from ordermend.bench.processor import ProcessorBench
from ordermend.bench.report import Figures, intake_figures, machine, processor_figures
from ordermend.bench.search import measure_search
from ordermend.bench.stages import costs
from ordermend.bench.webhooks import measure_webhooks
from ordermend.progress import Report as Phases
from ordermend.progress import phases
from ordermend.serving import settle_interpreter
from ordermend.settings import Settings

Part = Literal["intake", "webhooks", "processor", "latency", "console", "book", "search"]
PARTS: tuple[Part, ...] = ("intake", "webhooks", "processor", "latency", "console", "book", "search")
_BESIDE = Path(ordermend.__file__).parents[2] / "shared/bench"
"""Where the other loops and the bound's script lie beside a checkout, if they do."""


@dataclass(frozen=True)
class Options:
    """What to measure. `peers` and `bound`: the given folder and script; None looks beside the checkout."""

    messages: int
    orders: int
    edits: int
    repeats: int
    book: int
    seconds: int
    only: Part | None = None
    peers: Path | None = None
    bound: Path | None = None
    profile: Path | None = None


@dataclass(frozen=True)
class Result:
    """The figures, and the profiles' text by part."""

    figures: Figures
    profiles: dict[Part, str]


def measure(options: Options, settings: Settings) -> Result:
    """Measure everything asked for."""
    # What measures must not wait for itself: its threads stand for agents and channels.
    settle_interpreter()
    began = time.monotonic()
    figures: Figures = {}
    profiles: dict[Part, str] = {}
    with phases() as progress, places.fresh(settings, progress) as place:
        figures |= {"repeats": options.repeats, **machine(place.settings)}
        if options.only in (None, "intake"):
            figures |= _intake(options, place, progress, profiles)
            progress("Intake", "ready")
        if options.only in (None, "webhooks"):
            figures |= measure_webhooks(place, options.seconds / 2, progress)
            progress("Webhooks", "ready")
        if options.only in (None, "processor"):
            figures |= _processor(options, place, progress, profiles)
            progress("Processor", "ready")
        if options.only in (None, "latency"):
            with places.fresh(settings, progress) as another:
                figures |= measure_latency(another, options.seconds, progress)
            progress("Latency", "ready")
        if options.only in (None, "console"):
            with places.fresh(settings, progress) as another:
                figures |= measure_console(another, options.seconds, progress)
            progress("Console", "ready")
        if options.only in (None, "book"):
            # Under a schema of its own: what the processor's part left would be checked with it.
            with places.fresh(settings, progress) as another:
                figures |= measure_book(another, options.book, os.cpu_count() or 1, progress)
            progress("Book", "ready")
        if options.only in (None, "search"):
            with places.fresh(settings, progress) as another:
                figures |= measure_search(another, options.book, progress)
            progress("Search", "ready")
        progress("Order book", "removing it")
    return Result({**figures, "seconds": round(time.monotonic() - began, 1)}, profiles)


def _intake(options: Options, place: Place, progress: Phases, profiles: dict[Part, str]) -> Figures:
    peers = options.peers or _beside("peers", PEERS_BARE)
    intake = Intake(place, options.messages, peers)
    progress("Intake", f"sending {options.messages} documents")
    intake.fill()
    rates, others = intake.measure(options.repeats, progress)
    progress("Intake", "the stages, one by one")
    signer = bootstrap.signer(place.settings, "intake", "intake")
    stages = costs(signer, given(peers))
    flat = {"flat_message_us": by_messages(place, options.messages, progress), "flat_lines": by_lines(signer)}
    if options.profile:
        progress("Intake", "once more, profiled")
        profiles["intake"] = intake.profile(options.profile.absolute())
    bare = f"peers/{PEERS_BARE}" if peers else "own"
    more = {"messages": options.messages, "bytes_mean": round(intake.bytes_mean), "bare": bare}
    return intake_figures(rates, others, stages, **more, **flat)


def _processor(options: Options, place: Place, progress: Phases, profiles: dict[Part, str]) -> Figures:
    bench = ProcessorBench(place, options.orders, options.edits)
    progress("Processor", f"bringing {options.orders} orders in")
    book = bench.fill()
    script = options.bound or _beside("bounds", "apply_bound.py", itself=True)
    with bound(place.settings, script) as limit:
        measured = bench.measure(options.repeats, limit, progress)
        if options.profile:
            progress("Processor", "once more, profiled")
            profiles["processor"] = bench.profile(options.profile.absolute())
        progress("Processor", "checking the whole book")
        checked = bench.check()
        alone = bench.read_costs()
        return processor_figures(measured, book, alone, orders=options.orders, edits=options.edits, bound=limit.source, verify=checked)


def _beside(folder: str, file: str, *, itself: bool = False) -> Path | None:
    """Return the folder (or the file itself) beside the checkout, or None."""
    found = _BESIDE / folder / file
    return (found if itself else found.parent) if found.is_file() else None
