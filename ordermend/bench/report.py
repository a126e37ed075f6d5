"""The bench's figures: medians, ratios, the JSON document and the table.

A ratio is the median of ours over the median of the bound's, both of the same run. Rates are messages per second,
stages µs per message.
"""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from statistics import median
from typing import Any

import confluent_kafka
import psycopg
from rich.console import Console
from rich.table import Table

from ordermend import bootstrap
from ordermend.bench.bound import best
from ordermend.bench.child import Kind
from ordermend.bench.processor import Measured, Run
from ordermend.settings import Settings

PACKAGES = ("ordermend", "confluent-kafka", "cryptography", "fastavro", "orjson", "psycopg", "pydantic")
Figures = dict[str, Any]


def ratio(ours: Sequence[float], bound: Sequence[float]) -> float:
    """Return the ratio of the medians.

    >>> ratio([90.0, 50.0, 95.0], [100.0, 90.0, 200.0])
    0.9
    """
    return round(median(ours) / median(bound), 3)


def medians(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the median by name over runs that all have the same names.

    >>> medians([{"load": 1.0}, {"load": 5.0}, {"load": 2.04}])
    {'load': 2.0}
    """
    return {name: round(median(row[name] for row in rows), 1) for name in (rows[0] if rows else ())}


def intake_figures(
    rates: Mapping[Kind, Sequence[float]], others: Mapping[str, Sequence[float]], stages: Mapping[str, float], **more: object
) -> Figures:
    """Return intake's part of the report; `rates` by kind of run, `others` by peer."""
    return {
        "intake_loop_ratio": ratio(rates["loop"], rates["bare"]),
        "intake_full_ratio": ratio(rates["full"], rates["bare"]),
        "intake": {
            **{f"{kind}_per_second": round(median(found)) for kind, found in rates.items()},
            "runs": {kind: [round(rate) for rate in found] for kind, found in rates.items()},
            "peers_per_second": {name: round(median(found)) for name, found in others.items()},
            "peers_runs": {name: [round(rate) for rate in found] for name, found in others.items()},
            "stages_us": {name: round(cost, 1) for name, cost in stages.items()},
            **more,
        },
    }


def processor_figures(measured: Measured, book: Run, alone: Mapping[str, float], **more: object) -> Figures:
    """Return the processor's part; `book` is the run that brought the orders in, `alone` what reading costs by itself."""
    rates, shared = ([run.per_second for run in runs] for runs in (measured.runs, measured.shared))
    bounds = [best(found) for found in measured.bounds]
    return {
        "processor_ratio": ratio(rates, bounds),
        "processor_ratio_of_two": ratio(shared, bounds),
        "processor": {
            "edits_per_second": round(median(rates)),
            "edits_per_second_of_two": round(median(shared)),
            "bound_edits_per_second": round(median(bounds)),
            "runs": [round(rate) for rate in rates],
            "runs_of_two": [round(rate) for rate in shared],
            "bound_runs": [{str(size): round(rate) for size, rate in found.items()} for found in measured.bounds],
            "orders_accepted_per_second": round(book.per_second),
            "stages_us": medians([run.stages for run in measured.runs]),
            "threads_cpu_us": medians([run.threads for run in measured.runs]),
            "stages_us_of_two": medians([run.stages for run in measured.shared]),
            "threads_cpu_us_of_two": medians([run.threads for run in measured.shared]),
            "read_alone_us": {name: round(cost, 1) for name, cost in alone.items()},
            "orders_accepted_stages_us": medians([book.stages]),
            **more,
        },
    }


def machine(settings: Settings) -> Figures:
    """Return what the figures depend on: processors, load at the start, versions."""
    with psycopg.connect(bootstrap.database_of(settings)) as connection:
        row = connection.execute("show server_version").fetchone()
    return {
        "cpus": os.cpu_count(),
        "load_at_start": round(os.getloadavg()[0], 2),
        "versions": {
            "python": platform.python_version(),
            "librdkafka": confluent_kafka.libversion()[0],
            "postgresql": row[0] if row else None,
            **{name: version(name) for name in PACKAGES},
        },
    }


def print_table(figures: Figures, console: Console) -> None:
    """Print what was measured, for people."""
    if "intake" in figures:
        console.print(_intake_table(figures))
        console.print(_stages("Intake, one thread, no Kafka, processor time", figures["intake"]["stages_us"]))
        console.print(_flat_table(figures))
    if "webhooks" in figures:
        console.print(_webhooks_table(figures))
    if "processor" in figures:
        console.print(_processor_table(figures))
        both = {**figures["processor"]["stages_us"], **{f"CPU, {k}": v for k, v in figures["processor"]["threads_cpu_us"].items()}}
        console.print(_stages("Processor, elapsed where nothing else is said", both))
    if "latency" in figures:
        console.print(_latency_table(figures))
    if "console" in figures:
        console.print(_console_table(figures))
        console.print(_ways_table(figures["console"]["stages_ms"]))
    if "book" in figures:
        console.print(_book_table(figures))
    if "search" in figures:
        console.print(_search_table(figures))


def _latency_table(figures: Figures) -> Table:
    part = figures["latency"]
    title = f"Beside {part['orders_a_second']:g} orders and {part['edits_a_second']:g} edits a second"
    table = Table("what", "median", "95th percentile", title=title)
    for name, label in (
        ("preview_ms", "preview"),
        ("decided_ms", "edit decided"),
        ("committed_and_sent_ms", "edit committed, event on Kafka"),
    ):
        table.add_row(label, f"{part[name]['median']} ms", f"{part[name]['p95']} ms")
    return table


def _console_table(figures: Figures) -> Table:
    part = figures["console"]
    title = f"{part['agents']} agents at the console, {part['edits_a_second']:g} edits a second, beside {part['orders_a_second']:g} orders"
    table = Table("what", "median", "95th percentile", title=title)
    for name, label in (
        ("preview_ms", "preview asked and answered"),
        ("taken_ms", "edit sent and taken (202)"),
        ("told_ms", "edit sent, its author told that it is applied"),
        ("visible_ms", "edit sent, applied and read back"),
    ):
        table.add_row(label, f"{part[name]['median']} ms", f"{part[name]['p95']} ms")
    return table


def _ways_table(stages: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table(
        "stage of an edit", "median", "95th percentile", "among the slowest twentieth", title="From the click to the order that shows it"
    )
    for name, taken in stages.items():
        table.add_row(name.replace("_", " "), *(f"{taken[each]} ms" for each in ("median", "p95", "slowest")))
    return table


def _book_table(figures: Figures) -> Table:
    table = Table("what", "figure", title="The order book")
    part = figures["book"]
    table.add_row(f"{part['orders']:,} orders checked whole", f"{part['check_seconds']} s, {part['checked_per_second']:,} a second")
    for name in ("as_placed", "as_of", "between", "why"):
        taken = part[f"{name}_ms"]
        table.add_row(f"{name}, of {part['versions_of_one']} versions", f"{taken['median']} ms, p95 {taken['p95']} ms")
    return table


def _search_table(figures: Figures) -> Table:
    part = figures["search"]
    table = Table("asked for", "median", "95th percentile", title=f"A page of 25 of {part['orders']:,} orders")
    for name, taken in part.items():
        if name.endswith("_ms"):
            table.add_row(name.removesuffix("_ms").replace("_", " "), f"{taken['median']} ms", f"{taken['p95']} ms")
    return table


def _intake_table(figures: Figures) -> Table:
    table = Table("loop", "messages/s", "of the bare loop", title="Intake: Kafka to Kafka")
    part = figures["intake"]
    table.add_row("bare confluent-kafka", f"{part['bare_per_second']:,}", "1")
    table.add_row("ours, same function", f"{part['loop_per_second']:,}", f"{figures['intake_loop_ratio']:.2f}")
    table.add_row("ours, whole intake", f"{part['full_per_second']:,}", f"{figures['intake_full_ratio']:.2f}")
    for name, found in part["peers_per_second"].items():
        table.add_row(f"{name}, same function as the bare loop", f"{found:,}", f"{found / part['bare_per_second']:.2f}")
    return table


def _flat_table(figures: Figures) -> Table:
    table = Table(
        "whole intake, processor time", "µs a message", "µs a line beyond the first", title="Intake: does its cost stay the same?"
    )
    part = figures["intake"]
    for count, cost in part["flat_message_us"].items():
        table.add_row(f"{int(count):,} messages", f"{cost:.1f}", "")
    for count, cost in part["flat_lines"]["message_us"].items():
        each = part["flat_lines"]["line_us"].get(count)
        table.add_row(f"{count} lines, no Kafka", f"{cost:.1f}", "" if each is None else f"{each:.2f}")
    return table


def _webhooks_table(figures: Figures) -> Table:
    title = f"The webhook door: {figures['webhooks']['body_bytes']:,} bytes a request, confirmed by Kafka"
    table = Table("connections", "taken/s", "median", "p95", "p99", "told to come again", title=title)
    for level in figures["webhooks"]["levels"]:
        times = (f"{level[name]} ms" for name in ("p50_ms", "p95_ms", "p99_ms"))
        table.add_row(str(level["connections"]), f"{level['taken_per_second']:,}", *times, f"{level['told_to_come_again']:.1%}")
    return table


def _processor_table(figures: Figures) -> Table:
    table = Table("what", "edits/s", "of the bound", title="Processor: Kafka to Kafka")
    part = figures["processor"]
    table.add_row("set-based bound, best batch", f"{part['bound_edits_per_second']:,}", "1")
    table.add_row("ours, one process", f"{part['edits_per_second']:,}", f"{figures['processor_ratio']:.2f}")
    table.add_row("ours, two processes", f"{part['edits_per_second_of_two']:,}", f"{figures['processor_ratio_of_two']:.2f}")
    return table


def _stages(title: str, costs: Mapping[str, float]) -> Table:
    table = Table("stage", "µs a message", title=title)
    for name, cost in costs.items():
        table.add_row(name, f"{cost:.1f}")
    return table
