"""`ordermend remap`: what a new mapping reads otherwise in stored documents, first shown and then applied as tickets."""

import csv
import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from ordermend.remapping import Read, Summary

HIDDEN = "(personal)"
Shape = Literal["text", "json", "csv"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: ordermend remap --channel shopify --since 2026-11-01 --dry-run")(remap)


def _instant(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text[:40]!r} is no date and time like 2026-11-01 or 2026-11-01T10:00:00Z") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def remap(
    channel: Annotated[str, typer.Option(help="The sales channel, as `docs/reference/channels.md` lists them.")],
    since: Annotated[datetime, typer.Option(parser=_instant, help="Statements received from then on; UTC where no zone is given.")],
    until: Annotated[datetime | None, typer.Option(parser=_instant, help="And before then.")] = None,
    form: Annotated[Shape, typer.Option("--as", help="How differences are printed: for people, or one JSON array, or CSV.")] = "text",
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what differs; send nothing.")] = False,
    personal: Annotated[bool, typer.Option("--personal", help="Show values that may name people.")] = False,
) -> None:
    """Read stored documents again with today's mapping, and say field by field what it reads otherwise than the one of their time.

    Without --dry-run what operations can say goes out as tickets of user mapping:<version>. The channel's mapping_version has to be
    above the stored one. Exit code 0: all could be compared. 1: bytes are damaged, or the mapping refuses orders it took before.
    """
    from rich.progress import Progress  # noqa: PLC0415 - keeps --help fast

    from normalizers import discover  # noqa: PLC0415
    from ordermend import bootstrap, settings  # noqa: PLC0415
    from ordermend.local import stack  # noqa: PLC0415
    from ordermend.remapping import Summary  # noqa: PLC0415

    if channel not in discover():
        raise typer.BadParameter(f"{channel} is none of {', '.join(discover())}", param_hint="--channel")
    work, summary, rows = bootstrap.remapping(stack.connected(settings.load()), channel), Summary(), []
    with Progress(transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("orders read again", total=work.count(since, until))
        for read in work.run(since, until, dry=dry_run):
            summary.add(read)
            rows += rows_of(read, personal=personal)
            progress.advance(task)
    show(rows, summary, form, dry=dry_run)
    if summary.outcomes["damaged"] or summary.outcomes["refused"]:
        raise typer.Exit(1)


def rows_of(read: "Read", *, personal: bool) -> list[dict[str, str | None]]:
    """Return what is printed of one order: a row for each leaf that differs, or one that says why nothing was compared."""
    from schemas.leaves import is_personal  # noqa: PLC0415 - keeps --help fast

    order_id = str(read.standing.order_id)
    rows: list[dict[str, str | None]] = []
    for leaf in read.found.leaves if read.found is not None else ():
        hide = is_personal(leaf.path) and not personal
        old, new = (HIDDEN if hide and value is not None else value for value in (leaf.old, leaf.new))
        rows.append({"order_id": order_id, "path": leaf.path, "old": old, "new": new, "fate": leaf.fate})
    if read.reason:
        rows.append({"order_id": order_id, "path": "", "old": None, "new": None, "fate": f"{read.outcome}: {read.reason}"})
    return rows


def show(rows: Iterable[dict[str, str | None]], summary: "Summary", form: Shape, *, dry: bool) -> None:
    """Print rows to standard output and, for people, the summary behind them; else the summary goes to standard error."""
    if form == "json":
        typer.echo(json.dumps(list(rows), indent=1, ensure_ascii=False))
    elif form == "csv":
        writer = csv.DictWriter(sys.stdout, ("order_id", "path", "old", "new", "fate"), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        for row in rows:
            change = f"{row['path']}: {row['old']} -> {row['new']}  [{row['fate']}]" if row["path"] else row["fate"]
            typer.echo(f"{row['order_id']}  {change}")
    for (path, fate), times in sorted(summary.paths.items(), key=lambda item: -item[1]):
        typer.echo(f"{times:8}  {path}  {fate}", err=form != "text")
    told = ", ".join(f"{times} {word.replace('_', ' ')}" for word, times in sorted(summary.outcomes.items())) or "no orders"
    asked = ", ".join(f"{times} {name}" for name, times in sorted(summary.operations.items())) or "no operation"
    sent = "nothing was sent" if dry else f"{summary.sent} tickets were sent"
    typer.echo(f"{told}; {asked}; {sent}", err=form != "text")
