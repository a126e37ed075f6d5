"""Bulk replays: the letters of one cause sent back together, canaries first, stopped above one failure in ten."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Response

from console import letter_views as views
from console.access import User
from console.api import letter_models as lm
from console.api.letters import Approver, Operator, Works
from console.api.problems import responses
from console.api.route import After, Bytes, Key, Limit, May

router = APIRouter(tags=["dead letters"])
Reader = Annotated[User, Depends(May("letters.read"))]
ReplayId = Annotated[UUID, Path(description="The bulk replay's id.")]
_ACT = responses("no_such_bulk_replay", "letter_act_refused", "letter_role_missing")
_MADE = responses("letter_act_refused", "letter_role_missing", "patch_refused", "idempotency_key_reused")


@router.get("/bulk-replays", responses=responses())
def list_bulk_replays(_user: Reader, works: Works, cursor: After = None, limit: Limit = 50) -> lm.ReplayPage:
    """List bulk replays, newest first."""
    return works.replays(cursor, limit)


@router.post("/bulk-replays", status_code=201, responses=_MADE)
def prepare_bulk_replay(
    user: Operator, works: Works, key: Key, body: lm.ReplayBody, request: Bytes, response: Response
) -> lm.ReplayDetails:
    """Freeze the unresolved letters of a cause; nothing is sent before it is run. A patch takes the role Order_Modify too."""
    made = works.prepare_once(user, key, body.fingerprint, body.patch, request)
    response.headers["Location"] = f"/api/v1/bulk-replays/{made.progress.bulk_id}"
    return views.replay(made)


@router.get("/bulk-replays/{replay_id}", responses=_ACT)
def read_bulk_replay(replay_id: ReplayId, user: Operator, works: Works) -> lm.ReplayDetails:
    """Read where a bulk replay stands, letter by letter."""
    return views.replay(works.progress(user, replay_id))


@router.post("/bulk-replays/{replay_id}/approve", responses=_ACT)
def approve_bulk_replay(replay_id: ReplayId, user: Approver, works: Works) -> lm.ReplayDetails:
    """Approve a bulk replay that somebody else has prepared."""
    return views.replay(works.then(works.approve_bulk, user, replay_id))


@router.post("/bulk-replays/{replay_id}/run", status_code=202, responses={**_ACT, **responses("no_such_bulk_replay", "letter_act_refused")})
def run_bulk_replay(replay_id: ReplayId, user: Operator, works: Works) -> lm.ReplayDetails:
    """Go on with a bulk replay, in your name; it stops by itself, and where it is paused."""
    return views.replay(works.then(works.start, user, replay_id))


@router.post("/bulk-replays/{replay_id}/pause", responses=_ACT)
def pause_bulk_replay(replay_id: ReplayId, user: Operator, works: Works) -> lm.ReplayDetails:
    """Send no more letters until it is run again; what was sent goes on."""
    return views.replay(works.then(works.pause, user, replay_id))
