"""Mistakes about trying again: what is superseded, what kills, what the tables refuse, what a person sends back."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, cast

from modification_processor import (
    lanes,
    replay,
    retrying,
)
from modification_processor.outcomes import Failed
from modification_processor.retrying import LaneRetry, Place
from schemas.statement import ChangeStated, FetchNeeded
from store import claims, letters
from store.database import Cursor
from store.letters import Letter, Parked
from tests.simulation.memory.database import Transaction as MemoryTransaction
from tests.simulation.planted.bugs import bug
from tests.simulation.world import World


@bug("a statement supersedes changes that wait")
def changes_superseded(world: World, stack: ExitStack) -> None:
    world.put(stack, lanes, "is_superseded", lambda _waiting, _by: True)
    world.put(stack, retrying, "is_superseded", lambda _waiting, _by: True)


@bug("found: a newer statement that waits is superseded by an older one that came late")
def newer_statement_superseded(world: World, stack: ExitStack) -> None:
    for module in (lanes, retrying):
        world.put(stack, module, "is_superseded", lambda waiting, _by: not isinstance(waiting.body, ChangeStated | FetchNeeded))


@bug("starts on a lane are not counted: a killer in it kills for ever")
def lane_starts_not_counted(world: World, stack: ExitStack) -> None:
    world.put(stack, letters, "suspect", lambda _cursor, places: dict.fromkeys(places, 1))


@bug("found: a follower that kills is tried together with its head, and takes it along")
def killer_behind_a_good_head(world: World, stack: ExitStack) -> None:
    original = LaneRetry.once

    def once(self: LaneRetry, places: Sequence[Place], _limit: int, failure: Failed | None) -> int:
        return original(self, places, 50, failure)

    world.put(stack, LaneRetry, "once", once)


@bug("found: what the tables refuse in a lane stops the retrier")
def refusal_stops_the_retrier(world: World, stack: ExitStack) -> None:
    def singly(_self: LaneRetry, _place: Place, error: Exception) -> int:
        raise error

    world.put(stack, LaneRetry, "singly", singly)


@bug("a replayed message goes to the end of its lane", only_in_memory=True)
def replay_gets_a_new_place(world: World, stack: ExitStack) -> None:
    original = replay._try_now

    def try_now(cursor: Cursor, letter: Letter, key: Any, repaired: Any) -> str:
        def move(tx: MemoryTransaction) -> None:
            row = tx.get("parked", letter.order_id, letter.topic, letter.seq)
            head = tx.get("order_head", letter.order_id)
            tx.write("order_head", (letter.order_id,), head._replace(parked_seq=head.parked_seq + 1))
            tx.delete("parked", letter.order_id, letter.topic, letter.seq)
            moved = row._replace(seq=head.parked_seq + 1, value_sealed=_sealed_anew(key, row, head.parked_seq + 1))
            tx.insert("parked", moved[:3], moved)

        said = original(cursor, letter, key, repaired)
        cast("Any", cursor).session.run(move, "move")
        return said

    world.put(stack, replay, "_try_now", try_now)


def _sealed_anew(key: Any, row: Parked, seq: int) -> bytes:
    plain = key.open(row.value_sealed, f"parked:{row.topic}:{row.seq}")
    sealed: bytes = key.seal(plain, f"parked:{row.topic}:{seq}")
    return sealed


@bug("a letter stays open though its message went through")
def letter_not_resolved(world: World, stack: ExitStack) -> None:
    world.put(stack, letters, "resolve", lambda *_: None)


@bug("a repaired message goes in under whoever sent it first")
def repair_under_the_first_author(world: World, stack: ExitStack) -> None:
    original = replay._put_in_place

    def put_in_place(cursor: Cursor, letter: Letter, key: Any, repaired: Any) -> None:
        actor = replace(repaired.actor, user_id=repaired.actor.on_behalf_of, on_behalf_of=None)
        original(cursor, letter, key, replace(repaired, actor=actor))

    world.put(stack, replay, "_put_in_place", put_in_place)


@bug("nothing is kept of how a message was repaired")
def repair_not_kept(world: World, stack: ExitStack) -> None:
    world.put(stack, claims, "keep", lambda *_: None)
