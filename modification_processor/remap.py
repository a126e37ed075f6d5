"""A corrected reading of what a channel said: what differs from the reading of its time, and what that asks of the book.

Pure. Input: the order in the book, what the stored statement was read as, what it is read as today, and the versions of both mappings. Output: every leaf
that differs, and what becomes of each: to be `applied` by an operation, `there` already, `kept` because somebody changed it
since or it is locked, or `left` because no operation says it (a person's, or the next statement's). The merge is the one of
a restatement, so a new mapping never undoes an edit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from modification_processor.channel_changes import REASON
from modification_processor.edit import overlaps
from modification_processor.restated_operations import Named, operations_of
from modification_processor.restatement import restate
from schemas.leaves import leaves
from schemas.order import Order, id_of
from schemas.ticket import ModificationTicket

Fate = Literal["applied", "there", "kept", "left"]
UNCOMPARED = ("/source/mapping_version", "/source/rules_version", "/source/held_by", "/totals")
"""What differs without meaning anything of its own."""


@dataclass(frozen=True)
class Differing:
    """One leaf that today's mapping reads otherwise; None where it is absent."""

    path: str
    old: str | None
    new: str | None
    fate: Fate


@dataclass(frozen=True)
class Remapped:
    """What a new reading of one order comes to."""

    order_id: UUID
    leaves: tuple[Differing, ...]
    named: tuple[Named, ...] = ()


def compare(book: Order, was: Order, now: Order, at: datetime) -> Remapped:
    """Return what `now` says otherwise than `was`, both read from the same bytes, and what of it the book has to take over."""
    old, new = leaves(was), leaves(now)
    paths = [path for path in sorted(old.keys() | new.keys()) if old.get(path) != new.get(path) and not path.startswith(UNCOMPARED)]
    if not paths:
        return Remapped(book.order_id, ())
    merged = restate(book, was, now, "remap", at).order
    named = operations_of(book, merged)
    said = [path for each in named for path in (*each.paths, *each.follows)]
    here, then = leaves(book), leaves(merged)
    found = [Differing(path, old.get(path), new.get(path), _fate(path, new.get(path), here, then, said)) for path in paths]
    return Remapped(book.order_id, tuple(found), named)


def _fate(path: str, new: str | None, here: Mapping[str, str], merged: Mapping[str, str], said: Sequence[str]) -> Fate:
    if here.get(path) == new:
        return "there"
    if overlaps(path, said):
        return "applied"
    return (
        "left"
        if merged.get(path) == new or path.startswith(("/extensions", "/holds", "/source", "/order_number", "/placed_at"))
        else "kept"
    )


def ticket_id_of(order_id: UUID, message_id: str, version: int) -> UUID:
    """Return the id of the ticket by which a mapping corrects an order: one for each statement and version."""
    return id_of(f"{order_id}:{message_id}:mapping:{version}")


def ticket_of(found: Remapped, channel: str, message_id: str, version: int, base_version: int, at: datetime) -> ModificationTicket:
    """Return the ticket. It names the version it was worked out over, so that an edit meanwhile is a conflict and not undone."""
    return ModificationTicket(
        ticket_id=ticket_id_of(found.order_id, message_id, version),
        order_id=found.order_id,
        base_version=base_version,
        operations=tuple(each.operation for each in found.named),
        reason_code=REASON,
        comment=f"mapping {version} of {channel} reads the channel's document so",
        opened_at=at,
    )
