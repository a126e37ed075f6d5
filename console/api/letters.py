"""Dead letters as work: looked at, claimed, repaired, rehearsed, approved, sent back or ended. Each act is the desk's own.

Every act takes an idempotency key: the same request under it is the same act, another one is refused. A payload is given to
whoever holds `DLQ_Payload` beside `DLQ_Operate`, and that it was is in the audit log; everybody else sees its outline.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Path, Request

from console import letter_views as views
from console.access import User
from console.api import letter_models as lm
from console.api.problems import responses
from console.api.route import BodyText, Bytes, Key, May
from console.letter_work import LetterWork

router = APIRouter(tags=["dead letters"])
Reader = Annotated[User, Depends(May("letters.read"))]
Operator = Annotated[User, Depends(May("letters.work"))]
Viewer = Annotated[User, Depends(May("letters.payload"))]
Repairer = Annotated[User, Depends(May("letters.repair"))]
Approver = Annotated[User, Depends(May("letters.approve"))]
LetterId = Annotated[UUID, Path(description="The letter's id.")]
_READ = responses("no_such_letter", "letter_act_refused", "not_editable")
_ACT = responses(
    "no_such_letter", "letter_act_refused", "letter_taken", "letter_approval_needed", "letter_role_missing", "idempotency_key_reused"
)
_EDIT = responses(
    "no_such_letter", "letter_taken", "not_editable", "letter_role_missing", "patch_refused", "letter_field_locked", "refused"
)


def _works(request: Request) -> LetterWork:
    found: LetterWork = request.app.state.letters
    return found


Works = Annotated[LetterWork, Depends(_works)]


@router.get("/letter-causes", responses=responses())
def list_causes(_user: Reader, works: Works) -> lm.CausesView:
    """List the causes of unresolved dead letters, the one with the worst letter first."""
    return views.causes(works.groups())


@router.get("/letters/{letter_id}/work", responses=responses("no_such_letter"))
def read_work(letter_id: LetterId, _user: Reader, works: Works) -> lm.WorkView:
    """Read a dead letter as work: impact as it is now, claim, attempts, what was done."""
    return views.work(works.shown(letter_id))


@router.get("/letters/{letter_id}/outline", responses=_READ)
def read_outline(letter_id: LetterId, user: Operator, works: Works) -> lm.OutlineView:
    """Read the shape of the message; its values, and keys that may be values, are hidden."""
    works.must_know(letter_id)
    return lm.OutlineView(outline=works.outline(user, letter_id))


@router.get("/letters/{letter_id}/payload", responses=_READ)
def read_payload(letter_id: LetterId, user: Viewer, works: Works) -> lm.PayloadView:
    """Read the message itself, which may be personal: that you did is written to the audit log."""
    works.must_know(letter_id)
    return views.payload(works.payload(user, letter_id))


@router.post("/letters/{letter_id}/dry-run", responses={**_READ, **_EDIT})
def try_letter(letter_id: LetterId, user: Operator, works: Works) -> lm.RehearsedView:
    """Say what a replay would do now, with the patch that is kept and every follower; nothing is written."""
    works.must_know(letter_id)
    return views.rehearsed(works.dry_run(user, letter_id))


@router.post("/letters/{letter_id}/claim", responses=_ACT)
def claim_letter(letter_id: LetterId, user: Operator, works: Works, key: Key, request: Bytes) -> lm.DoneView:
    """Take or renew the claim: nobody else edits or sends the letter meanwhile. It expires by itself."""
    return works.once(user, letter_id, ("claim", key, request), works.claim)


@router.post("/letters/{letter_id}/release", responses=_ACT)
def release_letter(letter_id: LetterId, user: Operator, works: Works, key: Key, request: Bytes) -> lm.DoneView:
    """Give your claim back; its patch is dropped."""
    return works.once(user, letter_id, ("release", key, request), works.release)


@router.post("/letters/{letter_id}/assign", responses=_ACT)
def assign_letter(letter_id: LetterId, user: Operator, works: Works, key: Key, body: lm.AssignBody, request: Bytes) -> lm.DoneView:
    """Give a letter that nobody has, or your own, to somebody."""
    return works.once(user, letter_id, ("assign", key, request), works.assign, body.to)


@router.post("/letters/{letter_id}/notes", responses=_ACT)
def note_letter(letter_id: LetterId, user: Operator, works: Works, key: Key, body: lm.NoteBody, request: Bytes) -> lm.DoneView:
    """Write a note to the letter's log; nobody changes it later."""
    return works.once(user, letter_id, ("note", key, request), works.remark, body.text, key)


@router.put("/letters/{letter_id}/patch", responses=_EDIT)
def keep_patch(
    letter_id: LetterId,
    user: Repairer,
    works: Works,
    body: Annotated[list[lm.PatchOperation], Body(min_length=1, max_length=100, media_type="application/json-patch+json")],
    text: BodyText,
) -> lm.DoneView:
    """Keep a JSON Patch for the replay on your claim, which it takes or renews; nothing is sent. Numbers keep the digits they are written with."""
    works.must_know(letter_id)
    del body  # checked; what is kept is the text as it was sent
    return works.done(letter_id, works.keep_patch(user, letter_id, text))


@router.post("/letters/{letter_id}/approve", responses=_ACT)
def approve_letter(letter_id: LetterId, user: Approver, works: Works, key: Key, body: lm.ApproveBody, request: Bytes) -> lm.DoneView:
    """Approve what somebody else has claimed the letter for, with its patch and its effects as they are now."""
    return works.once(user, letter_id, ("approve", key, request), works.approve, body.act)


@router.post("/letters/{letter_id}/replay", responses={**_EDIT, **_ACT})
def replay_letter(letter_id: LetterId, user: Operator, works: Works, key: Key, request: Bytes) -> lm.DoneView:
    """Send the letter back, once, in its place, with your patch if you keep one."""
    return works.once(user, letter_id, ("replay", key, request), works.replay)


@router.post("/letters/{letter_id}/discard", responses=_ACT)
def discard_letter(letter_id: LetterId, user: Operator, works: Works, key: Key, body: lm.DiscardBody, request: Bytes) -> lm.DoneView:
    """End the letter without effect, for a reason; its followers go on."""
    return works.once(user, letter_id, ("discard", key, request), works.discard, body.reason)
