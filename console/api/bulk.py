"""One edit of many orders: tried, started, watched, paused, resumed, cancelled, taken back; what became of every order."""

from collections.abc import Iterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import StreamingResponse

from console import csv_text
from console.access import User
from console.api import bulk_models as bm
from console.api.problems import responses
from console.api.route import After, Bytes, Key, Limit, May
from console.bulk_work import BulkWork

router = APIRouter(tags=["bulk edits"])
Reader = Annotated[User, Depends(May("bulk.read"))]
Author = Annotated[User, Depends(May("bulk.work"))]
BulkId = Annotated[UUID, Path(description="The bulk edit's id.")]
_JOB = responses("no_such_bulk_edit")
_ACT = responses("no_such_bulk_edit", "bulk_refused")
_MADE: dict[int | str, dict[str, Any]] = {
    **responses("bulk_refused", "operation_refused", "idempotency_key_reused"),
    202: {"headers": {"Location": {"description": "Where the job's progress is.", "schema": {"type": "string"}}}},
}
_CSV = {"description": "Every order's outcome.", "content": {"text/csv": {"schema": {"type": "string"}}}}


def _works(request: Request) -> BulkWork:
    found: BulkWork = request.app.state.bulk
    return found


Works = Annotated[BulkWork, Depends(_works)]


@router.post("/bulk-edits/dry-run", responses=responses("bulk_refused", "operation_refused"))
def try_bulk_edit(user: Author, works: Works, body: bm.BulkBody) -> bm.DryRunView:
    """Say what would become of each order now: a histogram of outcomes, and the money. Nothing is changed."""
    return works.dry_run(user, body)


@router.get("/bulk-edits", responses=responses())
def list_bulk_edits(user: Reader, works: Works, cursor: After = None, limit: Limit = 50) -> bm.BulkPage:
    """List bulk edits, newest first."""
    return works.listing(user, cursor, limit)


@router.post("/bulk-edits", status_code=202, responses=_MADE)
def start_bulk_edit(user: Author, works: Works, key: Key, body: bm.BulkBody, request: Bytes, response: Response) -> bm.BulkView:
    """Freeze the selection and start the job: one ticket an order, one outcome for every id."""
    return _located(response, works.submit(user, key, body, request))


@router.get("/bulk-edits/{bulk_id}", responses=_JOB)
def read_bulk_edit(bulk_id: BulkId, user: Reader, works: Works) -> bm.BulkView:
    """Read how far a job is."""
    return works.shown(user, bulk_id)


@router.get("/bulk-edits/{bulk_id}/outcomes", responses=_JOB)
def list_outcomes(bulk_id: BulkId, user: Reader, works: Works, cursor: After = None, limit: Limit = 50) -> bm.OutcomePage:
    """List what became of each order."""
    return works.outcomes(user, bulk_id, cursor, limit)


@router.get("/bulk-edits/{bulk_id}/outcomes.csv", response_class=StreamingResponse, responses={**_JOB, 200: _CSV})
def export_outcomes(bulk_id: BulkId, user: Reader, works: Works) -> StreamingResponse:
    """Export what became of each order; no cell is a formula to a spreadsheet."""
    works.shown(user, bulk_id)  # says that there is none before anything is sent
    text: Iterator[str] = csv_text.lines(bm.CSV_HEADER, works.rows(user, bulk_id))
    named = {"Content-Disposition": f'attachment; filename="bulk-edit-{bulk_id}.csv"'}
    return StreamingResponse(text, media_type="text/csv", headers=named)


@router.post("/bulk-edits/{bulk_id}/pause", responses=_ACT)
def pause_bulk_edit(bulk_id: BulkId, user: Author, works: Works) -> bm.BulkView:
    """Send no more tickets until the job is resumed."""
    return works.steer(user, bulk_id, "pause")


@router.post("/bulk-edits/{bulk_id}/resume", responses=_ACT)
def resume_bulk_edit(bulk_id: BulkId, user: Author, works: Works) -> bm.BulkView:
    """Go on with a paused job."""
    return works.steer(user, bulk_id, "resume")


@router.post("/bulk-edits/{bulk_id}/cancel", responses=_ACT)
def cancel_bulk_edit(bulk_id: BulkId, user: Author, works: Works) -> bm.BulkView:
    """Skip what was not sent yet, for good."""
    return works.steer(user, bulk_id, "cancel")


@router.post("/bulk-edits/{bulk_id}/undo", status_code=202, responses={**_MADE, **_JOB})
def undo_bulk_edit(bulk_id: BulkId, user: Author, works: Works, key: Key, request: Bytes, response: Response) -> bm.BulkView:
    """Start a job that takes back what this one applied, order by order."""
    return _located(response, works.undo(user, bulk_id, key, request))


def _located(response: Response, made: bm.BulkView) -> bm.BulkView:
    response.headers["Location"] = f"/api/v1/bulk-edits/{made.bulk_id}"
    return made
