"""The base model's own copy, comparison and construction do what pydantic's do."""

from copy import deepcopy

from hypothesis import given
from pydantic import BaseModel

from schemas.events import Change
from schemas.order import Contact, Order
from tests.unit.strategies import orders


@given(orders(), orders())
def test_equal_is_what_pydantic_calls_equal(one: Order, other: Order) -> None:
    for a, b in ((one, other), (one, deepcopy(one)), (one, one)):
        assert BaseModel.__eq__(a, b) == (a == b)
    assert one != one.contact


@given(orders())
def test_a_copy_is_what_pydantic_copies(order: Order) -> None:
    changes = {"note": "ring twice", "contact": Contact(name="Ida")}
    for update in (None, {}, changes):
        mine, theirs = order.model_copy(update=update), BaseModel.model_copy(order, update=update)
        assert theirs == mine
        assert theirs.model_fields_set == mine.model_fields_set
        assert theirs.model_dump_json(exclude_defaults=True) == mine.model_dump_json(exclude_defaults=True)
        assert theirs.model_dump_json(exclude_unset=True) == mine.model_dump_json(exclude_unset=True)
    assert order.note is None
    assert order.model_copy(deep=True) == order


def test_a_model_made_of_known_values_is_the_validated_one() -> None:
    made, validated = Change.of(path="/a", old=None, new="1", sealed=False), Change(path="/a", old=None, new="1", sealed=False)
    assert validated == made
    assert hash(validated) == hash(made)
    assert validated.model_dump() == made.model_dump()
