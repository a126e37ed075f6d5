"""Intake's rules are changed while it runs: in force within seconds, without a restart, by version, and back again.

An order without lines is refused as shipped; in shadow it is taken and the finding says what would have been; an intake that starts later
reads the tuning first; a text that cannot be used is refused and changes nothing.
"""

import pytest

from intake.rules.tuning import TuningInvalid
from ordermend import rulebook
from tests.conftest import Eventually
from tests.line import Line, shopify_order

SHADOW = '[[lines_present.scope]]\nchannel = "shopify"\nmode = "shadow"\n'


def empty(number: int) -> bytes:
    return shopify_order(number, lines=())


def outcome(line: Line) -> dict[str, int]:
    return dict(line.rows("select outcome, count(*)::int from inbox group by outcome"))


def test_a_rule_is_tuned_while_orders_come(line: Line, eventually: Eventually) -> None:
    prefix = line.settings.topic_prefix
    line.send_raw(empty(1))
    eventually(lambda: outcome(line) == {"quarantined": 1}, what="the refusal as shipped")
    with pytest.raises(TuningInvalid):
        rulebook.put(line.book, prefix, "[lines_present]\nmode = 'loud'", "rosa", "a slip")
    assert rulebook.put(line.book, prefix, SHADOW, "rosa", "a pre-order shop") == 1
    number = 2

    def taken() -> bool:
        nonlocal number
        line.send_raw(empty(number))
        number += 1
        return outcome(line).get("accepted", 0) > 0

    eventually(taken, what="the rule in shadow")
    assert line.one("select max((doc->'source'->>'rules_version')::int) from orders") == 1

    line.stop("intake")
    line.start("intake")
    before = outcome(line)["accepted"]
    line.send_raw(empty(900))
    eventually(lambda: outcome(line)["accepted"] > before, what="an intake that started later judges by the same tuning")

    assert rulebook.put(line.book, prefix, rulebook.text_of(line.book, 0), "rosa", "back as shipped") == 2
    refused = outcome(line)["quarantined"]

    def back() -> bool:
        nonlocal number
        line.send_raw(empty(number))
        number += 1
        return outcome(line)["quarantined"] > refused

    eventually(back, what="the rule as shipped again")
    told = rulebook.told(line.book, 30)["lines_present"]
    assert (told.refused, told.overturned, told.precision) == (outcome(line)["quarantined"], 0, 1.0)
    assert [row[0] for row in line.rows("select author from rule_set where kind = 'intake'")] == ["rosa", "rosa"]
    assert line.findings() == ()
