"""Which edits want an approval, and which rules do not load."""

import pytest

from modification_processor.approvals import ApprovalRulesInvalid, default_rules, load_rules, needed
from schemas.order import Order, Totals
from tests.unit.test_field_locks import order as any_order


def moved(total: int, currency: str = "EUR") -> tuple[Order, Order]:
    before = any_order().model_copy(update={"currency": currency, "totals": Totals()})
    return before, before.model_copy(update={"totals": Totals(grand_total_minor=total)})


@pytest.mark.parametrize(
    ("currency", "limit"),
    [("EUR", 50_000), ("JPY", 75_000), ("KWD", 500_000), ("USD", 50_000)],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_change_above_the_limit_of_its_currency_wants_approval_and_one_at_it_does_not(currency: str, limit: int, sign: int) -> None:
    assert () == needed(*moved(sign * limit, currency), (), default_rules())
    assert ("approval.money_delta",) == needed(*moved(sign * (limit + 1), currency), (), default_rules())


def test_the_rules_of_the_locks_come_first() -> None:
    assert ("locks.x", "approval.money_delta") == needed(*moved(60_000), ("locks.x",), default_rules())


@pytest.mark.parametrize(
    "text",
    [
        "",
        'version = 1\n[money_delta]\nEUR = "5"\n[deadlines]\nawaiting_approval = 1\nwaiting = 1',
        'version = 1\n[money_delta]\n"*" = "x"\n[deadlines]\nawaiting_approval = 1\nwaiting = 1',
        'version = 1\n[money_delta]\n"*" = "-1"\n[deadlines]\nawaiting_approval = 1\nwaiting = 1',
        'version = 1\n[money_delta]\n"*" = "1"\n[deadlines]\nawaiting_approval = 0\nwaiting = 1',
        "version = [",
    ],
)
def test_rules_with_a_hole_do_not_load(text: str) -> None:
    with pytest.raises(ApprovalRulesInvalid):
        load_rules(text)
