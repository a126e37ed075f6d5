"""`ordermend sessions`: who is signed in at the console, and the end of what somebody holds."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(
        no_args_is_help=True, help="See who is signed in at the console, and revoke it.", epilog="Example: ordermend sessions list"
    )
    group.command("list", epilog="Example: ordermend sessions list --limit 20")(listing)
    group.command(epilog="Example: ordermend sessions revoke ana --reason 'left the house' --actor olga")(revoke)
    app.add_typer(group, name="sessions")


def listing(limit: Annotated[int, typer.Option(help="At most this many.", min=1, max=1000)] = 50) -> None:
    """List sessions, last used first: who, since when, last used, until when at the most."""
    from datetime import UTC, datetime  # noqa: PLC0415 - keeps --help fast

    from ordermend import bootstrap, settings  # noqa: PLC0415
    from ordermend.letter_view import print_table  # noqa: PLC0415
    from ordermend.local import stack  # noqa: PLC0415
    from store import sessions  # noqa: PLC0415

    with bootstrap.connector(stack.connected(settings.load()), "sessions")() as connection, connection.cursor() as cursor:
        found = sessions.standing(cursor, limit)
    rows = [(sub, *(f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}" for at in times)) for sub, *times in found]
    print_table(("user", "opened (UTC)", "last used", "ends"), rows)


def revoke(
    sub: Annotated[str, typer.Argument(help="The user, as the audit log names them.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    actor: Annotated[str, typer.Option(help="Who acts, for the record.")] = "operator",
) -> None:
    """End every session of a user and refuse every token issued to them up to now, in every process of the console within 15 s.

    Take their roles away at the issuer first: what it issues afterwards is taken again.
    """
    from ordermend import bootstrap, settings  # noqa: PLC0415 - keeps --help fast
    from ordermend.local import stack  # noqa: PLC0415
    from store import sessions  # noqa: PLC0415

    with bootstrap.connector(stack.connected(settings.load()), "sessions")() as connection, connection.cursor() as cursor:
        ended = sessions.revoke(cursor, sub, actor, reason)
    typer.echo(f"{sub}: {ended} sessions ended; tokens issued until now are refused")
