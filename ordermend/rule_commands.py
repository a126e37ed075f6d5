"""The four commands by which people change a kind of rules while everything runs: `rules`, `set`, `history` and `revert`.

The same for every kind that is kept as text: what differs is what the rules are called and how a text is checked (`rule_texts.py`).
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ordermend.textfile import read as text_of

if TYPE_CHECKING:
    from ordermend.rule_texts import RuleTexts


def add(group: typer.Typer, of: str, about: str, texts: "Callable[[], RuleTexts]", because: str) -> None:
    """Add them to the command group `of`. `about`: what the rules are, for a person; `because`: an example of a reason.

    `texts` is asked when a command runs, so that `--help` stays fast.
    """

    def rules() -> None:
        texts().show()

    def put(
        file: Annotated[Path, typer.Argument(help="The rules, TOML.", exists=True, dir_okay=False)],
        user: Annotated[str, typer.Option(help="Who sets them.")],
        reason: Annotated[str, typer.Option(help="Why.")],
    ) -> None:
        texts().put(text_of(file), user, reason)

    def history() -> None:
        texts().history()

    def revert(
        version: Annotated[int, typer.Argument(help="The version to go back to; 0 is as shipped.", min=0)],
        user: Annotated[str, typer.Option(help="Who goes back.")],
        reason: Annotated[str, typer.Option(help="Why.")],
    ) -> None:
        texts().revert(version, user, reason)

    for name, command, what, example in (
        ("rules", rules, f"Print {about} in force.", "rules > rules.toml"),
        (
            "set", put, f"Put {about} into force, for every process, from its next batch on. Exit code 2: they cannot be read.",
            f"set rules.toml --user rosa --reason '{because}'",
        ),
        ("history", history, f"List every version of {about} that was put into force.", "history"),
        ("revert", revert, "Put an older version into force again, as a new one.", "revert 3 --user rosa --reason 'too strict'"),
    ):  # fmt: skip
        group.command(name, help=what, epilog=f"Example: ordermend {of} {example}")(command)
