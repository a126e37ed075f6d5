"""`ordermend breakers`: channels and operations that are held up because too many of their messages failed, and dependencies left alone."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(
        no_args_is_help=True, help="See what is held up as systemic, and let it go on.", epilog="Example: ordermend breakers list"
    )
    group.command("list", epilog="Example: ordermend breakers list")(listing)
    group.command(epilog="Example: ordermend breakers close operation:replace_sku --actor olga")(close)
    app.add_typer(group, name="breakers")


def listing(limit: Annotated[int, typer.Option(help="At most this many.", min=1, max=1000)] = 50) -> None:
    """List breakers, open ones first: what is held up or left alone, since when, when one message or call tries next.

    channel:NAME and operation:NAME fail inside; port:payment:PROVIDER, port:channel:NAME, port:notice and port:warehouse do not answer.
    """
    from ordermend import bootstrap, settings  # noqa: PLC0415 - keeps --help fast
    from ordermend.letter_view import print_table  # noqa: PLC0415
    from ordermend.local import stack  # noqa: PLC0415
    from store import breakers  # noqa: PLC0415

    with bootstrap.connector(stack.connected(settings.load()), "breakers")() as connection, connection.cursor() as cursor:
        found = breakers.listing(cursor, limit)
    rows = [
        (
            row.key, "open" if row.closed_at is None else "closed", f"{row.opened_at:%Y-%m-%d %H:%M:%S}", row.failures,
            f"{row.probe_at:%H:%M:%S}" if row.closed_at is None else "", row.closed_by or "",
        )
        for row in found
    ]  # fmt: skip
    print_table(("key", "state", "opened (UTC)", "failures", "tries at", "closed by"), rows)


def close(
    key: Annotated[str, typer.Argument(help="As the list shows it, such as operation:replace_sku or port:payment:adyen.")],
    actor: Annotated[str, typer.Option(help="Who acts, for the record.")],
) -> None:
    """Let what was held up go on at once. Exit code 1: no such breaker is open."""
    from ordermend import bootstrap, settings  # noqa: PLC0415 - keeps --help fast
    from ordermend.local import stack  # noqa: PLC0415
    from store import breakers  # noqa: PLC0415

    with bootstrap.connector(stack.connected(settings.load()), "breakers")() as connection, connection.cursor() as cursor:
        closed = breakers.close(cursor, [key], actor)
    if not closed:
        typer.echo(f"error: no breaker {key[:100]} is open; see `ordermend breakers list`", err=True)
        raise typer.Exit(1)
    typer.echo(f"{key} goes on; it is held up again if its messages still fail")
