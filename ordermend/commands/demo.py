"""`ordermend demo`: everything on one machine, with traffic of our own."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: ordermend demo --orders 10000 --edits 1000 --seed 1 --once --report report.json")(demo)


def demo(
    *,
    orders: Annotated[
        int, typer.Option(min=1, help="How many different good orders; broken, repeated and restated ones come on top.")
    ] = 2000,
    edits: Annotated[int, typer.Option(min=0, help="How many different edits of them.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same traffic.")] = 1,
    once: Annotated[bool, typer.Option("--once", help="End when nothing is due within 10 s; else go on until Ctrl-C.")] = False,
    report: Annotated[Path | None, typer.Option(dir_okay=False, help="Write the report there, as JSON.")] = None,
    feed: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Send the payload files in FOLDER/<channel>/ first.")
    ] = None,
    kills: Annotated[int, typer.Option(min=0, help="Kill the processor that often while it works; it is started again.")] = 0,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running at the end.")] = False,
) -> None:
    """Start everything, feed orders, facts and edits, check the whole book and print a report.

    Uses the stack that runs, or starts one and stops it again. Every run has an order book and topics of its own; the
    last run's stay to be looked at. Exit code 0: the report closes and the book has no integrity error. 1: it does not.
    2: wrong usage, or nothing to feed. 3: a server or a service failed. 130: Ctrl-C before the end of --once.
    """
    from ordermend import settings  # noqa: PLC0415 - keeps --help fast
    from ordermend.local.demo.driver import Options, run  # noqa: PLC0415
    from ordermend.local.demo.screen import print_report  # noqa: PLC0415

    result = run(Options(orders, edits, seed, once, feed, report, kills, keep), settings.load())
    print_report(result)
    if not result.good:
        raise typer.Exit(1)
