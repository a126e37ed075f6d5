"""A rule's hold enters with the statement that first calls for it, whichever that is, and leaves with the one that no longer does.

What people placed stays until people release it, and what they released a later statement does not bring back, unless it was put right in between.
"""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from intake.rules.rule import Rule, with_holds
from modification_processor.decide import Known, decide
from modification_processor.incoming import Incoming, Read
from modification_processor.operations import release_hold
from modification_processor.operations.operation import Context
from modification_processor.outcomes import Restated, Stored
from schemas.order import Hold, Order, held
from schemas.statement import Finding, OrderStated, RawDocument
from tests.line import order_in, shopify_order

AT = datetime(2026, 11, 2, tzinfo=UTC)
ORDER = order_in(shopify_order(1))
NAMES = ("country_known", "currency_known", "placed_in_the_past")
RULES = tuple(Rule(name, "enforce", "accept_with_hold", "tests", lambda _: None) for name in NAMES)


def as_stated(names: frozenset[str], book: Order | None, number: int, *, adds_up: bool = True) -> Order:
    """The order in the book after a statement about which these rules spoke."""
    findings = [Finding(path="", rule=name, message=f"{name} speaks") for name in NAMES if name in names]
    mismatch = () if adds_up else (Hold(hold_id="totals_mismatch", kind="totals_mismatch"),)
    plain = ORDER.model_copy(update={"holds": mismatch})
    order = with_holds(plain, RULES, findings, [(finding.rule, "enforce") for finding in findings])
    raw = RawDocument(body=b"{}", sha256=f"{number:064}", topic="orders.raw.shopify.v1", partition=0, offset=number)
    body = OrderStated(message_id=f"m{number}", order=order, event="update", verdict="accept", raw=raw)
    incoming = Incoming("orders.canonical.v1", 0, number, None, b"", None, AT)
    read = Read(incoming, ORDER.order_id, body.message_id, "OrderStated", b"", body)
    outcome = decide(book, read, Known(1, AT, Context(AT, ""), previous=ORDER, previous_sha256="none"))
    assert isinstance(outcome, Stored | Restated)
    return outcome.order


STEPS = st.lists(
    st.tuples(st.just("state"), st.frozensets(st.sampled_from(NAMES)))
    | st.tuples(st.just("place"), st.just(frozenset[str]()))
    | st.tuples(st.just("release"), st.frozensets(st.sampled_from(NAMES), min_size=1, max_size=1)),
    max_size=12,
)


@given(st.frozensets(st.sampled_from(NAMES)), STEPS)
def test_the_book_is_held_by_who_still_holds_it(first: frozenset[str], steps: list[tuple[str, frozenset[str]]]) -> None:
    order = as_stated(first, None, 0)
    ruled, last, people = set(first), first, 0
    for number, (step, names) in enumerate(steps, 1):
        if step == "state":
            order = as_stated(names, order, number)
            ruled = (ruled | (names - last)) & names
            last = names
        elif step == "place":
            order = held(order, Hold(hold_id=f"H{number}", kind="fraud", reason="look at it"))
            people += 1
        elif (name := next(iter(names))) in ruled:
            order = release_hold.apply(order, release_hold.ReleaseHold(hold_id=f"intake:{name}"), Context(AT, ""))
            ruled.discard(name)
        by_kind = {kind: {hold.hold_id for hold in order.holds if hold.kind == kind} for kind in ("intake", "fraud")}
        assert {f"intake:{name}" for name in ruled} == by_kind["intake"]
        assert people == len(by_kind["fraud"])
        assert ("held" if ruled or people else "confirmed") == order.lifecycle


def test_totals_that_no_longer_add_up_hold_the_order_and_adding_up_lets_it_go() -> None:
    order = as_stated(frozenset(), as_stated(frozenset(), None, 0), 1, adds_up=False)
    assert [("totals_mismatch", AT)] == [(hold.hold_id, hold.placed_at) for hold in order.holds]
    assert ("confirmed", ()) == ((again := as_stated(frozenset(), order, 2)).lifecycle, again.holds)


def test_an_order_that_is_done_with_is_held_no_more() -> None:
    order = as_stated(frozenset(), None, 0).model_copy(update={"lifecycle": "closed"})
    assert () == as_stated(frozenset({"country_known"}), order, 1).holds
