"""`ordermend edit-rules`: until when orders may be edited, and which changes are a risk; put into force while everything runs."""

from typing import TYPE_CHECKING

import typer

from ordermend import rule_commands

if TYPE_CHECKING:
    from ordermend.rule_texts import RuleTexts


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(
        no_args_is_help=True, help="Edit windows, and the risk of a change.", epilog="Example: ordermend edit-rules rules > rules.toml"
    )
    rule_commands.add(group, "edit-rules", "the rules of edit windows and risk", _texts, "Christmas cut-off")
    app.add_typer(group, name="edit-rules")


def _texts() -> "RuleTexts":
    from modification_processor.edit_rules import EDIT_RULES, default_edit_text  # noqa: PLC0415 - keeps --help fast
    from modification_processor.field_locks import read_edit_rules  # noqa: PLC0415
    from ordermend import bootstrap, settings  # noqa: PLC0415
    from ordermend.local import stack  # noqa: PLC0415
    from ordermend.rule_texts import RuleTexts  # noqa: PLC0415

    connect = bootstrap.connector(stack.connected(settings.load()), "edit-rules")
    return RuleTexts(EDIT_RULES, "edit rules", read_edit_rules, default_edit_text, connect)
