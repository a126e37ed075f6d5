"""`ordermend order show|history|diff|why|erase`: one order, its past, and forgetting a person."""

import json
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

if TYPE_CHECKING:
    from modification_processor.past import Past

OrderId = Annotated[UUID, typer.Argument(help="The order's id.")]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(no_args_is_help=True, help="One order and its past.", epilog="Example: ordermend order history ORDER_ID")
    group.command(epilog="Example: ordermend order show ORDER_ID --version 1")(show)
    group.command(epilog="Example: ordermend order history ORDER_ID --json")(history)
    group.command(epilog="Example: ordermend order diff ORDER_ID 1 3")(diff)
    group.command(epilog="Example: ordermend order why ORDER_ID 2 3")(why)
    group.command(epilog="Example: ordermend order erase ORDER_ID --actor ana --reason 'request of 24 November'")(erase)
    app.add_typer(group, name="order")


def _past(order_id: UUID) -> "Past":
    from modification_processor import past  # noqa: PLC0415 - keeps --help fast
    from ordermend import bootstrap, settings  # noqa: PLC0415
    from ordermend.local import stack  # noqa: PLC0415
    from store.sealing import KeyVault  # noqa: PLC0415

    here = stack.connected(settings.load())
    with bootstrap.connector(here, "order")() as connection, connection.cursor() as cursor:
        return past.load(cursor, KeyVault.load(here.keys_dir), order_id)


def show(order_id: OrderId, version: Annotated[int | None, typer.Option(help="As of this version; 1 is as placed.")] = None) -> None:
    """Print the order as canonical JSON, now or as of a version. It holds personal data."""
    from modification_processor.past import as_of  # noqa: PLC0415 - keeps --help fast

    found = _past(order_id)
    typer.echo(as_of(found, version or found.version).model_dump_json(exclude_defaults=True, indent=1))


def history(order_id: OrderId, *, as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False) -> None:
    """List what made each version: when, who, why, by what."""
    from dataclasses import asdict  # noqa: PLC0415 - keeps --help fast

    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from modification_processor.past import versions  # noqa: PLC0415

    found = _past(order_id)
    notes = versions(found)
    if as_json:
        typer.echo(json.dumps([asdict(note) for note in notes], default=str, indent=1))
        return
    table = Table("version", "at", "by", "role", "reason", "operations", "cause", "leaves")
    table.add_row("1", f"{found.placed_at:%Y-%m-%d %H:%M:%S}", "", "", "", "", "as placed", "")
    for note in notes:
        table.add_row(
            str(note.version),
            f"{note.at:%Y-%m-%d %H:%M:%S}",
            note.user_id,
            note.role,
            note.reason_code or "",
            note.operations,
            note.cause_id,
            str(note.leaves),
        )
    Console().print(table)


def diff(
    order_id: OrderId,
    older: Annotated[int, typer.Argument(help="The version to compare from.")],
    newer: Annotated[int, typer.Argument(help="The version to compare with.")],
) -> None:
    """Print every field that differs between two versions, and who changed it last. It may hold personal data."""
    from modification_processor.past import between  # noqa: PLC0415 - keeps --help fast

    for difference in between(_past(order_id), older, newer):
        row = difference.last
        typer.echo(f"{difference.path}: {difference.old} -> {difference.new}  ({row.user_id}, version {row.version})")


def why(
    order_id: OrderId,
    older: Annotated[int, typer.Argument(help="The version before.")],
    newer: Annotated[int, typer.Argument(help="The version after.")],
) -> None:
    """Say which rows moved the grand total between two versions; they sum to the move."""
    from modification_processor.past import as_of  # noqa: PLC0415 - keeps --help fast
    from modification_processor.past import why as explain  # noqa: PLC0415
    from schemas.money import to_text  # noqa: PLC0415

    found = _past(order_id)
    before, after = as_of(found, older).totals.grand_total_minor, as_of(found, newer).totals.grand_total_minor
    currency = found.first.currency
    for move in explain(found, older, newer):
        typer.echo(f"{to_text(move.minor, currency):>14} {currency}  {move.what}  ({move.path})")
    typer.echo(
        f"{to_text(after - before, currency):>14} {currency}  the grand total, {to_text(before, currency)} -> {to_text(after, currency)}"
    )


def erase(
    order_id: OrderId,
    actor: Annotated[str, typer.Option(help="Who erases, for the audit log.")],
    reason: Annotated[str, typer.Option(help="Why, for the audit log; without personal data.")],
) -> None:
    """Erase what names a person, for good: current fields, history, raw documents and letters of this order.

    Exit code 1: there is no such order, or messages of it still wait.
    """
    from ordermend import bootstrap, settings  # noqa: PLC0415 - keeps --help fast
    from ordermend.local import stack  # noqa: PLC0415

    processor = bootstrap.processor(stack.connected(settings.load()), "erase")
    paths = processor.erase(order_id, actor, reason)
    processor.close()
    typer.echo(f"order {order_id}: {len(paths)} fields cleared, its key is deleted")
