"""The edits of the bench: tickets as agents open them, spread over the book, every one of which can be applied.

Mix:       60 % change_quantity, 10 % set_ship_address, 10 % set_contact, 15 % set_delivery_window, 5 % place_hold.
Guarantee: each ticket names the version its author would have seen and asks for something new. For this the planner
           keeps, per order, what the edits before it leave; they are applied in the order in which they are planned.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson

from schemas.order import Address, Order
from schemas.ticket import ModificationTicket, Operation

REASON = "customer_request"
_KINDS = ("change_quantity", "set_ship_address", "set_contact", "set_delivery_window", "place_hold")
_WEIGHTS = (60, 10, 10, 15, 5)


@dataclass(slots=True)
class Seen:
    """An order as the edits planned so far leave it."""

    order_id: UUID
    version: int
    quantities: dict[str, int]
    address: Address

    @classmethod
    def of(cls, order: Order) -> "Seen":
        """Return an order as it is when it has just come in."""
        assert order.ship_to is not None
        return cls(order.order_id, 1, {line.line_id: line.ordered for line in order.lines}, order.ship_to)


class Planner:
    """Plans edits over a book; the same seed over the same book gives the same edits, but for their times."""

    def __init__(self, book: Sequence[Seen], seed: int = 3) -> None:
        self._book = book
        self._rng = random.Random(seed)  # noqa: S311 -- invented data
        self._number = 0

    def tickets(self, count: int) -> Iterator[ModificationTicket]:
        """Plan `count` more edits."""
        for _ in range(count):
            self._number += 1
            seen = self._rng.choice(self._book)
            name = self._rng.choices(_KINDS, _WEIGHTS)[0]
            arguments = orjson.dumps(self._arguments(name, seen)).decode()
            ticket = ModificationTicket(
                ticket_id=UUID(int=self._rng.getrandbits(128), version=4),
                order_id=seen.order_id,
                base_version=seen.version,
                operations=(Operation(name=name, arguments=arguments),),
                reason_code=REASON,
                opened_at=datetime.now(UTC),
            )
            seen.version += 1
            yield ticket

    def _arguments(self, name: str, seen: Seen) -> dict[str, object]:
        if name == "change_quantity":
            return self._quantity(seen)
        if name == "set_ship_address":
            kept = {field: getattr(seen.address, field) for field in ("name", "city", "region", "postal_code", "country", "phone")}
            return {**kept, "lines": [f"{self._number} Example Street"]}
        if name == "set_contact":
            return {"email": f"customer{self._number}@example.com"}
        if name == "set_delivery_window":
            earliest = datetime.now(UTC) + timedelta(days=3, seconds=self._number)
            return {"earliest": earliest.isoformat(), "latest": (earliest + timedelta(hours=3)).isoformat()}
        return {"kind": "manual", "reason": "An agent wants to look at it first."}

    def _quantity(self, seen: Seen) -> dict[str, object]:
        line_id = self._rng.choice(list(seen.quantities))
        quantity = self._rng.choice([count for count in range(1, 6) if count != seen.quantities[line_id]])
        seen.quantities[line_id] = quantity
        return {"line_id": line_id, "quantity": quantity}
