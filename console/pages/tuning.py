"""What the pages of rules share: the links between them, a button that changes rules and says which version is in force then, the history."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from nicegui import ui

from console.access import roles_for
from console.pages import show
from console.pages.shell import markup, told
from store.rulesets import RuleSet

PAGES: Final = (("Intake", "/rules"), ("Edits", "/edit-rules"))


class Tuner:
    """The part of a page that changes rules. `refresh` draws the rules as they are then."""

    def __init__(self, refresh: Callable[[], Awaitable[None]], heard: str) -> None:
        """`heard` says who hears of a new version, and when."""
        self._refresh = refresh
        self._heard = heard
        self.reason: Any = None
        self._said: Any = None

    def draw_said(self) -> None:
        """Draw where an act's answer is told."""
        with ui.element("div").props('aria-live="polite" role="status"').style("width: 100%; margin-top: .5rem"):
            self._said = markup(show.Markup(""))

    def does(self, act: Callable[[], Awaitable[int | None]], first: str) -> Callable[[], Awaitable[None]]:
        """Return what a button does: the act, its answer in words, and the rules as they are then.

        Where it fails nothing is drawn anew: what was typed stays. `first`: what an act of None lacks.
        """

        async def done() -> None:
            with told(self.say_not):
                version = await act()
                if version is None:
                    self.say_not(first)
                    return
                self.say("done", "good", f"Version {version} is in force; {self._heard}")
                self.reason.value = ""
                await self._refresh()

        return done

    def say(self, word: str, tone: str, text: str) -> None:
        """Tell an act's answer."""
        self._said.content = show.Markup(f"{show.chip(word, tone)} <span>{show.escape(text)}</span>")

    def say_not(self, text: str) -> None:
        """Tell that nothing was done, and why."""
        self.say("not done", "bad", text)


def links(here: str) -> show.Markup:
    """Return the links between the pages of rules."""
    found = (f'<a href="{path}"{" aria-current=page" if path == here else ""}>{show.escape(name)}</a>' for name, path in PAGES)
    return show.Markup(f'<nav class="om-row" aria-label="Kinds of rules">{"".join(found)}</nav>')


def locked() -> None:
    """Say what tuning takes."""
    ui.label(f"Tuning the rules takes the role {' or '.join(roles_for('rules.tune'))}.").classes("om-quiet")


def choices(versions: Sequence[RuleSet]) -> dict[int, str]:
    """Return the versions one can go back to, by name."""
    return {row.version: f"Version {row.version}" for row in versions[1:]} | {0: "As shipped"}


def history(versions: Sequence[RuleSet]) -> show.Markup:
    """Return every version with who put it into force, why, and its text."""
    rows = [
        (
            str(row.version), show.moment(row.at), row.author, row.reason,
            show.Markup(f'<details><summary>Text</summary><pre class="om-pre">{show.escape(row.text or "as shipped")}</pre></details>'),
        )
        for row in versions
    ]  # fmt: skip
    return show.table("History", ("Version", "When", "Who", "Why", "Tuning"), rows, "The rules are as shipped.")
