"""The bench's pure parts: its documents, its edits, its figures, and what it makes of the given scripts' output."""

import json
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from intake.accept import RawRecord, statements
from intake.rules import discover as rules
from modification_processor.edit import Edited, calls_of, edit
from modification_processor.operations.operation import Context
from modification_processor.outcomes import Refused
from normalizers import discover
from ordermend.bench import bound, function, peers, profiling, report, webhooks
from ordermend.bench.child import Job, Kind
from ordermend.bench.documents import CHANNEL, LINES, document
from ordermend.bench.failure import BenchInvalid
from ordermend.bench.processor import Measured, Run
from ordermend.bench.tickets import Planner, Seen
from schemas.order import Order
from schemas.statement import OrderStated


def stated(number: int) -> OrderStated:
    key, body = document(number)
    ((_, statement),) = statements(RawRecord("raw", 0, number, key, body, {}), discover()[CHANNEL], rules())
    assert isinstance(statement, OrderStated)
    return statement


def book(count: int) -> dict[UUID, Order]:
    found = (stated(number).order for number in range(count))
    return {order.order_id: order.model_copy(update={"lifecycle": "confirmed"}) for order in found}


def test_documents_are_compact_and_always_the_same() -> None:
    sizes = [len(document(number)[1]) for number in range(200)]
    assert document(7) == document(7)
    assert min(sizes) > 1500
    assert max(sizes) < 1900


def test_every_document_is_accepted_without_a_word() -> None:
    found = [stated(number) for number in range(200)]
    assert {("accept", ())} == {(each.verdict, each.findings) for each in found}
    assert {LINES} == {len(each.order.lines) for each in found}
    assert len(found) == len({each.order.order_id for each in found})


def test_documents_add_up() -> None:
    body = json.loads(document(3)[1])
    total = sum(Decimal(line["price"]) * line["quantity"] for line in body["line_items"])
    assert total == Decimal(body["total_price"])
    assert stated(3).order.totals.grand_total_minor == int(total * 100)


def test_the_given_function_writes_a_small_record() -> None:
    raw = document(1)[1]
    assert function.given(None) is function.small_order
    assert function.small_order(raw) == function.small_order(raw)
    assert 150 < len(function.small_order(raw)) < 300


def test_every_planned_edit_can_be_applied_in_its_turn() -> None:
    orders, versions = book(20), dict.fromkeys(book(20), 1)
    planner = Planner([Seen.of(order) for order in orders.values()])
    verbs = discover()[CHANNEL].verbs
    for ticket in planner.tickets(1000):
        calls = calls_of(ticket.operations)
        assert not isinstance(calls, Refused)
        assert versions[ticket.order_id] == ticket.base_version
        context = Context(at=ticket.opened_at, ticket_id=str(ticket.ticket_id), products={}, promotions={})
        edited = edit(orders[ticket.order_id], calls, ticket.reason_code, frozenset({"Order_Modify"}), verbs, context)
        assert isinstance(edited, Edited), edited
        assert edited.approvals == ()
        orders[ticket.order_id] = edited.order
        versions[ticket.order_id] += 1


def test_edits_are_mixed_as_promised() -> None:
    planner = Planner([Seen.of(order) for order in book(50).values()])
    names = [ticket.operations[0].name for ticket in planner.tickets(4000)]
    share = {name: names.count(name) / len(names) for name in set(names)}
    expected = {"change_quantity": 0.6, "set_ship_address": 0.1, "set_contact": 0.1, "set_delivery_window": 0.15, "place_hold": 0.05}
    assert expected == pytest.approx(share, abs=0.03)


def test_tickets_have_ids_of_their_own() -> None:
    planner = Planner([Seen.of(stated(0).order)])
    ids = [ticket.ticket_id for round_ in range(3) for ticket in planner.tickets(100 + round_)]
    assert len(ids) == len(set(ids))


def test_the_bounds_best_batch_is_read_from_its_output() -> None:
    text = "ORM per edit/s 411.2\nbatch 1 edits/s 1200\nbatch 500 edits/s 13700\nbatch 2000 edits/s 12800\nintegrity errors (0,)\n"
    assert {1: 1200.0, 500: 13700.0, 2000: 12800.0} == bound.by_size(text)
    assert bound.best(bound.by_size(text)) == 13700.0


def test_a_bound_that_says_nothing_is_no_bound() -> None:
    with pytest.raises(BenchInvalid, match="no figure"):
        bound.by_size("PostgreSQL 18.0\n")


def test_intake_figures_are_ratios_of_medians() -> None:
    rates: Mapping[Kind, list[float]] = {"bare": [100.0, 50.0, 102.0], "loop": [90.0, 95.0, 10.0], "full": [20.0, 30.0, 25.0]}
    found = report.intake_figures(rates, {"faust": [11.0, 12.4, 13.0]}, {"parse": 16.04}, messages=3)
    assert (0.9, 0.25) == (found["intake_loop_ratio"], found["intake_full_ratio"])
    assert {"faust": 12} == found["intake"]["peers_per_second"]
    assert {"bare": [100, 50, 102], "loop": [90, 95, 10], "full": [20, 30, 25]} == found["intake"]["runs"]
    assert (100, {"parse": 16.0}, 3) == (found["intake"]["bare_per_second"], found["intake"]["stages_us"], found["intake"]["messages"])


def test_a_load_of_the_door_is_summed_up() -> None:
    level = webhooks.Level(4, 2.0, [float(taken) for taken in range(1, 101)], Counter({202: 100, 429: 25}))
    assert level.figures() == {
        "connections": 4, "taken_per_second": 50, "answered_per_second": 62, "p50_ms": 50.5, "p95_ms": 96.0, "p99_ms": 100.0,
        "told_to_come_again": 0.2,
    }  # fmt: skip


def test_an_order_has_as_many_lines_as_it_is_asked_for() -> None:
    for lines in (1, 60):
        ((_, statement),) = statements(RawRecord("raw", 0, 1, *document(1, lines), {}), discover()[CHANNEL], rules())
        assert isinstance(statement, OrderStated)
        assert (lines, "accept") == (len(statement.order.lines), statement.verdict)


def test_a_peer_without_an_environment_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "faust_app.py").touch()
    assert peers.at_hand(None) == peers.at_hand(tmp_path) == ()
    python = tmp_path / ".venvs" / "faust" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert peers.at_hand(tmp_path) == ("faust",)


def test_processor_figures_take_the_bounds_best_batch() -> None:
    runs = [Run(rate, {"load": rate / 10}, {"relay": 20.0}) for rate in (4000.0, 5000.0, 3000.0)]
    two = [Run(rate * 1.5, {"load": rate / 8}, {"relay": 20.0}) for rate in (4000.0, 5000.0, 3000.0)]
    measured = Measured(runs, two, [{50: 9000.0, 500: 10_000.0}] * 3)
    found = report.processor_figures(measured, Run(900.0, {}, {}), {"verify": 30.04}, verify={"findings": 0})
    assert (0.4, 0.6) == (found["processor_ratio"], found["processor_ratio_of_two"])
    part = found["processor"]
    assert (4000, 10_000, 900) == (part["edits_per_second"], part["bound_edits_per_second"], part["orders_accepted_per_second"])
    assert ({"load": 400.0}, {"verify": 30.0}) == (part["stages_us"], part["read_alone_us"])


def test_a_job_survives_its_way_to_the_child(tmp_path: Path) -> None:
    job = Job("full", "source", "out", 10, None, str(tmp_path))
    assert job == Job(**json.loads(job.text()))
    assert tmp_path / "intake.prof" == job.profile_file("intake")
    assert Job("bare").profile_file("intake") is None


def test_a_profile_is_kept_and_read_back(tmp_path: Path) -> None:
    file = tmp_path / "some/folder/mine.prof"
    with profiling.profiled(file):
        sorted(range(1000), key=str)
    assert "{built-in method builtins.sorted}" in profiling.top(file)
    with profiling.profiled(None):
        pass
