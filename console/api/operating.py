"""What operators look at: dead letters and figures."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query

from console.access import User
from console.api import models as m
from console.api.problems import responses
from console.api.route import After, Does, Limit, May

router = APIRouter(tags=["operating"])
LettersReader = Annotated[User, Depends(May("letters.read"))]
KpisReader = Annotated[User, Depends(May("kpis.read"))]
Status = Literal["unresolved", "replaying", "resolved", "discarded", "resent", "superseded", "all"]


@router.get("/letters", responses=responses())
def list_letters(_user: LettersReader, does: Does, cursor: After = None, limit: Limit = 50, status: Status = "unresolved") -> m.LetterPage:
    """List dead letters, those that cost most first."""
    return does.letters(status, cursor, limit)


@router.get("/letters/{letter_id}", responses=responses("no_such_letter"))
def read_letter(letter_id: Annotated[UUID, Path()], _user: LettersReader, does: Does) -> m.LetterView:
    """Read a dead letter; its payload stays sealed."""
    return does.letter(letter_id)


@router.get("/kpis", responses=responses())
def read_kpis(_user: KpisReader, does: Does, days: Annotated[int, Query(ge=1, le=365)] = 30) -> m.KpisView:
    """Read the figures of the last days."""
    return does.kpis(days)
