"""The Edit Order form as data: which fields in which mode, what was filled in as operations, and what happens to it meanwhile. Pure.

One file for each part of an order; each says its fields and the operations they stand for.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from console.api.models import ModesView, OperationBody, OperationsView
from console.form import addresses, delivery, lines, money, standing
from console.form.fields import ON, Field, Filled, Kind, Maker, NotReadable, Section
from console.form.follow import Clash, Followed, follow
from schemas.order import Order

__all__ = ["ON", "Clash", "Field", "Followed", "Kind", "NotReadable", "Section", "follow", "operations", "reasons", "sections"]

_FIRST: Final = ("address_correction", "customer_request", "entry_error")
"""Reasons people give most, first in a list they fit."""


def sections(order: Order, modes: ModesView) -> tuple[Section, ...]:
    """Return the form of an order: hidden fields are not in it."""
    make = Maker(order, modes)
    found = (
        addresses.ship_to(make), addresses.contact(make), delivery.together(make), lines.section(make), money.section(make),
        standing.holds(make), standing.notes(make), money.payment(make), addresses.bill_to(make), delivery.apart(make), standing.end(make),
    )  # fmt: skip
    return tuple(section for section in found if section.fields)


def operations(order: Order, before: Sequence[Section], typed: Mapping[str, str]) -> list[OperationBody]:
    """Return the operations that make the order what was typed; none where nothing changed. Raises `NotReadable`."""
    filled = Filled(before, typed)
    return [
        *addresses.operations(order.ship_to, order.bill_to, filled),
        *delivery.operations(order, filled),
        *lines.operations(order, filled),
        *money.operations(order, filled),
        *standing.operations(order, filled),
    ]


def reasons(known: OperationsView, asked: Iterable[OperationBody]) -> list[str]:
    """Return the reason codes that fit every one of the operations, those people give most first."""
    by_name = {operation.name: set(operation.reasons) for operation in known.items}
    sets = [by_name.get(operation.name, set()) for operation in asked]
    fitting = set.intersection(*sets) if sets else set().union(*by_name.values())
    return [reason for reason in _FIRST if reason in fitting] + sorted(fitting - set(_FIRST))
