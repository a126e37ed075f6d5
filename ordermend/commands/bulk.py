"""`ordermend bulk`: one edit of many orders, tried first, run with its progress in view, paused, resumed, undone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from ordermend.textfile import read as text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modification_processor.bulk import BulkRunner, DryRun
    from ordermend.settings import Settings
    from store.database import Connection

EXAMPLE = (
    """Example: ordermend bulk --operation apply_promotion --arguments '{"code": "TENOFF"}' --reason goodwill --channel shopify --dry-run"""
)
ROLES = "Order_Modify Order_Bulk"
Job = Annotated[UUID, typer.Argument(help="The job's id.")]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(invoke_without_command=True, help="Edit many orders at once.", epilog=EXAMPLE)
    group.callback(epilog=EXAMPLE)(start)
    group.command(epilog="Example: ordermend bulk status JOB")(status)
    group.command(epilog="Example: ordermend bulk outcomes JOB > outcomes.csv")(outcomes)
    group.command(epilog="Example: ordermend bulk pause JOB")(pause)
    group.command(epilog="Example: ordermend bulk resume JOB")(resume)
    group.command(epilog="Example: ordermend bulk cancel JOB")(cancel)
    group.command(epilog="Example: ordermend bulk undo JOB --user ana")(undo)
    app.add_typer(group, name="bulk")


def start(
    context: typer.Context,
    operation: Annotated[str | None, typer.Option(help="The operation's name; it has to be safe in bulk.")] = None,
    arguments: Annotated[str, typer.Option(help="Its arguments, a JSON object.")] = "{}",
    reason: Annotated[str, typer.Option(help="The reason code.")] = "",
    ids: Annotated[Path | None, typer.Option(help="A file with one order id a line; - reads standard input.", allow_dash=True)] = None,
    channel: Annotated[str | None, typer.Option(help="Orders of this channel.")] = None,
    sku: Annotated[str | None, typer.Option(help="Orders with this SKU.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many orders.", min=1, max=1_000_000)] = 100_000,
    mode: Annotated[
        str, typer.Option(help="skip_failed, stop_after (no more is sent after --stop-after failures) or all_or_nothing (at most 500).")
    ] = "skip_failed",
    stop_after: Annotated[int, typer.Option(help="Failures after which a stop_after job stops.", min=1)] = 10,
    user: Annotated[str, typer.Option(help="Who does it: the name in every order's history.")] = "operator",
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen to each order, and change nothing.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Leave the job to `ordermend run bulk` and print its id.")] = False,
) -> None:
    """Edit many orders at once: frozen selection, one ticket an order, one outcome for every id.

    Exit code 1: some order was not edited, or the job was refused. A run that was killed goes on with `bulk resume`.
    """
    if context.invoked_subcommand is not None:
        return
    if operation is None:
        raise typer.BadParameter("name the operation, for example --operation apply_promotion", param_hint="--operation")
    import uuid  # noqa: PLC0415 - keeps --help fast

    from modification_processor import bulk  # noqa: PLC0415
    from schemas.ticket import Operation  # noqa: PLC0415

    request = bulk.Request((Operation(name=operation, arguments=arguments),), reason, user, frozenset(ROLES.split()), mode, stop_after)
    here = _settings()
    with _connection(here) as connection:
        selection = _selection(connection, ids, channel, sku, limit)
        if dry_run:
            _show(_tried(connection, request, selection))
            return
        job_id = uuid.uuid4()
        bulk.submit(connection, request, selection, job_id)
        typer.echo(f"bulk job {job_id}: {len(selection)} orders")
        if not detach:
            _carry_on(here, connection, job_id)


def status(job: Job) -> None:
    """Say how far a job is."""
    from modification_processor.bulk import BulkRefused  # noqa: PLC0415 - keeps --help fast
    from store import bulk  # noqa: PLC0415

    with _connection(_settings()) as connection, connection.cursor() as cursor:
        found = bulk.find(cursor, job)
        if found is None:
            raise BulkRefused(f"there is no bulk job {job}", field="job", rule="bulk_job_exists")
        typer.echo(f"job {job} is {found.state}: {_line(bulk.counts(cursor, job))}")


def outcomes(job: Job) -> None:
    """Print every order's outcome as CSV; a text that a spreadsheet would take for a formula has an apostrophe before it."""
    import sys  # noqa: PLC0415 - keeps --help fast

    from console import csv_text  # noqa: PLC0415
    from store import bulk  # noqa: PLC0415

    with _connection(_settings()) as connection, connection.cursor() as cursor:
        sys.stdout.writelines(csv_text.lines(bulk.Outcome._fields, bulk.outcomes(cursor, job)))


def pause(job: Job) -> None:
    """Send no more of a job's tickets until it is resumed."""
    _steer(job, "pause")


def resume(job: Job) -> None:
    """Go on with a job that was paused, or whose run was killed, and watch it. Exit code 1: some order was not edited."""
    from store import bulk  # noqa: PLC0415 - keeps --help fast

    here = _settings()
    with _connection(here) as connection:
        with connection.transaction(), connection.cursor() as cursor:
            found = bulk.find(cursor, job)
        if found is None or found.state == "paused":
            _steer(job, "resume")
        _carry_on(here, connection, job)


def cancel(job: Job) -> None:
    """Skip what was not sent yet, for good."""
    _steer(job, "cancel")


def undo(job: Job, user: Annotated[str, typer.Option(help="Who takes it back.")] = "operator") -> None:
    """Take back what a job applied, order by order, as a job of its own. Exit code 1: some order could not be taken back."""
    import uuid  # noqa: PLC0415 - keeps --help fast

    from modification_processor import bulk  # noqa: PLC0415

    here, job_id = _settings(), uuid.uuid4()
    with _connection(here) as connection:
        bulk.submit_undo(connection, job, user, frozenset(ROLES.split()), job_id)
        typer.echo(f"bulk job {job_id} takes back {job}")
        _carry_on(here, connection, job_id)


def _settings() -> "Settings":
    from ordermend import settings  # noqa: PLC0415 - keeps --help fast
    from ordermend.local import stack  # noqa: PLC0415

    return stack.connected(settings.load())


def _connection(here: "Settings") -> "Connection":
    from ordermend import bootstrap  # noqa: PLC0415 - keeps --help fast

    return bootstrap.connector(here, "bulk")()


def _steer(job: UUID, act: str) -> None:
    from modification_processor.bulk import steer  # noqa: PLC0415 - keeps --help fast

    with _connection(_settings()) as connection:
        typer.echo(f"job {job} is {steer(connection, job, act)}")


def _selection(connection: "Connection", ids: Path | None, channel: str | None, sku: str | None, limit: int) -> list[UUID]:
    from store import bulk  # noqa: PLC0415 - keeps --help fast

    if ids is not None:
        return list(_ids_of(ids))[:limit]
    with connection.transaction(), connection.cursor() as cursor:
        return [order_id for order_id, _ in bulk.select(cursor, channel, sku, ("received", "held", "confirmed"), limit)]


def _ids_of(path: Path) -> "Iterator[UUID]":
    import sys  # noqa: PLC0415 - keeps --help fast

    lines = (sys.stdin.read() if str(path) == "-" else text_of(path)).splitlines()
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        try:
            if text:
                yield UUID(text)
        except ValueError:
            raise typer.BadParameter(f"line {number}: {text[:60]!r} is no order id", param_hint="--ids") from None


def _tried(connection: "Connection", request: Any, selection: list[UUID]) -> "DryRun":
    from rich.progress import Progress  # noqa: PLC0415 - keeps --help fast

    from modification_processor import bulk  # noqa: PLC0415
    from modification_processor.snapshot import context_of  # noqa: PLC0415

    with Progress(transient=True) as bar:
        task = bar.add_task("trying", total=len(selection))
        return bulk.dry_run(connection, request, selection, context_of, lambda done: bar.update(task, completed=done))


def _show(found: "DryRun") -> None:
    from schemas.money import to_text  # noqa: PLC0415 - keeps --help fast

    total = sum(found.outcomes.values())
    typer.echo(f"dry run over {total} orders; nothing was changed")
    for outcome, count in found.outcomes.most_common():
        typer.echo(f"  {outcome:<24} {count:>8}  {'█' * max(1, round(40 * count / total))}")
    for currency, amount in sorted(found.money_delta_minor.items()):
        typer.echo(f"  money in {currency}: {to_text(amount, currency)}")
    for rule, count in found.approvals.most_common():
        typer.echo(f"  {count} would wait for approval: {rule}")


def _carry_on(here: "Settings", connection: "Connection", job_id: UUID) -> None:
    """Carry the job to its end with its progress in view."""
    import contextlib  # noqa: PLC0415 - keeps --help fast
    import time  # noqa: PLC0415

    from rich.progress import Progress  # noqa: PLC0415

    from modification_processor.bulk import UNDECIDED, failed  # noqa: PLC0415
    from ordermend import bootstrap  # noqa: PLC0415
    from store import bulk  # noqa: PLC0415

    runner: BulkRunner = bootstrap.bulk_runner(here)
    with contextlib.closing(runner), Progress() as bar:
        task = bar.add_task("orders", total=None)
        state = "running"
        while state in ("running", "busy"):
            state = runner.step(connection, job_id)
            with connection.transaction(), connection.cursor() as cursor:
                counts = bulk.counts(cursor, job_id)
            total, open_ = sum(counts.values()), sum(counts.get(word, 0) for word in UNDECIDED)
            bar.update(task, total=total, completed=total - open_)
            if state in ("running", "busy"):
                time.sleep(0.1)
    typer.echo(f"job {job_id} is {state}: {_line(counts)}")
    if failed(counts):
        raise typer.Exit(1)


def _line(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items(), key=lambda item: -item[1]))
