"""Mistakes about what was received before."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, cast
from uuid import UUID

from store import inbox
from store.database import Connection, Cursor
from tests.simulation.planted.bugs import bug
from tests.simulation.world import World


class _Any(bytes):
    def __eq__(self, _other: object) -> bool:
        return True

    __hash__ = bytes.__hash__


@bug("other content under the same id counts as a repeat")
def dedupe_without_hash(world: World, stack: ExitStack) -> None:
    original = inbox.seen

    def seen(cursor: Cursor, keys: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], tuple[bytes, str]]:
        return {key: (_Any(digest), outcome) for key, (digest, outcome) in original(cursor, keys).items()}

    world.put(stack, inbox, "seen", seen)


@bug("nobody looks whether a message was received before")
def no_dedupe(world: World, stack: ExitStack) -> None:
    world.put(stack, inbox, "seen", lambda _cursor, _keys: {})


@bug("the mark that a message was received is committed by itself")
def inbox_mark_outside_the_transaction(world: World, stack: ExitStack) -> None:
    original = inbox.add

    def add(_cursor: Cursor, received: Any) -> None:
        with cast("Connection", world.database.connect("mark")) as connection, connection.cursor() as cursor:
            original(cursor, received)

    world.put(stack, inbox, "add", add)


@bug("found: a message that waited under another id than its own is never settled")
def settled_under_the_wrong_id(world: World, stack: ExitStack) -> None:
    original = inbox.settle

    def settle(cursor: Cursor, outcomes: Sequence[tuple[UUID, str, str]]) -> None:
        original(cursor, [one for one in outcomes if one[1].startswith(("ticket:", "fact:", "stated:", "changed:"))])

    world.put(stack, inbox, "settle", settle)
