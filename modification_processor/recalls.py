"""Editable, with compensation: what the warehouse has to give back before an edit is applied. Pure.

    edit meets a field in the mode `compensation` -> the lines at work there are to be recalled -> the ticket waits as
    `compensating` -> the warehouse confirms each -> the units are the book's again, and the ticket is decided anew

The edit is worked out over the order as it will be once the lines are back, so the effects that were previewed, approved
and applied are the same. A warehouse that refuses, or does not answer in time, ends the ticket; what it had given back by
then stays given back. While a recall is open, nothing of the order is released: neither side can pass the other.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from schemas.order import Order, OrderLine

RECALL_PICK, VOID_LABEL = "recall_pick", "void_label"
ANSWER_WITHIN = timedelta(minutes=30)
"""How long the warehouse may take; pickers go on working meanwhile, so an answer of tomorrow is none."""
COMPENSATING = ANSWER_WITHIN + timedelta(minutes=10)
"""When a ticket ends by itself, should nobody have told it that the warehouse did not answer."""


class Recall(NamedTuple):
    """One line whose unshipped units have to come back: out of picking, or out of a parcel whose label is voided."""

    kind: str
    line_id: str


class OpenRecall(NamedTuple):
    """A recall that was asked for and not answered yet."""

    action_id: UUID
    ticket_id: UUID
    kind: str
    line_id: str


def under_way(line: OrderLine) -> bool:
    """Whether the warehouse has units of the line in hand that it has not shipped."""
    return max(line.released, line.packed) > line.shipped


def recalls_for(order: Order, line_id: str | None) -> tuple[Recall, ...]:
    """Return what has to be recalled before that line, or anything of the whole order, is changed."""
    lines = [line for line in order.lines if line_id in (None, line.line_id) and under_way(line)]
    return tuple(Recall(VOID_LABEL if line.packed > line.shipped else RECALL_PICK, line.line_id) for line in lines)


def recalled(order: Order, line_ids: Iterable[str]) -> Order:
    """Return the order with the unshipped units of these lines out of the warehouse's hands."""
    names = frozenset(line_ids)
    if not names:
        return order
    lines = tuple(
        line.model_copy(update={"released": line.shipped, "packed": line.shipped}) if line.line_id in names and under_way(line) else line
        for line in order.lines
    )
    return order.model_copy(update={"lines": lines})


def named(recalls: Sequence[Recall]) -> str:
    """Return what is recalled, for a person."""
    return ", ".join(f"{recall.kind} of line {recall.line_id}" for recall in recalls)
