"""Orders as leaves: what a diff says is what changed, and folding it back gives the order, on generated orders."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.leaves import changed_leaves, fold, leaves, order_of
from schemas.order import Order
from tests.unit.models import instances
from tests.unit.strategies import orders


@given(orders(), orders())
def test_folding_a_diff_over_the_first_gives_the_second(first: Order, second: Order) -> None:
    changes = changed_leaves(first, second)
    state, broken = fold(leaves(first), changes)
    assert [] == broken
    assert leaves(second) == state


@given(orders())
def test_an_order_is_its_leaves(order: Order) -> None:
    assert order == order_of(leaves(order))


@given(orders())
def test_an_order_differs_from_itself_in_nothing(order: Order) -> None:
    assert [] == changed_leaves(order, order.model_copy(deep=True))


@given(orders(), orders())
def test_a_diff_names_each_leaf_once_with_both_values(first: Order, second: Order) -> None:
    before, after = leaves(first), leaves(second)
    changes = changed_leaves(first, second)
    assert len(changes) == len({leaf.path for leaf in changes})
    assert {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)} == {leaf.path for leaf in changes}
    assert all((before.get(leaf.path), after.get(leaf.path)) == (leaf.old, leaf.new) for leaf in changes)


@given(instances(Order), st.text(max_size=5))
def test_any_key_is_escaped_so_that_paths_never_collide(order: Order, key: str) -> None:
    extended = order.model_copy(update={"extensions": {"a/b": "1", "a~1b": "2", key: "3"}})
    assert len(extended.extensions) == sum(path.startswith("/extensions/") for path in leaves(extended))
