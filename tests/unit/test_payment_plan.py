"""Which money moves after an edit: from the ledger, never past a tender's rest, and nothing where nothing has to move."""

from dataclasses import dataclass, field
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modification_processor.payment_plan import CAPTURES, COLLECTS, Pending, Plan, Step, TenderRule, ledger_of, plan_payments
from schemas.order import Order, Payment, Source, Totals

METHODS = ("card", "gift_card", "bank_transfer", "wallet")
RULES: tuple[TenderRule, ...] = ("last_in_first_out", "pro_rata", "gift_card_first")


def order(total: int, *payments: Payment) -> Order:
    """Return an order that is nothing but a total and a ledger."""
    return Order(
        order_id=UUID(int=7), order_number="7", source=Source(channel="shopify", channel_order_id="7"), currency="EUR",
        totals=Totals(grand_total_minor=total), payments=payments,
    )  # fmt: skip


def paid(kind: str, transaction: str, amount: int, method: str = "card", parent: str | None = None, provider: str = "adyen") -> Payment:
    return Payment(
        payment_id=f"{provider}:{transaction}:{kind}", provider=provider, transaction=transaction, kind=kind, amount_minor=amount,  # type: ignore[arg-type]  # the tests say it right
        method=method, parent=parent,
    )  # fmt: skip


def moved(plan: Plan) -> list[tuple[str, str, int]]:
    return [(step.kind, step.transaction, step.amount_minor) for step in plan.steps]


def test_a_refund_goes_back_over_the_newest_tender_first() -> None:
    ledger = (paid("capture", "a", 600), paid("capture", "b", 400, "gift_card"))
    assert [("refund", "b", 400), ("refund", "a", 100)] == moved(plan_payments(order(1000, *ledger), order(500, *ledger)))


@pytest.mark.parametrize(
    ("rule", "want"),
    [
        ("pro_rata", [("refund", "b", 200), ("refund", "a", 300)]),
        ("gift_card_first", [("refund", "b", 400), ("refund", "a", 100)]),
    ],
)
def test_the_tender_rule_decides_who_gets_back(rule: TenderRule, want: list[tuple[str, str, int]]) -> None:
    ledger = (paid("capture", "b", 400, "gift_card"), paid("capture", "a", 600))
    found = moved(plan_payments(order(1000, *ledger), order(500, *ledger), rule=rule))
    assert sorted(want) == sorted(found)


def test_an_authorisation_is_lowered_before_anything_is_refunded() -> None:
    ledger = (paid("capture", "a", 500), paid("authorization", "b", 500))
    assert [("lower_authorization", "b", 300)] == moved(plan_payments(order(1000, *ledger), order(700, *ledger)))


def test_a_higher_total_raises_an_open_authorisation_and_otherwise_charges_the_card_again() -> None:
    held = (paid("authorization", "a", 500),)
    assert [("raise_authorization", "a", 40)] == moved(plan_payments(order(500, *held), order(540, *held)))
    taken = (paid("authorization", "a", 500), paid("capture", "c", 500, parent="a"))
    assert [("charge", "a", 40)] == moved(plan_payments(order(500, *taken), order(540, *taken)))


def test_where_nobody_can_be_charged_again_the_customer_is_asked() -> None:
    ledger = (paid("capture", "t", 500, "bank_transfer"),)
    assert [("request_payment", "", 40)] == moved(plan_payments(order(500, *ledger), order(540, *ledger)))


def test_a_payment_request_that_nobody_has_met_is_taken_back_before_anything_is_refunded() -> None:
    """Add, then remove before paying: what was paid stays where it is, and nobody is asked for the rest any more."""
    ledger = (paid("capture", "t", 1000, "bank_transfer"),)
    asked = pending(1, "request_payment", "", 300, "sent")
    whole = plan_payments(order(1300, *ledger), order(1000, *ledger), [asked])
    assert (Step("take_back", "adyen", "", "card", 300, asked.action_id),) == whole.steps
    part = plan_payments(order(1300, *ledger), order(1200, *ledger), [asked])
    assert (("take_back", 100), asked.action_id) == ((part.steps[0].kind, part.steps[0].amount_minor), part.steps[0].after_id)
    more = plan_payments(order(1300, *ledger), order(900, *ledger), [asked])
    assert [("take_back", "", 300), ("refund", "t", 100)] == moved(more)


def test_a_taking_back_that_was_not_sent_is_cancelled_by_what_adds_again() -> None:
    ledger = (paid("capture", "t", 1000, "bank_transfer"),)
    asked = pending(1, "request_payment", "", 300, "sent")
    back = pending(2, "take_back", "", 300, after=asked.action_id)
    assert Plan((), (back,)) == plan_payments(order(1000, *ledger), order(1300, *ledger), [asked, back])
    on_its_way = back._replace(state="sent")
    assert [("request_payment", "", 300)] == moved(plan_payments(order(1000, *ledger), order(1300, *ledger), [asked, on_its_way]))


def test_a_request_is_taken_back_once_and_what_is_left_of_it_only() -> None:
    ledger = (paid("capture", "t", 1000, "bank_transfer"),)
    asked = pending(1, "request_payment", "", 300, "sent")
    back = pending(2, "take_back", "", 200, "sent", asked.action_id)
    plan = plan_payments(order(1100, *ledger), order(950, *ledger), [asked, back])
    assert [("take_back", "", 100), ("refund", "t", 50)] == moved(plan)


def test_what_was_asked_back_of_a_request_is_not_refunded_beside_it_once_the_request_was_paid() -> None:
    """The customer paid while the taking back was under way: its answer makes a refund of that payment, so nothing else may."""
    ledger = (paid("capture", "t", 1000, "bank_transfer"), paid("capture", "p", 300, "bank_transfer"))
    back = pending(2, "take_back", "p", 300, "sent", UUID(int=1))
    assert 1000 == ledger_of(ledger, [back]).covered
    assert [("refund", "t", 50)] == moved(plan_payments(order(1000, *ledger), order(950, *ledger), [back]))


def test_what_was_open_before_stays_open_as_agreed() -> None:
    deposit = (paid("capture", "a", 200),)
    assert [("charge", "a", 100)] == moved(plan_payments(order(1000, *deposit), order(1100, *deposit)))
    assert [] == moved(plan_payments(order(1000, *deposit), order(900, *deposit)))
    assert [("refund", "a", 50)] == moved(plan_payments(order(1000, *deposit), order(150, *deposit)))


def test_an_order_nobody_has_paid_moves_nothing() -> None:
    assert Plan(open_minor=100) == plan_payments(order(1000), order(1100))
    assert Plan() == plan_payments(order(1000), order(900))


def test_a_channel_that_collects_is_told_instead() -> None:
    ledger = (paid("capture", "a", 1000),)
    assert Plan(channel_minor=-300) == plan_payments(order(1000, *ledger), order(700, *ledger), channel_collects=True)


def test_a_line_that_is_added_and_removed_before_the_charge_was_sent_moves_nothing() -> None:
    """No refund, no charge: the pending charge is cancelled."""
    ledger = (paid("capture", "a", 1000),)
    charge = pending(1, "charge", "a", 200)
    plan = plan_payments(order(1200, *ledger), order(1000, *ledger), [charge])
    assert ((), (charge,), 0) == (plan.steps, plan.cancels, plan.open_minor)


def test_a_charge_that_was_sent_is_given_back_once_it_is_there() -> None:
    ledger = (paid("capture", "t", 100, "bank_transfer"),)
    charge = pending(1, "charge", "a", 200, "sent")
    plan = plan_payments(order(300, *ledger), order(0, *ledger), [charge])
    assert [("refund", "t", 100), ("refund", "", 200)] == moved(plan)
    assert (None, charge.action_id) == (plan.steps[0].after_id, plan.steps[1].after_id)


def test_a_cancelled_step_that_was_more_than_enough_is_planned_again_for_the_rest() -> None:
    ledger = (paid("capture", "a", 1000),)
    charge = pending(1, "charge", "a", 200)
    plan = plan_payments(order(1200, *ledger), order(1150, *ledger), [charge])
    assert ([("charge", "a", 150)], (charge,)) == (moved(plan), plan.cancels)


def test_a_capture_is_not_counted_beside_the_authorisation_it_used_up() -> None:
    named = ledger_of([paid("authorization", "a", 500), paid("capture", "c", 500, parent="a")], ())
    nameless = ledger_of([paid("authorization", "a", 500), paid("capture", "c", 500)], ())
    assert (500, 500) == (named.covered, nameless.covered)


def test_refunds_that_name_no_tender_count_against_their_providers_newest() -> None:
    ledger = ledger_of([paid("capture", "a", 300), paid("capture", "b", 300), paid("refund", "r", 400)], ())
    assert [200, 0] == [tender.rest for tender in ledger.tenders]


def pending(number: int, kind: str, transaction: str, amount: int, state: str = "planned", after: UUID | None = None) -> Pending:
    return Pending(UUID(int=number), UUID(int=900 + number), kind, "adyen", transaction, "card", amount, state, after)  # type: ignore[arg-type]  # as above


@dataclass
class World:
    """A gateway that knows its tenders by itself: what it was told to do, it does, and shouts where that is impossible."""

    ledger: list[Payment]
    flying: list[Pending] = field(default_factory=list)
    number: int = 0

    def take(self, plan: Plan) -> None:
        gone = {step.action_id for step in plan.cancels}
        assert all(step.state == "planned" for step in plan.cancels)
        self.flying = [step for step in self.flying if step.action_id not in gone]
        for step in plan.steps:
            assert step.amount_minor > 0
            self.number += 1
            self.flying.append(_flying(self.number, step))

    def send(self) -> None:
        self.flying = [step._replace(state="sent") if step.after_id is None or step.kind == "take_back" else step for step in self.flying]

    def answer(self, *, yes: bool) -> None:
        step = next((step for step in self.flying if step.after_id is None or step.kind == "take_back"), None)
        if step is None:
            return
        self.flying.remove(step)
        if step.kind == "take_back":
            self._take_back(step, yes=yes)
            return
        if not yes:
            self.flying = [other for other in self.flying if other.after_id != step.action_id]
            return
        made = f"sim{step.action_id.int}"
        if step.kind in CAPTURES:
            self.ledger.append(paid("capture", made, step.amount_minor, step.method or "card", made, step.provider))
        else:
            kind = {"raise_authorization": "authorization", "lower_authorization": "void", "refund": "refund"}[step.kind]
            tender = step.transaction
            self.ledger.append(paid(kind, made, step.amount_minor, step.method or "card", tender, step.provider))
            made = tender
        self.flying = [_following(other, made) if other.after_id == step.action_id else other for other in self.flying]

    def _take_back(self, step: Pending, *, yes: bool) -> None:
        """Lower a payment request, or, where its customer was faster, make a refund of its payment of it."""
        request = next((other for other in self.flying if other.action_id == step.after_id), None)
        if request is None:
            self.flying.append(step._replace(kind="refund", state="planned", after_id=None))
            return
        assert step.amount_minor <= request.amount_minor
        place = self.flying.index(request)
        if yes:
            left = request.amount_minor - step.amount_minor
            self.flying[place : place + 1] = [request._replace(amount_minor=left)] if left else []
        else:
            self.flying.append(step._replace(kind="refund", state="planned"))

    def check(self) -> None:
        """No tender ever gives back more than it brought, nor releases more than it holds; counting by hand."""
        for name in {(row.provider, row.parent or row.transaction) for row in self.ledger}:
            mine = [row for row in self.ledger if (row.provider, row.parent or row.transaction) == name]
            total = {
                kind: sum(row.amount_minor for row in mine if row.kind == kind) for kind in ("authorization", "capture", "refund", "void")
            }
            coming = [step for step in self.flying if (step.provider, step.transaction) == name and step.kind not in COLLECTS]
            refunding = sum(step.amount_minor for step in coming if step.gives_back)
            lowering = sum(step.amount_minor for step in coming if step.kind == "lower_authorization")
            assert total["refund"] + refunding <= total["capture"]
            assert not (lowering or total["void"]) or total["void"] + lowering + total["capture"] <= total["authorization"]

    def covered(self) -> int:
        return ledger_of(self.ledger, self.flying).covered


def _following(step: Pending, made: str) -> Pending:
    """What a step that went through means for one behind it: it knows its tender; what was to take it back gives it back."""
    if step.kind != "take_back":
        return step._replace(transaction=made, after_id=None)
    return step._replace(transaction=made) if step.state == "sent" else step._replace(kind="refund", transaction=made, after_id=None)


def _flying(number: int, step: Step) -> Pending:
    return Pending(
        UUID(int=number), UUID(int=900 + number), step.kind, step.provider, step.transaction, step.method, step.amount_minor, "planned",
        step.after_id,
    )  # fmt: skip


@st.composite
def ledgers(draw: st.DrawFn) -> list[Payment]:
    """Return up to five tenders: held, captured whole or in part, partly refunded; several methods and providers."""
    rows: list[Payment] = []
    for index in range(draw(st.integers(0, 5))):
        provider, method = draw(st.sampled_from(("adyen", "stripe"))), draw(st.sampled_from(METHODS))
        amount = draw(st.integers(1, 5000))
        name = f"t{index}"
        if draw(st.booleans()):
            rows.append(paid("authorization", name, amount, method, None, provider))
            part = draw(st.integers(0, amount))
            if part:
                rows.append(paid("capture", f"{name}c", part, method, name, provider))
        else:
            part = amount
            rows.append(paid("capture", name, amount, method, None, provider))
        back = draw(st.integers(0, part)) if draw(st.booleans()) else 0
        if back:
            rows.append(paid("refund", f"{name}r", back, method, name, provider))
    return rows


acts = st.lists(st.one_of(st.integers(0, 20_000), st.sampled_from(("send", "yes", "no"))), max_size=12)


@given(ledgers(), acts, st.sampled_from(RULES))
def test_no_run_of_edits_and_answers_moves_more_than_a_tender_has(rows: list[Payment], script: list[int | str], rule: TenderRule) -> None:
    world = World(list(rows))
    total = world.covered()
    for act in script:
        if act == "send":
            world.send()
        elif isinstance(act, str):
            world.answer(yes=act == "yes")
        else:
            before, after = order(total, *world.ledger), order(act, *world.ledger)
            world.take(plan_payments(before, after, world.flying, rule=rule))
            total = act
        world.check()


@given(
    ledgers().filter(bool),
    st.lists(st.one_of(st.integers(0, 20_000), st.just("send"), st.just("yes")), max_size=12),
    st.sampled_from(RULES),
)
def test_an_order_that_was_paid_is_paid_after_every_edit_or_says_what_is_open(
    rows: list[Payment], script: list[int | str], rule: TenderRule
) -> None:
    """With a gateway that never declines, what covers the order is its total, to the unit, or the plan named the rest."""
    world = World(list(rows))
    total, named = world.covered(), 0
    for act in script:
        if act == "send":
            world.send()
        elif act == "yes":
            world.answer(yes=True)
        elif isinstance(act, int):
            plan = plan_payments(order(total, *world.ledger), order(act, *world.ledger), world.flying, rule=rule)
            world.take(plan)
            total, named = act, plan.open_minor if act != total else named
    while world.flying:
        world.answer(yes=True)
        world.check()
    assert total - world.covered() == named


@given(ledgers(), st.integers(0, 20_000))
def test_an_edit_that_leaves_the_total_moves_no_money(rows: list[Payment], total: int) -> None:
    assert Plan() == plan_payments(order(total, *rows), order(total, *rows))
