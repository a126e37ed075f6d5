"""`ordermend bench`: how fast this machine moves orders and edits, beside what is possible on it."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: ordermend bench --repeats 3 --json bench.json")(bench)


def bench(
    *,
    messages: Annotated[int, typer.Option(min=1000, help="Documents for each of intake's loops.")] = 50_000,
    edits: Annotated[int, typer.Option(min=500, help="Tickets for each of the processor's runs.")] = 20_000,
    orders: Annotated[int, typer.Option(min=100, help="Orders in the book that is edited.")] = 10_000,
    book: Annotated[int, typer.Option(min=1000, help="Orders in the book that is checked whole, and in the one searched.")] = 20_000,
    seconds: Annotated[
        int,
        typer.Option(
            min=5, help="How long orders, edits and previews run beside each other; half of it for each load of the webhook door."
        ),
    ] = 20,
    repeats: Annotated[int, typer.Option(min=1, help="How often everything takes its turn; medians are reported.")] = 3,
    only: Annotated[
        Literal["intake", "webhooks", "processor", "latency", "console", "book", "search"] | None, typer.Option(help="Measure one part.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write the figures there too.")] = None,
    profile: Annotated[
        Path | None, typer.Option(file_okay=False, help="Run once more under cProfile and keep its files in this folder.")
    ] = None,
    peers: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Folder with raw_confluent.py and common.py; default: ../shared/bench/peers."),
    ] = None,
    bound: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The bound's script; default: ../shared/bench/bounds/apply_bound.py.")
    ] = None,
) -> None:
    """Measure intake and the processor, Kafka to Kafka, each beside its bound; print JSON, and a table to standard error.

    Uses the stack that runs, or starts one and stops it again; the run's own topics and tables are removed at the end.
    Exit code 0: measured. 1: the work was not all done, so there is no figure. 3: a server failed.
    """
    from rich.console import Console  # noqa: PLC0415 - keeps --help fast

    from ordermend import settings  # noqa: PLC0415
    from ordermend.bench.report import print_table  # noqa: PLC0415
    from ordermend.bench.run import Options, measure  # noqa: PLC0415

    result = measure(Options(messages, orders, edits, repeats, book, seconds, only, peers, bound, profile), settings.load())
    text = json.dumps(result.figures, indent=1)
    if json_file:
        json_file.write_text(text + "\n", "utf-8")
    typer.echo(text)
    print_table(result.figures, Console(stderr=True))
    for part, found in result.profiles.items():
        typer.echo(f"\n{part}, by own time, profiled in a run of its own (files in {profile}):\n{found}", err=True)
