"""`ordermend rules`: intake's rules, what they refused, and how they are tuned while everything runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ordermend.textfile import read as text_of

if TYPE_CHECKING:
    from ordermend.settings import Settings
    from store.database import Connection

User = Annotated[str, typer.Option(help="Who changes it.")]
Reason = Annotated[str, typer.Option(help="Why.")]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(no_args_is_help=True, help="Tune the rules that judge what channels send.", epilog="Example: ordermend rules list")
    group.command("list", epilog="Example: ordermend rules list --days 7")(listing)
    group.command(epilog="Example: ordermend rules show > rules.toml")(show)
    group.command("set", epilog="Example: ordermend rules set rules.toml --user rosa --reason 'too strict for north'")(put)
    group.command(epilog="Example: ordermend rules history")(history)
    group.command(epilog="Example: ordermend rules revert 3 --user rosa --reason 'was right before'")(revert)
    app.add_typer(group, name="rules")


def listing(days: Annotated[int, typer.Option(help="Count refusals of this many days.", min=1, max=365)] = 30) -> None:
    """List every rule: mode as shipped and now, whose it is, what it refused and how much of that stood."""
    from rich.console import Console  # noqa: PLC0415 - keeps --help fast
    from rich.table import Table  # noqa: PLC0415

    from ordermend import rulebook  # noqa: PLC0415

    with _connection() as connection:
        found = rulebook.tuned(connection, days)
    table = Table("rule", "verdict", "shipped", "now", "owner", "refused", "overturned", "precision")
    for rule, _, scopes, told in found:
        now = "; ".join(f"{scope.mode}{' for ' if scope.narrowness else ''}{' '.join(filter(None, scope.place))}" for scope in scopes)
        precision = "-" if told.precision is None else f"{told.precision:.1%}"
        table.add_row(rule.name, rule.verdict, rule.mode, now or rule.mode, rule.owner, str(told.refused), str(told.overturned), precision)
    Console().print(table)


def show() -> None:
    """Print the tuning in force, TOML; nothing is as shipped."""
    from ordermend import rulebook  # noqa: PLC0415 - keeps --help fast

    with _connection() as connection:
        typer.echo(rulebook.text_in_force(connection), nl=False)


def put(file: Annotated[Path, typer.Argument(help="The tuning, TOML.", exists=True, dir_okay=False)], user: User, reason: Reason) -> None:
    """Put a tuning into force, in every intake within seconds and without a restart. Exit code 2: it cannot be read."""
    _put(text_of(file), user, reason)


def history() -> None:
    """List every version of the tuning that was put into force."""
    from intake.rules.tuning import KIND  # noqa: PLC0415 - keeps --help fast
    from store import rulesets  # noqa: PLC0415

    with _connection() as connection, connection.cursor() as cursor:
        for row in rulesets.versions(cursor, KIND):
            typer.echo(f"{row.version:>4}  {row.at:%Y-%m-%d %H:%M:%S}  {row.author}: {row.reason}")
    typer.echo("   0  as shipped")


def revert(
    version: Annotated[int, typer.Argument(help="The version to go back to; 0 is as shipped.", min=0)], user: User, reason: Reason
) -> None:
    """Put an older version into force again, as a new one."""
    from ordermend import rulebook  # noqa: PLC0415 - keeps --help fast

    with _connection() as connection:
        text = rulebook.text_of(connection, version)
    _put(text, user, reason)


def _put(text: str, user: str, reason: str) -> None:
    from ordermend import rulebook  # noqa: PLC0415 - keeps --help fast

    with _connection() as connection:
        version = rulebook.put(connection, _settings().topic_prefix, text, user, reason)
    typer.echo(f"version {version} of the tuning is in force")


def _connection() -> "Connection":
    from ordermend import bootstrap  # noqa: PLC0415 - keeps --help fast

    return bootstrap.connector(_settings(), "rules")()


def _settings() -> "Settings":
    from ordermend import settings  # noqa: PLC0415 - keeps --help fast
    from ordermend.local import stack  # noqa: PLC0415

    return stack.connected(settings.load())
