"""`ordermend up`, `down`, `status`: the local stack."""

import json
from dataclasses import asdict
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: ordermend up")(up)
    app.command(epilog="Example: ordermend down")(down)
    app.command(epilog="Example: ordermend status --json")(status)


def up() -> None:
    """Start broker, database and token issuer on this machine; finds what already runs.

    Exit code 3: a server did not start; the error names the cause and its log.
    """
    from ordermend import settings  # noqa: PLC0415 - keeps --help fast
    from ordermend.local import stack  # noqa: PLC0415
    from ordermend.progress import phases  # noqa: PLC0415

    wanted = settings.load()
    with phases() as progress:
        stack.up(wanted, progress)
    for part in stack.status(wanted):
        typer.echo(f"{part.name:<9} {part.state:<14} {part.address}")
    typer.echo(f"State, data and logs are in {wanted.home}. Stop it with: ordermend down")


def down() -> None:
    """Stop the local stack; data, keys and addresses are kept for the next `up`."""
    from ordermend import settings  # noqa: PLC0415
    from ordermend.local import stack  # noqa: PLC0415

    stopped = stack.down(settings.load())
    typer.echo(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")


def status(*, as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array, one object a server.")] = False) -> None:
    """Show what runs, where, and its log. Exit code 1: something is not running."""
    from ordermend import settings  # noqa: PLC0415
    from ordermend.local import stack  # noqa: PLC0415

    parts = stack.status(settings.load())
    if as_json:
        typer.echo(json.dumps([asdict(part) for part in parts], indent=1))
    else:
        for part in parts:
            typer.echo(f"{part.name:<9} {part.state:<14} {part.address:<34} {part.log}".rstrip())
    if any(part.state in {"stopped", "not answering"} for part in parts):
        raise typer.Exit(1)
