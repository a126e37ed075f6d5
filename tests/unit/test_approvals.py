"""Which edits want an approval, and which rules do not load."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from modification_processor.approvals import ApprovalRulesInvalid, default_rules, load_rules, may_review, needed
from schemas.assertion import Actor
from schemas.order import Order, Totals
from schemas.ticket import TicketReviewed
from store.tickets import TicketRow
from tests.unit.test_field_locks import order as any_order

AGENT = frozenset({"Order_Modify"})


def moved(total: int, currency: str = "EUR") -> tuple[Order, Order]:
    before = any_order().model_copy(update={"currency": currency, "totals": Totals()})
    return before, before.model_copy(update={"totals": Totals(grand_total_minor=total)})


@pytest.mark.parametrize(
    ("currency", "limit"),
    [("EUR", 50_000), ("JPY", 75_000), ("KWD", 500_000), ("USD", 50_000)],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_change_above_the_limit_of_its_currency_wants_approval_and_one_at_it_does_not(currency: str, limit: int, sign: int) -> None:
    assert () == needed(*moved(sign * limit, currency), (), default_rules(), AGENT, 0)
    assert ("approval.money_delta",) == needed(*moved(sign * (limit + 1), currency), (), default_rules(), AGENT, 0)


def test_the_rules_of_the_locks_come_first() -> None:
    assert ("locks.x", "approval.money_delta") == needed(*moved(60_000), ("locks.x",), default_rules(), AGENT, 0)


def test_an_author_with_a_higher_tier_goes_further_without_approval() -> None:
    senior = AGENT | {"Order_Approve"}
    assert () == needed(*moved(200_000), (), default_rules(), senior, 0)
    assert ("approval.money_delta",) == needed(*moved(200_001), (), default_rules(), senior, 0)


def test_an_order_edited_again_and_again_wants_approval_whatever_the_edit() -> None:
    assert () == needed(*moved(0), (), default_rules(), AGENT, 29)
    assert ("approval.repeated_edits",) == needed(*moved(0), (), default_rules(), AGENT, 30)


HEAD = 'version = 1\n[money_delta]\n"*" = "5"\n'
TAIL = "[deadlines]\nawaiting_approval = 1\nwaiting = 1\n"
APPROVER = '[[approvers]]\nrole = "Order_Approve"\nmoney_delta = {"*" = "100"}\n'
STAND_IN = '[[delegations]]\nfrom = "carla"\nto = "dan"\nrole = "Order_Approve"\nuntil = 2026-12-24T00:00:00Z\n'


def review_of(ticket: TicketRow, user: str, *roles: str, rules: str = HEAD + APPROVER + STAND_IN + TAIL, day: int = 23) -> str | None:
    """Return why a review by this user changes nothing, or None."""
    review = TicketReviewed(
        review_id=UUID(int=3),
        ticket_id=ticket.ticket_id,
        order_id=ticket.order_id,
        decision="approve",
        at=datetime(2026, 11, 23, tzinfo=UTC),
    )
    at = datetime(2026, 12, day, tzinfo=UTC)
    refused = may_review(Actor(user, frozenset(roles), "console"), review, ticket, "EUR", load_rules(rules), at)
    return refused.code if refused else None


def waiting(author: str = "ana", delta: int = 9_000, behalf: str | None = None) -> TicketRow:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    return TicketRow(
        UUID(int=1), UUID(int=2), "awaiting_approval", author, "Order_Modify", "console", behalf, "goodwill", None, None, "", b"", delta,
        None, None, None, None, at, at, None,
    )  # fmt: skip


def test_an_approver_goes_as_far_as_the_tier() -> None:
    assert (None, "beyond_tier") == (
        review_of(waiting(), "carla", "Order_Approve"),
        review_of(waiting(delta=-10_001), "carla", "Order_Approve"),
    )
    senior = HEAD + APPROVER + '[[approvers]]\nrole = "Order_Approve_Senior"\n' + TAIL
    assert review_of(waiting(delta=10**9), "sue", "Order_Approve_Senior", rules=senior) is None


def test_who_stands_in_may_what_the_other_may_until_the_day_and_never_for_the_others_own_ticket() -> None:
    assert (None, "role_missing") == (review_of(waiting(), "dan"), review_of(waiting(), "dan", day=24))
    assert ("role_missing", "own_ticket") == (review_of(waiting(author="carla"), "dan"), review_of(waiting(author="dan"), "dan"))
    assert "own_ticket" == review_of(waiting(behalf="carla"), "carla", "Order_Approve")


@pytest.mark.parametrize(
    "text",
    [
        "",
        'version = 1\n[money_delta]\nEUR = "5"\n[deadlines]\nawaiting_approval = 1\nwaiting = 1',
        'version = 1\n[money_delta]\n"*" = "x"\n[deadlines]\nawaiting_approval = 1\nwaiting = 1',
        'version = 1\n[money_delta]\n"*" = "-1"\n[deadlines]\nawaiting_approval = 1\nwaiting = 1',
        'version = 1\n[money_delta]\n"*" = "1"\n[deadlines]\nawaiting_approval = 0\nwaiting = 1',
        HEAD + TAIL,
        HEAD + "approvers = []\n" + TAIL,
        HEAD + APPROVER.replace('"*"', "EUR") + TAIL,
        HEAD + APPROVER + STAND_IN.replace("00Z", "00") + TAIL,
        HEAD + APPROVER + "[repeated_edits]\nafter = -1\n" + TAIL,
        "version = [",
    ],
)
def test_rules_with_a_hole_do_not_load(text: str) -> None:
    with pytest.raises(ApprovalRulesInvalid):
        load_rules(text)
