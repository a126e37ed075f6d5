"""What the API takes and gives of the tuning of intake's rules. Times are UTC."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from console.api.letter_models import Line
from console.api.models import MAX_INT, Body, View
from schemas.model import Instant

Mode = Literal["shadow", "warn", "enforce"]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")]


class ScopeView(View):
    """Where a mode holds; null is everywhere."""

    mode: str
    channel: str | None
    account: str | None
    country: str | None


class RuleView(View):
    """A rule, how it is tuned, and what it did."""

    name: str
    about: str
    verdict: str
    owner: str
    shipped: str = Field(description="The mode it ships with.")
    scopes: list[ScopeView]
    refused: int
    overturned: int = Field(description="Of those, how many went back as they were and passed.")
    precision: str | None = Field(description="The part of its refusals that stood, as text; null: it refused nothing.")


class RulesView(View):
    """Every rule under the version in force; 0 is as shipped."""

    version: int
    days: int
    items: list[RuleView]


class RuleSetView(View):
    """A version that was put into force."""

    version: int
    at: Instant
    author: str
    reason: str
    text: str


class RuleSetsView(View):
    """Every version, newest first."""

    items: list[RuleSetView]


class ModeBody(Body):
    """Sets a rule's mode in one place; the narrowest scope that fits an order counts."""

    mode: Mode | None = Field(description="Null takes away what was set there.")
    channel: Word | None = None
    account: Word | None = None
    country: Word | None = None
    reason: Line


class RevertBody(Body):
    """Puts an older version into force again."""

    version: int = Field(ge=0, le=MAX_INT, description="0 is as shipped.")
    reason: Line


RulesText = Annotated[str, StringConstraints(min_length=1, max_length=64 * 1024, pattern=r"^[^\x00]*$")]


class NarrowingView(View):
    """A rule of edits and what it does now."""

    rule_id: str
    says: str
    classes: list[str] = Field(description="The field classes it is about.")
    orders: int = Field(description="Of the orders looked at, how many have a field that is stricter for it now.")
    by_class: dict[str, int]


class EditRulesView(View):
    """The rules that narrow edits, as they are in force, each tried on the newest open orders."""

    version: int
    text: str
    looked_at: int = Field(description="How many orders the rules were tried on.")
    items: list[NarrowingView]


class ShiftView(View):
    """So many orders would have a field of this class in another mode."""

    field_class: str
    before: str
    after: str
    orders: int


class EditRulesTrial(View):
    """What other rules would do to the same orders."""

    looked_at: int
    items: list[NarrowingView]
    shifts: list[ShiftView]


class EditRulesBody(Body):
    """Rules to try, as TOML."""

    text: RulesText


class EditRulesPut(EditRulesBody):
    """Puts rules into force."""

    reason: Line


class InForce(View):
    """The version that is in force now."""

    version: int
