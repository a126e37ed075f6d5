"""The rules that narrow edits, windows and risk: what each does, what others would do, and putting them into force, version by version.

Whoever changes them says with If-Match which version they looked at, as with intake's rules.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from console.api import rule_models as rm
from console.api.problems import responses
from console.api.rules import CHANGES, TAGGED, Match, Reader, Tuner, in_force, version_of
from console.edit_rule_tuning import EditRuleTuning
from modification_processor import Narrowing

router = APIRouter(tags=["edit rules"])


def _tuning(request: Request) -> EditRuleTuning:
    found: EditRuleTuning = request.app.state.edit_rules
    return found


Tuning = Annotated[EditRuleTuning, Depends(_tuning)]


@router.get("/edit-rules", responses={**responses(), **TAGGED})
def read_edit_rules(_user: Reader, tuning: Tuning, response: Response) -> rm.EditRulesView:
    """Read the rules in force, and what each does to the newest open orders now."""
    found = tuning.shown()
    response.headers["ETag"] = f'"{found.version}"'
    return rm.EditRulesView(version=found.version, text=found.text, looked_at=found.orders, items=[_narrowing(one) for one in found.rules])


@router.get("/edit-rules/versions", responses=responses())
def list_edit_rule_versions(_user: Reader, tuning: Tuning) -> rm.RuleSetsView:
    """List every version that was put into force, newest first."""
    return rm.RuleSetsView(items=[rm.RuleSetView.model_validate(row._asdict()) for row in tuning.versions()])


@router.post("/edit-rules/dry-run", responses=responses("edit_rules_invalid"))
def try_edit_rules(user: Tuner, tuning: Tuning, body: rm.EditRulesBody) -> rm.EditRulesTrial:
    """Say what other rules would do to the newest open orders; nothing is changed."""
    found = tuning.try_out(user, body.text)
    return rm.EditRulesTrial(
        looked_at=found.orders,
        items=[_narrowing(one) for one in found.rules],
        shifts=[rm.ShiftView.model_validate(one._asdict()) for one in found.shifts],
    )


@router.put("/edit-rules", responses={**responses("edit_rules_invalid"), **CHANGES})
def set_edit_rules(user: Tuner, tuning: Tuning, body: rm.EditRulesPut, response: Response, match: Match = None) -> rm.InForce:
    """Put rules into force; every process keeps to them from its next batch on."""
    return in_force(response, tuning.put(user, body.text, body.reason, version_of(match)))


@router.post("/edit-rules/revert", responses={**responses("edit_rules_invalid"), **CHANGES})
def revert_edit_rules(user: Tuner, tuning: Tuning, body: rm.RevertBody, response: Response, match: Match = None) -> rm.InForce:
    """Put an older version into force again, as a new one."""
    return in_force(response, tuning.revert(user, body.version, body.reason, version_of(match)))


def _narrowing(one: Narrowing) -> rm.NarrowingView:
    return rm.NarrowingView.model_validate(one._asdict() | {"classes": list(one.classes), "by_class": dict(one.by_class)})
