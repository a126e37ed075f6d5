"""Intake's rules: how they are tuned, what they did, and their tuning by scope, version by version.

Whoever changes them says with If-Match which version they looked at: two people never overwrite each other unseen, and the same
request sent twice is refused the second time.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request, Response

from console.access import User
from console.api import rule_models as rm
from console.api.models import MAX_INT
from console.api.problems import Problem, responses
from console.api.route import May
from console.rule_tuning import DAYS, RuleTuning

router = APIRouter(tags=["rules"])
Reader = Annotated[User, Depends(May("rules.read"))]
Tuner = Annotated[User, Depends(May("rules.tune"))]
Match = Annotated[str | None, Header(alias="If-Match", max_length=40, description="ETag of the rules their author looked at.")]
TAGGED: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"ETag": {"description": "The version in force, quoted; If-Match takes it.", "schema": {"type": "string"}}}}
}
CHANGES: dict[int | str, dict[str, Any]] = {**responses("rules_moved", "rules_version_missing"), **TAGGED}


def _tuning(request: Request) -> RuleTuning:
    found: RuleTuning = request.app.state.rules
    return found


Tuning = Annotated[RuleTuning, Depends(_tuning)]


@router.get("/rules", responses={**responses(), **TAGGED})
def list_rules(_user: Reader, tuning: Tuning, response: Response) -> rm.RulesView:
    """List every rule with its modes by scope and what it did in the last days."""
    version = tuning.version()
    response.headers["ETag"] = f'"{version}"'
    items = [
        rm.RuleView(
            name=rule.name,
            about=about,
            verdict=rule.verdict,
            owner=rule.owner,
            shipped=rule.mode,
            scopes=[rm.ScopeView(mode=x.mode, channel=x.channel, account=x.account, country=x.country) for x in scopes],
            refused=told.refused,
            overturned=told.overturned,
            precision=None if told.precision is None else f"{told.precision:.4f}",
        )
        for rule, about, scopes, told in tuning.rules()
    ]
    return rm.RulesView(version=version, days=DAYS, items=items)


@router.get("/rules/versions", responses=responses())
def list_rule_versions(_user: Reader, tuning: Tuning) -> rm.RuleSetsView:
    """List every version that was put into force, newest first."""
    return rm.RuleSetsView(items=[rm.RuleSetView.model_validate(row._asdict()) for row in tuning.versions()])


@router.put("/rules/{rule}/mode", responses={**responses("rule_tuning_invalid"), **CHANGES})
def set_rule_mode(
    rule: Annotated[str, Path(pattern=r"^[a-z0-9_]{1,60}$", description="The rule's name.")],
    user: Tuner, tuning: Tuning, body: rm.ModeBody, response: Response, match: Match = None,
) -> rm.InForce:  # fmt: skip
    """Set a rule's mode in one place, or take it away; every intake hears of it within seconds."""
    place = (body.channel, body.account, body.country)
    return in_force(response, tuning.tune(user, rule, body.mode, place, body.reason, version_of(match)))


@router.post("/rules/revert", responses={**responses("rule_tuning_invalid"), **CHANGES})
def revert_rules(user: Tuner, tuning: Tuning, body: rm.RevertBody, response: Response, match: Match = None) -> rm.InForce:
    """Put an older version into force again, as a new one."""
    return in_force(response, tuning.revert(user, body.version, body.reason, version_of(match)))


def in_force(response: Response, version: int) -> rm.InForce:
    """Answer a change with the version then in force."""
    response.headers["ETag"] = f'"{version}"'
    return rm.InForce(version=version)


def version_of(match: str | None) -> int:
    """Return the version that If-Match names."""
    if match is None:
        raise Problem("rules_version_missing", field="/header/if-match", rule="rules_version_given")
    digits = match.strip().removeprefix('"').removesuffix('"')
    if not digits.isascii() or not digits.isdigit() or len(digits) > 10 or int(digits) > MAX_INT:
        raise Problem("invalid_request", 'If-Match is the ETag of the rules, such as "3"', field="/header/if-match", rule="etag")
    return int(digits)
