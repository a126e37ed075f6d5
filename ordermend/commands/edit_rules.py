"""`ordermend edit-rules`: until when orders may be edited, and which changes are a risk; put into force while everything runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ordermend.textfile import read as text_of

if TYPE_CHECKING:
    from ordermend.rule_texts import RuleTexts


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(
        no_args_is_help=True, help="Edit windows, and the risk of a change.", epilog="Example: ordermend edit-rules rules > rules.toml"
    )
    group.command(epilog="Example: ordermend edit-rules rules > rules.toml")(rules)
    group.command("set", epilog="Example: ordermend edit-rules set rules.toml --user rosa --reason 'Christmas cut-off'")(put)
    group.command(epilog="Example: ordermend edit-rules history")(history)
    group.command(epilog="Example: ordermend edit-rules revert 3 --user rosa --reason 'too strict'")(revert)
    app.add_typer(group, name="edit-rules")


def rules() -> None:
    """Print the rules of edit windows and risk in force."""
    _texts().show()


def put(
    file: Annotated[Path, typer.Argument(help="The rules, TOML.", exists=True, dir_okay=False)],
    user: Annotated[str, typer.Option(help="Who sets them.")],
    reason: Annotated[str, typer.Option(help="Why.")],
) -> None:
    """Put rules into force, for every process, from its next batch on. Exit code 2: they cannot be read."""
    _texts().put(text_of(file), user, reason)


def history() -> None:
    """List every version of these rules that was put into force."""
    _texts().history()


def revert(
    version: Annotated[int, typer.Argument(help="The version to go back to; 0 is as shipped.", min=0)],
    user: Annotated[str, typer.Option(help="Who goes back.")],
    reason: Annotated[str, typer.Option(help="Why.")],
) -> None:
    """Put an older version into force again, as a new one."""
    _texts().revert(version, user, reason)


def _texts() -> "RuleTexts":
    from modification_processor.edit_rules import EDIT_RULES, default_edit_text  # noqa: PLC0415 - keeps --help fast
    from modification_processor.field_locks import read_edit_rules  # noqa: PLC0415
    from ordermend import bootstrap, settings  # noqa: PLC0415
    from ordermend.local import stack  # noqa: PLC0415
    from ordermend.rule_texts import RuleTexts  # noqa: PLC0415

    connect = bootstrap.connector(stack.connected(settings.load()), "edit-rules")
    return RuleTexts(EDIT_RULES, "edit rules", read_edit_rules, default_edit_text, connect)
