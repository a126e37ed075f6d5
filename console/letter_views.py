"""Dead letters as the API gives them. Pure: what the desk and the book answered, in the API's models."""

from console.api import letter_models as lm
from console.asked import amount
from console.letter_work import BulkShown, Shown
from dlq_handler import Progress, View
from schemas.repair import Rehearsed, Step
from store.triage import Group


def causes(groups: list[Group]) -> lm.CausesView:
    """Return causes of letters."""
    return lm.CausesView(items=[lm.CauseView.model_validate(group._asdict()) for group in groups])


def work(found: Shown) -> lm.WorkView:
    """Return a letter as work."""
    around, claim = found.around, found.around.claim
    return lm.WorkView(
        letter=found.letter,
        order_number=around.order_number,
        score=found.score,
        priority=found.priority,
        parts=[lm.PartView(name=part.name, points=str(part.points), most=str(part.most)) for part in found.parts],
        waiting=around.waiting,
        claim=claim
        and lm.ClaimView(
            actor=claim.actor, expires_at=claim.expires_at, repair_kept=claim.patch_sha256 is not None, approved_by=claim.approved_by
        ),
        attempts=[lm.AttemptView.model_validate(one._asdict()) for one in around.attempts],
        acts=[lm.ActView.model_validate(one._asdict()) for one in around.acts],
        repairs=[lm.RepairView.model_validate(one._asdict()) for one in around.repairs],
    )


def payload(found: View) -> lm.PayloadView:
    """Return a message itself."""
    return lm.PayloadView(text=found.text, locked=list(found.locked), patch=found.patch)


def rehearsed(found: Rehearsed) -> lm.RehearsedView:
    """Return what a replay would do."""
    return lm.RehearsedView(steps=[_step(step) for step in found.steps], waiting=found.waiting)


def _step(step: Step) -> lm.StepView:
    return lm.StepView(
        message=step.message,
        message_id=step.message_id,
        order_id=step.order_id,
        outcome=step.outcome,
        code=step.code,
        detail=step.detail,
        version=step.version,
        money_moves=amount(step.money_delta_minor, step.currency) if step.currency else None,
        changes=[
            lm.LeafView(path=c.path, old=None if c.sealed else c.old, new=None if c.sealed else c.new, personal=c.sealed)
            for c in step.changes
        ],
    )


def replay(found: BulkShown) -> lm.ReplayDetails:
    """Return a bulk replay with its letters."""
    at = found.progress
    members = [lm.MemberView(letter_id=x.letter_id, state=x.state, detail=x.detail) for x in found.members]
    return lm.ReplayDetails(
        replay_id=at.bulk_id,
        state=_state(at),
        reason=at.reason,
        fingerprint=found.cause,
        actor=found.actor,
        approved_by=found.approved_by,
        edited=found.edited,
        letters=counts(at),
        members=members,
    )


def counts(at: Progress) -> dict[str, int]:
    """Return how many letters of a bulk replay are in each state."""
    return {"frozen": at.frozen, "sent": at.sent, "done": at.done, "failed": at.failed, "skipped": at.skipped}


def _state(at: Progress) -> lm.ReplayState:
    for state in lm.REPLAY_STATES:
        if state == at.state:
            return state
    raise ValueError(f"{at.state} is no state of a bulk replay")
