"""What a person sees of a demo run: progress while it goes, the report at the end.

Progress goes to standard error: bars on a terminal, a line every few seconds elsewhere. The report's table goes there
too, so that standard output stays free; the JSON goes to its file.
"""

import time
from typing import Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from ordermend.local.demo.report import Report
from ordermend.local.demo.watch import Progress as Counts

LINE_SECONDS: Final = 2.0


class Screen(Protocol):
    """Shows how far a run is."""

    def show(self, documents: int, counts: Counts) -> None:
        """Show the counts."""

    def checked(self, orders: int, of_orders: int) -> None:
        """Show how far the integrity check is."""

    def say(self, text: str) -> None:
        """Print a line that stays."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def screen(documents: int, orders: int, edits: int) -> Screen:
    """Return the screen for this terminal; the arguments are what is to come."""
    console = Console(stderr=True)
    return _Bars(console, documents, orders, edits) if console.is_terminal else _Lines(console, documents)


class _Bars:
    def __init__(self, console: Console, documents: int, orders: int, edits: int) -> None:
        columns = (
            TextColumn("{task.description:<16}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
        )
        self._progress = Progress(*columns, console=console)
        self._documents = self._task("documents sent", documents)
        self._orders = self._task("orders in book", orders)
        self._edits = self._task("edits answered", edits)
        self._check: TaskID | None = None
        self._progress.start()

    def _task(self, name: str, total: int) -> TaskID:
        return self._progress.add_task(name, total=total, note="")

    def show(self, documents: int, counts: Counts) -> None:
        """Move the bars."""
        self._progress.update(self._documents, completed=documents)
        self._progress.update(self._orders, completed=counts.orders, note=f"{counts.facts} facts, {counts.letters} dead letters")
        self._progress.update(self._edits, completed=counts.edits, note=f"{counts.applied} applied")

    def checked(self, orders: int, of_orders: int) -> None:
        """Move the bar of the check; it appears with the first call."""
        if self._check is None:
            self._check = self._task("orders checked", of_orders)
        self._progress.update(self._check, completed=orders, total=of_orders)

    def say(self, text: str) -> None:
        """Print above the bars."""
        self._progress.console.print(text, highlight=False, markup=False)

    def close(self) -> None:
        """Stop drawing."""
        self._progress.stop()


class _Lines:
    def __init__(self, console: Console, documents: int) -> None:
        self._console = console
        self._total = documents
        self._began = time.monotonic()
        self._next = 0.0
        self._last: tuple[int, Counts] | None = None

    def show(self, documents: int, counts: Counts) -> None:
        """Print a line now and then, if something moved."""
        if time.monotonic() < self._next or (documents, counts) == self._last:
            return
        self._next, self._last = time.monotonic() + LINE_SECONDS, (documents, counts)
        self.say(
            f"{documents} of {self._total} documents sent, {counts.orders} orders, {counts.edits} edits answered, "
            f"{counts.applied} applied, {counts.facts} facts, {counts.letters} dead letters"
        )

    def checked(self, orders: int, of_orders: int) -> None:
        """Print a line now and then."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_SECONDS
            self.say(f"{orders} of {of_orders} orders checked")

    def say(self, text: str) -> None:
        """Print a line with the time since the start of the traffic."""
        passed = time.monotonic() - self._began
        self._console.print(f"{passed:6.1f} s  {text}", markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Nothing to leave."""


def print_report(report: Report) -> None:
    """Print the report as tables, the verdict last."""
    console = Console(stderr=True)
    table = Table(title="What became of everything sent", title_justify="left")
    for name in ("orders", "", "edits", "", "facts", ""):
        table.add_column(name, justify="left" if name else "right")
    columns = (_orders(report), _edits(report), _facts(report))
    for index in range(max(map(len, columns))):
        table.add_row(*(cell for rows in columns for cell in (rows[index] if index < len(rows) else ("", ""))))
    console.print(table)
    console.print(_speed(report), highlight=False, markup=False)
    for problem in report.problems:
        console.print(f"NOT GOOD: {problem}", highlight=False, markup=False)
    if report.good:
        console.print("The sums close, and the book has no integrity error.", highlight=False)


def _orders(report: Report) -> list[tuple[str, str]]:
    names = ("sent", "accepted", "held", "duplicates", "stale", "incomplete", "quarantined", "rejected", "dead_letters")
    return [("of them held" if name == "held" else name.replace("_", " "), str(getattr(report, name))) for name in names]


def _edits(report: Report) -> list[tuple[str, str]]:
    names = ("sent", "applied", "refused", "conflicted", "awaiting", "waiting", "dead", "duplicates")
    return [(name, str(getattr(report, f"edits_{name}"))) for name in names]


def _facts(report: Report) -> list[tuple[str, str]]:
    rows = (("sent", report.facts_sent), ("recorded", report.facts), ("waiting", report.facts_waiting))
    return [(name, str(count)) for name, count in (*rows, ("dead", report.facts_dead), ("duplicates", report.facts_duplicates))]


def _speed(report: Report) -> str:
    latency = ", ".join(f"{name} {value} ms" for name, value in report.edit_latency_ms.items() if value is not None)
    lines = [f"{report.seconds:.1f} s: {report.orders_per_second:g} orders/s, {report.edits_per_second:g} edits/s"]
    if latency:
        lines.append(f"edit latency: {latency} (applied edits; those that waited for their order apart)")
    if report.restarts:
        lines.append(f"{report.restarts} services were started again after they died")
    return "\n".join(lines)
