"""`ordermend catalogue load|show`: products, prices, promotions and tax rates, from CSV files into versions; and what is in stock."""

from pathlib import Path
from typing import Annotated

import typer

KIND_HELP = "products, promotions, prices, tax-rates or stock."


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(
        no_args_is_help=True, help="What operations look up.", epilog="Example: ordermend catalogue load prices.csv --kind prices"
    )
    group.command(epilog="Example: ordermend catalogue load stock.csv --kind stock")(load)
    group.command(epilog="Example: ordermend catalogue show --kind promotions --versions")(show)
    app.add_typer(group, name="catalogue")


def load(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The CSV file, with a header.")],
    kind: Annotated[str, typer.Option(help=KIND_HELP)],
) -> None:
    """Load a file as a whole: what differs becomes a new version, the same file again changes nothing.

    Stock has no versions: a count takes the place of the one before it, and what orders were promised stands.

    Exit code 2: the file has problems, one line each; nothing of it is loaded.
    """
    from ordermend import bootstrap, catalogue_csv, settings  # noqa: PLC0415 - keeps --help fast
    from ordermend.local import stack  # noqa: PLC0415
    from schemas.stock import StockEntry  # noqa: PLC0415
    from store import catalogue, stock  # noqa: PLC0415

    _checked(kind)
    content = file.read_bytes()
    entries = catalogue_csv.read(content, kind, file.name)
    here = stack.connected(settings.load())
    with bootstrap.connector(here, "catalogue")() as connection, connection.cursor() as cursor:
        counts = [entry for entry in entries if isinstance(entry, StockEntry)]
        others = [entry for entry in entries if not isinstance(entry, StockEntry)]
        saved = stock.save(cursor, counts) if counts else catalogue.save(cursor, others, file.name, content)
    typer.echo(f"{file.name}: {saved.added} new, {saved.changed} changed, {saved.unchanged} as they were")


def show(
    kind: Annotated[str | None, typer.Option(help=KIND_HELP)] = None,
    key: Annotated[str | None, typer.Option(help="Only this SKU, code or tax area (FR/, US/NY).")] = None,
    *,
    every: Annotated[bool, typer.Option("--versions", help="Every version, not only those in force.")] = False,
) -> None:
    """Print what is in force, one entry a line: kind, key, scope, version, and the entry as JSON.

    Of stock: SKU, location, units on hand, units promised, what comes and when.
    """
    from ordermend import bootstrap, catalogue_csv, settings  # noqa: PLC0415 - keeps --help fast
    from ordermend.local import stack  # noqa: PLC0415
    from schemas.catalogue import KIND_OF  # noqa: PLC0415
    from schemas.stock import StockEntry  # noqa: PLC0415
    from store import catalogue, stock  # noqa: PLC0415

    model = None if kind is None else catalogue_csv.KINDS[_checked(kind)]
    here = stack.connected(settings.load())
    with bootstrap.connector(here, "catalogue")() as connection, connection.cursor() as cursor:
        if model is StockEntry:
            for shelf in stock.counted(cursor, key):
                comes = f"{shelf.incoming} on {shelf.incoming_at:%Y-%m-%d}" if shelf.incoming_at is not None else "-"
                typer.echo(f"{shelf.sku:<20} {shelf.location:<10} {shelf.on_hand:>10} {shelf.reserved:>10}  {comes}")
            return
        wanted = next((name for entry, name in KIND_OF.items() if entry is model), None)
        found = catalogue.versions(cursor, wanted, key, every=every)
    for row in found:
        typer.echo(f"{row.kind:<9} {row.key:<20} {row.scope:<10} {row.version:>4}  {row.entry.model_dump_json(exclude_defaults=True)}")


def _checked(kind: str) -> str:
    from ordermend import catalogue_csv  # noqa: PLC0415 - keeps --help fast

    if kind not in catalogue_csv.KINDS:
        raise typer.BadParameter(f"{kind!r} is none of {', '.join(catalogue_csv.KINDS)}", param_hint="--kind")
    return kind
