"""Mistakes about what people decide: approvals and undo."""

from contextlib import ExitStack
from typing import Any

from modification_processor import (
    approvals,
    decide,
    deciding,
    earlier_tickets,
    retrying,
    undo,
)
from modification_processor.incoming import Read
from modification_processor.outcomes import Outcome, Refused
from modification_processor.transaction import Transaction
from modification_processor.work import OrderWork
from tests.simulation.planted.bugs import bug
from tests.simulation.world import World


@bug("found: a review that had to wait is heard, and its ticket is not")
def parked_review_does_nothing(world: World, stack: ExitStack) -> None:
    def carry_out(tx: Transaction, work: OrderWork, read: Read) -> tuple[Outcome, str]:
        outcome = deciding.tried(tx, work, read)
        return outcome, tx.settler.settle(work, read, outcome)

    world.put(stack, retrying, "carry_out", carry_out)


@bug("an approval is of the ticket, whatever it would do by now")
def approval_of_whatever_it_does(world: World, stack: ExitStack) -> None:
    original = deciding.decided_again

    def decided_again(tx: Transaction, work: OrderWork, ticket: Read, approved: Any) -> Outcome:
        with ExitStack() as meanwhile:
            if approved is not None:
                world.put(meanwhile, decide, "preview_hash", lambda *_: approved[1])
            return original(tx, work, ticket, approved)

    world.put(stack, earlier_tickets, "decided_again", decided_again)


def _ignoring(world: World, stack: ExitStack, *codes: str) -> None:
    """Let a review pass that is refused for one of these reasons."""
    original = approvals.may_review

    def may_review(*arguments: Any) -> Refused | None:
        refusal = original(*arguments)
        return None if refusal is not None and refusal.code in codes else refusal

    world.put(stack, earlier_tickets, "may_review", may_review)


@bug("an author may approve their own ticket")
def author_approves(world: World, stack: ExitStack) -> None:
    _ignoring(world, stack, "own_ticket")


@bug("a ticket is approved again after it was applied")
def approved_twice(world: World, stack: ExitStack) -> None:
    _ignoring(world, stack, "not_awaiting", "stale_preview")


@bug("a ticket is taken back though it was taken back before")
def undone_twice(world: World, stack: ExitStack) -> None:
    original = undo.undoable

    def undoable(body: Any, ticket: Any) -> Refused | None:
        refusal = original(body, ticket)
        return None if refusal is not None and refusal.code == "not_applied" and ticket.state == "undone" else refusal

    world.put(stack, undo, "undoable", undoable)
