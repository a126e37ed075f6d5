"""Rules kept as text, from the command line: print what is in force, put a file into force, list versions, go back.

One `RuleTexts` a kind; whoever makes it says how the text is checked. Nothing that cannot be read is ever put into force.
"""

from collections.abc import Callable
from dataclasses import dataclass

import typer

from schemas.failures import SettingsInvalid
from store import rulesets
from store.database import Connection


class NoSuchRules(SettingsInvalid):
    """There is no such version of these rules."""

    code = "no_such_rules"


@dataclass(frozen=True)
class RuleTexts:
    """One kind of rules: `name` for people, `check` raises on a text that cannot be read, `shipped` is version 0."""

    kind: str
    name: str
    check: Callable[[str], object]
    shipped: Callable[[], str]
    connect: Callable[[], Connection]

    def show(self) -> None:
        """Print the text in force."""
        with self.connect() as connection, connection.cursor() as cursor:
            _, version = rulesets.moment(cursor, self.kind)
            typer.echo(rulesets.text_of(cursor, self.kind, version) if version else self.shipped(), nl=False)

    def put(self, text: str, user: str, reason: str) -> None:
        """Put a text into force, as the next version."""
        self.check(text)
        with self.connect() as connection, connection.transaction(), connection.cursor() as cursor:
            version = rulesets.add(cursor, self.kind, text, user, reason)
        typer.echo(f"version {version} of the {self.name} is in force")

    def history(self) -> None:
        """Print who put which version into force, when and why."""
        with self.connect() as connection, connection.cursor() as cursor:
            for row in rulesets.versions(cursor, self.kind):
                typer.echo(f"{row.version:>4}  {row.at:%Y-%m-%d %H:%M:%S}  {row.author}: {row.reason}")
        typer.echo("   0  as shipped")

    def revert(self, version: int, user: str, reason: str) -> None:
        """Put an older version into force again, as a new one. Raises `NoSuchRules`."""
        with self.connect() as connection, connection.cursor() as cursor:
            text = rulesets.text_at(cursor, self.kind, version, self.shipped())
        if text is None:
            raise NoSuchRules(f"there is no version {version} of the {self.name}")
        self.put(text, user, reason)
