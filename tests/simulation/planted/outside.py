"""Mistakes about what the world outside is asked for, and says: money and the warehouse."""

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from modification_processor import (
    decide,
    edit,
    facts,
    reports,
)
from schemas.order import Order
from tests.simulation.planted.bugs import bug
from tests.simulation.world import World


@bug("a report adds its payment to the ledger whether it is there or not")
def payment_added_twice(world: World, stack: ExitStack) -> None:
    original = facts.with_payment

    def with_payment(order: Order, payment: Any, at: Any) -> Order:
        again = sum(row.transaction == payment.transaction for row in order.payments)
        return original(order, payment.model_copy(update={"transaction": payment.transaction + "'" * again}), at)

    world.put(stack, reports, "with_payment", with_payment)


@bug("a report ends its step, and the money it moved is not in the ledger")
def reported_payment_is_lost(world: World, stack: ExitStack) -> None:
    original = reports.report

    def report(order: Order, body: Any, pending: Any) -> Any:
        return replace(original(order, body, pending), order=order)

    world.put(stack, decide, "report", report)


@bug("an edit does not wait until the warehouse has given back")
def recall_not_awaited(world: World, stack: ExitStack) -> None:
    original = edit.edit

    def edited(*arguments: Any, **named: Any) -> Any:
        found = original(*arguments, **named)
        return replace(found, recalls=()) if isinstance(found, edit.Edited) else found

    world.put(stack, decide, "edit", edited)


@bug("a ticket goes on as soon as the warehouse says anything, be it no")
def refused_recall_goes_on(world: World, stack: ExitStack) -> None:
    original = decide._recall_answered

    def answered(order: Order, body: Any, asked: Any) -> Any:
        return original(order, body.model_copy(update={"outcome": "done"}), asked)

    world.put(stack, decide, "_recall_answered", answered)
