"""`ordermend verify` and `ordermend reconcile`: the integrity check of the book, and of what it sent against what arrived."""

import json
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: ordermend verify --json")(verify)
    app.command(epilog="Example: ordermend reconcile")(reconcile)


def verify(
    processes: Annotated[int, typer.Option(help="How many processes share the work.", min=1, max=64)] = 2,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check the whole book: history folds to the stored order, chains hold, money adds up, nothing hangs in the air.

    Exit code 0: no finding. 1: findings, one line each. 3: the database does not answer.
    """
    from rich.progress import Progress  # noqa: PLC0415 - keeps --help fast

    from modification_processor.verify_parallel import verify_in_processes  # noqa: PLC0415
    from ordermend import bootstrap, settings  # noqa: PLC0415
    from ordermend.local import stack  # noqa: PLC0415

    here = stack.connected(settings.load())
    with Progress(transient=True) as progress:
        task = progress.add_task("orders checked", total=None)
        result = verify_in_processes(
            bootstrap.database_of(here),
            here.db_schema,
            here.keys_dir,
            processes,
            lambda done, total: progress.update(task, completed=done, total=total),
        )
    if as_json:
        found = [{"rule": f.rule, "order_id": str(f.order_id), "detail": f.detail} for f in result.findings]
        typer.echo(json.dumps({"orders": result.orders, "history_rows": result.history_rows, "findings": found}, indent=1))
    else:
        for finding in result.findings:
            typer.echo(f"{finding.rule}: order {finding.order_id}: {finding.detail}")
        typer.echo(f"{result.orders} orders, {result.history_rows} history rows, {len(result.findings)} findings")
    if result.findings:
        raise typer.Exit(1)


def reconcile() -> None:
    """Compare every event the book calls sent with the events topic: none lost, changed, foreign or out of its order's order.

    Exit code 0: no finding. 1: findings, one line each. 3: database or broker do not answer.
    """
    from rich.progress import Progress  # noqa: PLC0415 - keeps --help fast

    from ordermend import bootstrap, settings  # noqa: PLC0415
    from ordermend.local import stack  # noqa: PLC0415

    with Progress(transient=True) as progress:
        task = progress.add_task("events read", total=None)
        result = bootstrap.reconciled(stack.connected(settings.load()), lambda done: progress.update(task, completed=done))
    for finding in result.findings:
        typer.echo(f"{finding.rule}: order {finding.order_id}: {finding.detail}")
    typer.echo(f"{result.events} events sent, {result.records} records on the topic, {len(result.findings)} findings")
    if result.findings:
        raise typer.Exit(1)
