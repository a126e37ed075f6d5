"""The command `ordermend`: finds its commands, runs one, turns our errors into one line and an exit code.

A command group is a module in `ordermend/commands/` with `register(app)`; nothing here names it. Such a module
imports what takes time inside its commands, so that `--help` stays fast.

Exit codes: 0 done; 1 the answer is no (a check found something, a server is not running); 2 wrong usage, settings or input;
3 a server or another system failed; 129, 130 and 143 interrupted by a signal (130: Ctrl-C).
"""

import pkgutil
import sys
from importlib import import_module
from typing import Final

import typer

from ordermend import commands
from schemas.failures import OrdermendError, SettingsInvalid

ANSWER_IS_NO: Final = 1
WRONG_INPUT: Final = 2
SYSTEM_FAILED: Final = 3
_INTERRUPTED: Final = frozenset({129, 130, 143})
_SYSTEM: Final = frozenset({"INFRA", "CONTENTION", "DEPENDENCY"})
_INPUT: Final = frozenset({"DECODE", "SCHEMA", "SEMANTIC", "LIMIT", "SECURITY"})


def build() -> typer.Typer:
    """Return the application with every command module registered, in the order of their names."""
    app = typer.Typer(
        name="ordermend",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help="Takes orders from every sales channel into one governed order book, and corrects them.",
        epilog="Example: ordermend up && ordermend status",
    )
    for module in sorted(found.name for found in pkgutil.iter_modules(commands.__path__)):
        import_module(f"{commands.__name__}.{module}").register(app)
    return app


def exit_code(error: OrdermendError) -> int:
    """Return the documented exit code of an error."""
    if error.error_class in _SYSTEM:
        return SYSTEM_FAILED
    return WRONG_INPUT if isinstance(error, SettingsInvalid) or error.error_class in _INPUT else ANSWER_IS_NO


def main() -> None:
    """Run the command line; the console script."""
    try:
        build()()
    except OrdermendError as error:
        typer.echo(f"error: {error.message}", err=True)
        for line in getattr(error, "__notes__", ()):
            typer.echo(f"  | {line}", err=True)
        sys.exit(exit_code(error))
    except Exception as error:
        known = _known_fault(error)
        if known is None:
            raise
        typer.echo(f"error: {known}", err=True)
        sys.exit(SYSTEM_FAILED)
    except SystemExit as ended:
        if ended.code in _INTERRUPTED:
            typer.echo("interrupted; what this command had started is stopped again", err=True)
        raise


def _known_fault(error: Exception) -> str | None:
    """Return one line for a fault of the database or the broker, with what to do; None for a defect of ours."""
    module, name = type(error).__module__.split(".")[0], type(error).__name__
    if name in {"UndefinedTable", "InvalidSchemaName"}:
        return "the book has no tables yet: run `ordermend migrate`"
    if module in {"psycopg", "sqlalchemy"}:
        return f"the database failed ({name}): check DATABASE_URL and `ordermend status`"
    if name == "KafkaException":
        return f"Kafka failed ({error}): check KAFKA_BOOTSTRAP_SERVERS and `ordermend status`"
    return None
