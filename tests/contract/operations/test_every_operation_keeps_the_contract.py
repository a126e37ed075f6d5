"""What every operation keeps, whoever adds one: its file, and `tests/fixtures/operations/<name>.json` as its example."""

import json
import re
import sys
from dataclasses import replace
from typing import get_args

import pytest
from pydantic import ValidationError

from modification_processor.field_locks import default_locks
from modification_processor.operations import discover
from modification_processor.operations.operation import MoneyEffect, Needs, OperationSpec
from modification_processor.operations.rows import resolved_path
from modification_processor.totals import recalculate
from normalizers.channel import Verb
from schemas.leaves import SETS, changed_leaves
from schemas.model import Model
from schemas.order import Order
from schemas.ticket import REASON_CODES
from tests.contract.operations.subjects import (
    knowing,
    order,
    refusal,
    sample,
    subject,
)
from tests.unit.strategies import context, undo

PLAIN = ("contact", "ship_to", "bill_to", "delivery_window", "ship_method", "payment_method", "note", "tags", "lifecycle")
DERIVED = re.compile(r"/taxes/|/adjustments/[^/]+/allocations/|/lines/[^/]+/gross_|/totals/")


@pytest.fixture(params=list(discover().values()), ids=list(discover()))
def spec(request: pytest.FixtureRequest) -> OperationSpec:
    found: OperationSpec = request.param
    return found


class TestEveryOperation:
    def test_declares_everything(self, spec: OperationSpec) -> None:
        module = sys.modules[spec.apply.__module__]
        assert module.__name__.rsplit(".", 1)[1] == spec.name
        assert module.__doc__
        assert spec.version >= 1
        assert issubclass(spec.arguments, Model)
        assert spec.reasons
        assert spec.reasons <= set(REASON_CODES)
        assert spec.money in get_args(MoneyEffect)
        assert spec.verb is None or spec.verb in Verb
        assert isinstance(spec.needs(sample(spec)), Needs)

    def test_reads_back_its_own_arguments_and_refuses_unknown_ones(self, spec: OperationSpec) -> None:
        arguments = sample(spec)
        assert arguments == spec.arguments.model_validate_json(arguments.model_dump_json())
        assert arguments == spec.arguments.model_validate_json(arguments.model_dump_json(exclude_defaults=True))
        with pytest.raises(ValidationError):
            spec.arguments.model_validate_json(json.dumps(arguments.model_dump(mode="json") | {"surprise": 1}))

    def test_is_pure(self, spec: OperationSpec) -> None:
        before = subject(spec)
        text = before.model_dump_json()
        after = spec.apply(before, sample(spec), knowing())
        assert after is not before
        assert after == spec.apply(before, sample(spec), knowing())
        assert text == before.model_dump_json()

    def test_leaves_a_valid_order(self, spec: OperationSpec) -> None:
        after = recalculate(spec.apply(subject(spec), sample(spec), knowing()))
        assert after == Order.model_validate_json(after.model_dump_json())

    def test_writes_only_what_it_says(self, spec: OperationSpec) -> None:
        before = subject(spec)
        paths = [resolved_path(touch.path, knowing()) for touch in spec.touches(before, sample(spec))]
        changed = [leaf.path for leaf in changed_leaves(before, spec.apply(before, sample(spec), knowing()))]
        assert changed
        assert [path for path in changed if not _under(path, paths) and not DERIVED.match(path)] == []
        assert [path for path in paths if not any(_under(leaf, [path]) for leaf in changed)] == []

    def test_changes_no_money_unless_it_says_so(self, spec: OperationSpec) -> None:
        before = subject(spec)
        after = recalculate(spec.apply(before, sample(spec), knowing()))
        if spec.money == "none":
            assert (before.lines, before.adjustments, before.taxes, before.totals) == (
                after.lines,
                after.adjustments,
                after.taxes,
                after.totals,
            )

    def test_touches_known_lock_classes_and_reads_nothing_derived(self, spec: OperationSpec) -> None:
        touches = spec.touches(order(), sample(spec))
        assert touches
        assert all(touch.field_class in default_locks().labels for touch in touches)
        assert all(path.startswith("/") and not path.startswith("/totals") for path in spec.reads(order(), sample(spec)))

    def test_is_undone_by_its_inverse(self, spec: OperationSpec) -> None:
        before = subject(spec)
        operations = spec.inverse(before, sample(spec), context())
        back = undo(recalculate(spec.apply(before, sample(spec), knowing())), operations, before)
        if operations:
            assert before.totals == back.totals
            assert before.lines == back.lines[: len(before.lines)]
            assert all(line.open == 0 for line in back.lines[len(before.lines) :])
            assert {name: getattr(before, name) for name in PLAIN} == {name: getattr(back, name) for name in PLAIN}
            assert [(row.kind, row.label, row.amount_minor) for row in before.adjustments] == [
                (row.kind, row.label, row.amount_minor) for row in back.adjustments
            ]
            assert before.taxes == back.taxes[: len(before.taxes)]
            assert [(row.kind, row.reason) for row in before.holds] == [(row.kind, row.reason) for row in back.holds]
        else:
            assert (spec.inverse.__doc__ or "").startswith("None")

    def test_refuses_an_unknown_line_and_can_still_be_asked_about_it(self, spec: OperationSpec) -> None:
        if "line_id" not in spec.arguments.model_fields:
            return
        arguments = sample(spec).model_copy(update={"line_id": "L99"})
        assert spec.touches(order(), arguments)
        assert refusal(order(), spec.name, arguments.model_dump()) == "unknown_line"

    def test_has_new_rows_only_under_ids_of_its_own(self, spec: OperationSpec) -> None:
        one, two = (spec.apply(subject(spec), sample(spec), replace(knowing(), op_index=index)) for index in (0, 1))
        known = (
            {row.line_id for row in order().lines}
            | {row.adjustment_id for row in order().adjustments}
            | {row.tax_id for row in order().taxes}
        )
        new = [
            {row.line_id for row in o.lines} | {row.adjustment_id for row in o.adjustments} | {row.tax_id for row in o.taxes}
            for o in (one, two)
        ]
        assert not (new[0] - known) & (new[1] - known)


def _under(path: str, paths: list[str]) -> bool:
    """Whether a leaf is one that was named, or below one, or the set of one."""
    return any(path == other or path.startswith(f"{other}/") or (path in SETS and other.startswith(f"{path}/")) for other in paths)
