"""A judge that never finds anything proves nothing: each kind of violation is planted into a clean history, and found."""

import ast
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.faults import checker
from tests.faults.checker import KINDS, Edit, Row, Seen, Sent, Stored, check

FIRST, SECOND = "6f1d0a5e-8c3b-5e57-9c0e-0d6a2b7f4c11", "6f1d0a5e-8c3b-5e57-9c0e-0d6a2b7f4c12"
ORIGIN = sha256(b"as placed").digest()
TOPIC = "orders.modifications.v1"
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


def chained(order: str, quantities: list[int], cause: str = "ticket:t") -> list[Row]:
    """Rows as the product writes them; the hash is spelled out as docs/architecture.md says."""
    rows: list[Row] = []
    previous = ORIGIN
    for seq, quantity in enumerate(quantities, start=1):
        new = str(quantity).encode()
        fields = (
            order.replace("-", ""), seq, seq + 1, "ticket", f"{cause}{quantity}", "/lines/l1/ordered", 1, len(new), False, False,
            "ana", "Order_Modify", None, "customer_request", round(AT.timestamp() * 1_000_000),
        )  # fmt: skip
        previous = sha256(previous + orjson.dumps(fields) + b"2" + new).digest()
        rows.append(
            Row(
                seq, seq + 1, "ticket", f"{cause}{quantity}", "/lines/l1/ordered", b"2", new, False, False,
                "ana", "Order_Modify", None, "customer_request", AT, previous,
            )
        )  # fmt: skip
    return rows


def clean() -> tuple[Sent, Seen]:
    """Two orders; four edits, one of them forbidden; a fact; a document nobody can read; all as it should be."""
    sent = Sent(
        orders={FIRST: 2, SECOND: 2},
        edits={FIRST: [Edit("t3", 3, True), Edit("t4", 4, True), Edit("t5", 5, True), Edit("t6", 6, False)], SECOND: []},
        facts={"f1"},
        poison={b"broken"},
    )
    seen = Seen(
        log_ends={(TOPIC, 0): 5},
        offsets={(TOPIC, 0): 5},
        outcomes=[(TOPIC, 0, off) for off in range(5)],
        orders={FIRST: Stored(((5, 1000),), 5000), SECOND: Stored(((2, 1000),), 2000)},
        origins={FIRST: ORIGIN, SECOND: ORIGIN},
        history={FIRST: chained(FIRST, [3, 4, 5])},
        tickets={"t3": "applied", "t4": "settled", "t5": "applied", "t6": "refused"},
        facts={"f1"},
        heads={FIRST: 3, SECOND: 1},
        outbox={(FIRST, 1): b"a", (FIRST, 2): b"b", (FIRST, 3): b"c", (SECOND, 1): b"d"},
        events=[(FIRST, 1, b"a"), (SECOND, 1, b"d"), (FIRST, 2, b"b"), (FIRST, 1, b"a"), (FIRST, 2, b"b"), (FIRST, 3, b"c")],
        poison={b"broken"},
    )
    return sent, seen


Plant = Callable[[Sent, Seen], object]


def history(*quantities: int) -> Plant:
    """Return what puts another history in place, with a chain that holds."""
    return lambda _, seen: seen.history.update({FIRST: chained(FIRST, list(quantities))})


def row(**changes: Any) -> Plant:
    """Return what changes the second row of the history behind the chain's back."""
    return lambda _, seen: seen.history[FIRST].__setitem__(1, seen.history[FIRST][1]._replace(**changes))


PLANTS: list[tuple[str, Plant]] = [
    ("order_lost", lambda _, seen: seen.orders.pop(SECOND)),
    ("order_unasked", lambda sent, _: sent.orders.pop(SECOND)),
    ("edit_lost", history(3, 5)),
    ("edit_lost", lambda _, seen: seen.history.clear()),
    ("edit_lost", lambda _, seen: seen.tickets.update(t4="refused")),
    ("edit_doubled", history(3, 4, 4, 5)),
    ("edit_doubled", history(3, 4, 5, 3)),
    ("edit_reordered", history(4, 3, 5)),
    ("edit_unasked", history(3, 4, 5, 9)),
    ("forbidden_edit_applied", history(3, 4, 5, 6)),
    ("forbidden_edit_applied", lambda _, seen: seen.tickets.update(t6="applied")),
    ("ticket_without_end", lambda _, seen: seen.tickets.pop("t5")),
    ("ticket_without_end", lambda _, seen: seen.tickets.update(t5="waiting")),
    ("quantity_wrong", lambda _, seen: seen.orders.update({FIRST: Stored(((4, 1000),), 4000)})),
    ("total_wrong", lambda _, seen: seen.orders.update({FIRST: Stored(((5, 1000),), 4000)})),
    ("fact_lost", lambda _, seen: seen.facts.clear()),
    ("offset_unexplained", lambda _, seen: seen.outcomes.remove((TOPIC, 0, 3))),
    ("offset_doubled", lambda _, seen: seen.outcomes.append((TOPIC, 0, 3))),
    ("offset_beyond_log", lambda _, seen: seen.offsets.update({(TOPIC, 0): 6})),
    ("backlog_left", lambda _, seen: seen.log_ends.update({(TOPIC, 0): 6})),
    ("backlog_left", lambda _, seen: seen.log_ends.update({(TOPIC, 1): 1})),
    ("event_missing", lambda _, seen: seen.events.pop()),
    ("event_altered", lambda _, seen: seen.events.append((FIRST, 3, b"other"))),
    ("event_foreign", lambda _, seen: seen.events.append((FIRST, 4, b"e"))),
    ("event_inverted", lambda _, seen: seen.events.insert(0, seen.events.pop())),
    ("event_gap", lambda _, seen: seen.heads.update({FIRST: 4})),
    ("chain_broken", row(new=b"7")),
    ("chain_broken", row(user="eve")),
    ("chain_broken", row(hash=b"0" * 32)),
    ("chain_broken", lambda _, seen: seen.origins.clear()),
    ("chain_gap", lambda _, seen: seen.history[FIRST].pop(0)),
    ("chain_gap", lambda _, seen: seen.history[FIRST].pop(1)),
    ("poison_lost", lambda _, seen: seen.poison.clear()),
    ("poison_unasked", lambda _, seen: seen.poison.add(b"whole")),
    ("left_waiting", lambda _, seen: setattr(seen, "waiting", 1)),
]


def test_a_clean_history_is_clean() -> None:
    assert [] == check(*clean())


@pytest.mark.parametrize(("kind", "plant"), PLANTS, ids=[f"{kind} {number}" for number, (kind, _) in enumerate(PLANTS)])
def test_what_is_planted_is_found(kind: str, plant: Plant) -> None:
    sent, seen = deepcopy(clean())
    plant(sent, seen)
    assert kind in {violation.kind for violation in check(sent, seen)}


def test_every_kind_of_violation_is_planted_once() -> None:
    assert set(KINDS) == {kind for kind, _ in PLANTS}


def test_the_judge_and_its_eyes_share_no_code_with_the_product() -> None:
    folder = Path(checker.__file__).parent
    product = {
        "schemas",
        "telemetry",
        "normalizers",
        "streaming",
        "store",
        "intake",
        "modification_processor",
        "dlq_handler",
        "console",
        "ordermend",
    }
    for name in ("checker", "observer"):
        tree = ast.parse((folder / f"{name}.py").read_text())
        imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert not {module.partition(".")[0] for module in imported} & product


class Walked(dict[tuple[str, int], bytes]):
    """An outbox that counts how often it is gone through."""

    times = 0

    def __iter__(self) -> Iterator[tuple[str, int]]:
        self.times += 1
        return super().__iter__()


def test_the_outbox_is_gone_through_once_however_many_orders_there_are() -> None:
    sent, seen = clean()
    for number in range(50):
        order = f"6f1d0a5e-8c3b-5e57-9c0e-0d6a2b7f{number:04d}"
        sent.orders[order], seen.orders[order], seen.origins[order], seen.heads[order] = 2, Stored(((2, 1000),), 2000), ORIGIN, 1
        seen.outbox[order, 1] = b"x"
        seen.events.append((order, 1, b"x"))
    seen.outbox = walked = Walked(seen.outbox)
    assert [] == check(sent, seen)
    assert 1 == walked.times
