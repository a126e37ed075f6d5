"""`ordermend letters list|show|replay`: dead letters, those that cost most first."""

import json
from typing import Annotated
from uuid import UUID

import typer


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(no_args_is_help=True, help="Look at dead letters and send them back.", epilog="Example: ordermend letters list")
    group.command("list", epilog="Example: ordermend letters list --status all --limit 20")(listing)
    group.command(epilog="Example: ordermend letters show 6f1d0a5e-8c3b-5e57-9c0e-0d6a2b7f4c11")(show)
    group.command(epilog="Example: ordermend letters replay 6f1d0a5e-8c3b-5e57-9c0e-0d6a2b7f4c11 --actor ana")(replay)
    app.add_typer(group, name="letters")


def listing(
    status: Annotated[str, typer.Option(help="unresolved, replaying, resolved, resent, superseded, discarded or all.")] = "unresolved",
    limit: Annotated[int, typer.Option(help="At most this many.", min=1, max=10_000)] = 50,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List dead letters by impact. Payloads are not shown."""
    from rich.console import Console  # noqa: PLC0415 - keeps --help fast
    from rich.table import Table  # noqa: PLC0415

    from ordermend import bootstrap, settings  # noqa: PLC0415
    from ordermend.local import stack  # noqa: PLC0415
    from store import letters  # noqa: PLC0415

    with bootstrap.connector(stack.connected(settings.load()), "letters")() as connection, connection.cursor() as cursor:
        found = letters.listing(cursor, status, limit)
    if as_json:
        keys = (
            "letter_id",
            "order_id",
            "score",
            "status",
            "error_class",
            "code",
            "stage",
            "field",
            "rule",
            "topic",
            "message",
            "attempts",
            "fingerprint",
        )
        typer.echo(json.dumps([{key: getattr(letter, key) for key in keys} for letter in found], default=str, indent=1))
        return
    table = Table("score", "letter", "class", "code", "field", "record", "attempts", "since", "status")
    for letter in found:
        table.add_row(
            str(letter.score), str(letter.letter_id), letter.error_class, letter.code, letter.field or "", letter.message,
            str(letter.attempts), f"{letter.first_failed_at:%Y-%m-%d %H:%M:%S}", letter.status,
        )  # fmt: skip
    Console().print(table)


def show(
    letter_id: Annotated[UUID, typer.Argument(help="The letter's id.")],
    *,
    payload: Annotated[
        bool, typer.Option("--payload", help="Show the original bytes too; they may be personal, and the view is audited.")
    ] = False,
    actor: Annotated[str, typer.Option(help="Who looks, for the audit log.")] = "operator",
) -> None:
    """Show one letter: cause, place, attempts, and what waits behind it. Exit code 1: there is none of that id."""
    from ordermend import bootstrap, settings  # noqa: PLC0415 - keeps --help fast
    from ordermend.letter_view import describe  # noqa: PLC0415
    from ordermend.local import stack  # noqa: PLC0415
    from store.sealing import KeyVault  # noqa: PLC0415

    here = stack.connected(settings.load())
    with bootstrap.connector(here, "letters")() as connection:
        text = describe(connection, KeyVault.load(here.keys_dir), letter_id, actor if payload else None)
    if text is None:
        typer.echo(f"error: there is no letter {letter_id}; see `ordermend letters list --status all`", err=True)
        raise typer.Exit(1)
    typer.echo(text)


def replay(
    letter_id: Annotated[UUID, typer.Argument(help="The letter's id.")],
    actor: Annotated[str, typer.Option(help="Who sends it back, for the audit log.")] = "operator",
) -> None:
    """Send a letter back, once, in its place. Exit code 1: it cannot be sent back; the reason is printed."""
    from modification_processor.replay import replay as send_back  # noqa: PLC0415 - keeps --help fast
    from ordermend import bootstrap, settings  # noqa: PLC0415
    from ordermend.local import stack  # noqa: PLC0415
    from store.sealing import KeyVault  # noqa: PLC0415

    here = stack.connected(settings.load())
    with bootstrap.connector(here, "letters")() as connection:
        did = send_back(connection, KeyVault.load(here.keys_dir), bootstrap.topics_of(here), letter_id, actor)
    typer.echo(f"letter {letter_id}: {did}")
