"""Dead letters as work: claimed by one, repaired as a patch, rehearsed, approved by another, sent back once, in place."""

import contextlib
import json
import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from dlq_handler.desk import ApprovalNeeded, Desk, DeskRefused, LetterTaken, NotPermitted
from dlq_handler.patch import PatchRefused
from dlq_handler.repair import FieldLocked
from modification_processor.trial import DryRunKills
from ordermend import bootstrap
from ordermend.serving import Running
from schemas.assertion import Actor
from schemas.failures import OrdermendError, SameIdOtherContent
from schemas.order import Order
from telemetry.health import Health
from tests.conftest import Eventually
from tests.line import Line, shopify_order

OPERATE = frozenset({"DLQ_Operate", "DLQ_Payload"})
REPAIR = OPERATE | {"Order_Modify"}
OLGA = Actor("olga", REPAIR, "test")
OTTO = Actor("otto", REPAIR | {"Order_Approve"}, "test")


class Broken:
    """Fails tickets by name until mended; any final failure will do."""

    def __init__(self) -> None:
        self.tickets: set[UUID] = set()

    def __call__(self, step: str) -> None:
        if step.startswith("decide ticket:") and UUID(step.removeprefix("decide ticket:")) in self.tickets:
            raise SameIdOtherContent


@pytest.fixture
def broken(still_line: Line) -> Broken:
    """The line, with a processor that fails the tickets named."""
    faults = Broken()
    app = bootstrap.processor_app(still_line.settings, Health(), faultpoint=faults)
    still_line.services["processor"] = Running({"processor": app.run})
    still_line.start("intake", "relay", "retrier")
    return faults


@pytest.fixture
def desk(still_line: Line) -> Any:
    at = bootstrap.desk(still_line.settings)
    yield at
    at.close()


def a_dead_ticket(line: Line, eventually: Eventually, broken: Broken, number: int, quantity: int = 3) -> tuple[Order, UUID, UUID]:
    """Return an order, its dead ticket and the ticket that waits behind it."""
    order = line.state_order(shopify_order(number))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    failing, first = uuid4(), order.lines[0].line_id
    broken.tickets.add(failing)
    line.ticket(order.order_id, ("change_quantity", {"line_id": first, "quantity": quantity}), ticket_id=failing)
    follower = line.ticket(order.order_id, ("change_quantity", {"line_id": first, "quantity": 7}))
    eventually(lambda: line.state(failing) == "dead", what="the dead letter")
    eventually(lambda: line.state(follower) == "waiting", what="its follower waiting")
    return order, failing, follower


def letter_of(line: Line, ticket_id: UUID) -> UUID:
    found: UUID = line.one("select letter_id from dead_letter where message_id = %s", f"ticket:{ticket_id}")
    return found


def fix(quantity: int) -> str:
    return json.dumps([{"op": "replace", "path": "/operations/0/arguments/quantity", "value": quantity}])


def outcomes(acts: list[Callable[[], object]]) -> list[object]:
    """Run all at once; return what each answered or raised."""
    start = threading.Barrier(len(acts))

    def one(act: Callable[[], object]) -> object:
        start.wait()
        try:
            return act()
        except LetterTaken as taken:
            return taken

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(one, acts))


ROUNDS = int(os.environ.get("ORDERMEND_ROUNDS", "3"))
"""How many letters fifty clients want at once, one after the other: 1,000 in the long form."""


@pytest.mark.timeout(300 + 5 * ROUNDS)
def test_letter_after_letter_one_of_fifty_clients_wins(still_line: Line, eventually: Eventually, broken: Broken) -> None:
    line = still_line
    orders = [line.state_order(shopify_order(5500 + number)) for number in range(ROUNDS)]
    eventually(lambda: line.one("select count(*) from orders") == ROUNDS, 60 + ROUNDS / 10, what="the orders in the book")
    failing = {uuid4(): order for order in orders}
    broken.tickets |= failing.keys()
    for ticket_id, order in failing.items():
        line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 3}), ticket_id=ticket_id)
    dead = "select count(*) from ticket where state = 'dead'"
    eventually(lambda: line.one(dead) == ROUNDS, 60 + ROUNDS, what="every letter dead")
    broken.tickets.clear()
    letters = [letter_of(line, ticket_id) for ticket_id in failing]
    desks = [bootstrap.desk(line.settings) for _ in range(50)]
    people = [Actor(f"operator-{n}", OPERATE, "test") for n in range(50)]
    winners = []
    try:
        for letter in letters:
            answers = outcomes([lambda one=one, who=who: one.replay(letter, who) for one, who in zip(desks, people, strict=True)])  # type: ignore[misc]  # noqa: B023 -- called at once
            won = [person.user_id for person, answer in zip(people, answers, strict=True) if not isinstance(answer, LetterTaken)]
            lost = [answer for answer in answers if isinstance(answer, LetterTaken)]
            assert (1, 49) == (len(won), len(lost))
            assert all(f"by {won[0]} " in loser.message for loser in lost)
            winners += won
    finally:
        for one in desks:
            one.close()
    applied = "select count(*) from ticket where state = 'applied'"
    eventually(lambda: line.one(applied) == ROUNDS, 60 + ROUNDS, what="every ticket applied")
    replayed = line.rows("select actor from audit where action = 'letter_replayed' order by at")
    assert winners == [actor for (actor,) in replayed]
    assert ROUNDS == line.one("select count(*) from history where path like '/lines/%%/ordered'")
    assert () == line.findings()


@pytest.mark.parametrize("act", ["claim", "replay"])
def test_of_fifty_clients_one_wins_and_the_others_are_told_who(still_line: Line, eventually: Eventually, broken: Broken, act: str) -> None:
    line = still_line
    _, failing, follower = a_dead_ticket(line, eventually, broken, 5100)
    letter = letter_of(line, failing)
    broken.tickets.clear()
    desks = [bootstrap.desk(line.settings) for _ in range(50)]
    people = [Actor(f"operator-{n}", OPERATE, "test") for n in range(50)]
    try:
        answers = outcomes([lambda one=one, who=who: getattr(one, act)(letter, who) for one, who in zip(desks, people, strict=True)])  # type: ignore[misc]  # bound now, not later
    finally:
        for one in desks:
            one.close()
    winners = [person.user_id for person, answer in zip(people, answers, strict=True) if not isinstance(answer, LetterTaken)]
    losers = [answer for answer in answers if isinstance(answer, LetterTaken)]
    assert (1, 49) == (len(winners), len(losers))
    assert all(f"by {winners[0]} " in loser.message for loser in losers)
    if act == "claim":
        assert [(winners[0],)] == line.rows("select actor from edit_claim")
        return
    eventually(lambda: line.state(follower) == "applied", what="the follower applied")
    assert [3, 7] == [int(bytes(new)) for (new,) in line.rows("select new from history where path like '/lines/%%/ordered' order by seq")]
    assert [(winners[0],)] == line.rows("select actor from audit where action = 'letter_replayed'")
    assert () == line.findings()


def test_the_same_act_twice_is_done_once(still_line: Line, eventually: Eventually, broken: Broken, desk: Desk) -> None:
    line = still_line
    _, failing, follower = a_dead_ticket(line, eventually, broken, 5101)
    letter = letter_of(line, failing)
    assert desk.claim(letter, OLGA).claimed_at == desk.claim(letter, OLGA).claimed_at
    assert desk.edit(letter, OLGA, fix(4))[:4] == desk.edit(letter, OLGA, fix(4))[:4]
    broken.tickets.clear()
    assert desk.replay(letter, OLGA) == desk.replay(letter, OLGA)
    eventually(lambda: line.state(follower) == "applied", what="the follower applied")
    assert desk.replay(letter, OLGA)
    with pytest.raises(LetterTaken, match="replayed by olga"):
        desk.replay(letter, OTTO)
    acts = line.rows("select action, count(*) from audit where action like 'letter%%' group by action order by action")
    assert [("letter_claimed", 1), ("letter_edited", 1), ("letter_replayed", 1)] == acts
    assert () == line.findings()


def test_a_patched_message_is_the_operators_act_and_does_what_the_dry_run_said(
    still_line: Line, eventually: Eventually, broken: Broken, desk: Desk
) -> None:
    line = still_line
    order, failing, follower = a_dead_ticket(line, eventually, broken, 5102, quantity=-3)
    letter = letter_of(line, failing)
    broken.tickets.clear()
    as_it_is = desk.dry_run(letter, OLGA)
    assert ["refused", "applied"] == [step.outcome for step in as_it_is.steps]
    desk.edit(letter, OLGA, fix(5))

    tables = ("orders", "history", "outbox", "ticket", "parked", "lane", "order_head", "inbox", "dead_letter", "audit", "work_item")
    before = {table: line.rows(f"select * from {table}") for table in tables}
    said = desk.dry_run(letter, OLGA)
    assert before == {table: line.rows(f"select * from {table}") for table in tables}
    assert [f"ticket:{failing}", f"ticket:{follower}"] == [step.message_id for step in said.steps]
    assert [3000, 2000] == [step.money_delta_minor for step in said.steps]

    desk.replay(letter, OLGA)
    eventually(lambda: line.state(follower) == "applied", what="the follower applied")
    did = line.rows(
        "select i.outcome, t.new_version, t.money_delta_minor from ticket t join inbox i on i.message_id = 'ticket:' || t.ticket_id order by i.off"
    )
    assert [(step.outcome, step.version, step.money_delta_minor) for step in said.steps] == did
    told = [(change.path, change.old, change.new) for step in said.steps for change in step.changes]
    history = line.rows("select path, old, new from history where not sealed order by seq")
    assert told == [(path, old and bytes(old).decode(), new and bytes(new).decode()) for path, old, new in history]

    assert [("olga", "ana")] == line.rows("select distinct user_id, on_behalf_of from history where version = 2")
    assert [("olga", "letters", "ana")] == line.rows("select user_id, door, on_behalf_of from ticket where ticket_id = %s", failing)
    assert 5 == json.loads(line.one("select new from history where path like '/lines/%%/ordered' order by seq limit 1"))
    eventually(lambda: line.one("select outcome from repair") == "applied", what="the repair's outcome")
    assert [("olga", "IDEMPOTENCY_CONFLICT")] == line.rows("select actor, error_class from repair")
    assert 0 == line.one("select count(*) from edit_claim")
    assert order.order_id == line.one("select order_id from repair")
    assert () == line.findings()


def test_a_dry_run_of_what_kills_ends_no_console(still_line: Line, eventually: Eventually, broken: Broken) -> None:
    line = still_line
    fatal, fine = (letter_of(line, a_dead_ticket(line, eventually, broken, number)[1]) for number in (9150, 9151))
    killer = line.one("select message_id from dead_letter where letter_id = %s", fatal)
    broken.tickets.clear()
    armed = line.settings.model_copy(update={"failpoints": f"decide[{killer}]=exit%100"})
    dry_runs = bootstrap.dry_runs(armed)
    with contextlib.closing(bootstrap.desk(line.settings, dry_runs.check)) as at, contextlib.closing(dry_runs):
        with pytest.raises(DryRunKills, match="signal 9"):
            at.dry_run(fatal, OLGA)
        assert ["applied", "applied"] == [step.outcome for step in at.dry_run(fine, OLGA).steps]
    assert () == line.findings()


def test_roles_locked_fields_and_other_peoples_claims_are_held(
    still_line: Line, eventually: Eventually, broken: Broken, desk: Desk
) -> None:
    line = still_line
    _, failing, _ = a_dead_ticket(line, eventually, broken, 5103)
    letter = letter_of(line, failing)
    agent, operator = Actor("ana", frozenset({"Order_Modify"}), "test"), Actor("odo", OPERATE, "test")
    for act in (desk.claim, desk.replay, desk.dry_run, desk.view, desk.release):
        with pytest.raises(NotPermitted, match="ana lacks the role DLQ_Operate"):
            act(letter, agent)
    with pytest.raises(NotPermitted, match="odo lacks the role Order_Modify"):
        desk.edit(letter, operator, fix(4))
    assert 6 == line.one("select count(*) from audit where action = 'letter_act_refused'")
    desk.claim(letter, OLGA)
    for act in (desk.claim, desk.replay, desk.release):
        with pytest.raises(LetterTaken, match="claimed by olga"):
            act(letter, OTTO)
    with pytest.raises(FieldLocked, match="/ticket_id"):
        desk.edit(letter, OLGA, json.dumps([{"op": "replace", "path": "/ticket_id", "value": str(uuid4())}]))
    # An abandoned claim expires, and its patch with it.
    desk.edit(letter, OLGA, fix(4))
    line.book.execute("update edit_claim set expires_at = now() - interval '1 second'")
    assert "otto" == desk.claim(letter, OTTO).actor
    assert 0 == line.one("select count(*) from edit_claim where patch_sealed is not null")
    assert "released" == desk.release(letter, OTTO)


def test_a_payload_is_hidden_until_somebody_asks_and_edited_text_becomes_the_patch(
    still_line: Line, eventually: Eventually, broken: Broken, desk: Desk
) -> None:
    line = still_line
    _, failing, _ = a_dead_ticket(line, eventually, broken, 5107, quantity=-3)
    letter = letter_of(line, failing)
    hidden = desk.outline(letter, OLGA)
    assert '"quantity": "•••"' in hidden
    assert "-3" not in hidden
    assert [] == line.rows("select action from audit where action = 'letter_payload_viewed'")
    seen = desk.view(letter, OLGA)
    assert [("olga", str(letter))] == line.rows("select actor, subject from audit where action = 'letter_payload_viewed'")
    desk.edit_text(letter, OLGA, seen.text.replace('"quantity": -3', '"quantity": 4'))
    assert json.loads(fix(4)) == json.loads(desk.view(letter, OLGA).patch or "")
    with pytest.raises(FieldLocked, match="/ticket_id"):
        desk.edit_text(letter, OLGA, seen.text.replace(str(failing), str(uuid4())))
    with pytest.raises(PatchRefused, match="no JSON"):
        desk.edit_text(letter, OLGA, "{")


def test_a_letter_is_handed_to_somebody_without_ones_own_patch_and_notes_stay(
    still_line: Line, eventually: Eventually, broken: Broken, desk: Desk
) -> None:
    line = still_line
    _, failing, _ = a_dead_ticket(line, eventually, broken, 5108)
    letter = letter_of(line, failing)
    desk.edit(letter, OLGA, fix(4))
    assert "otto" == desk.assign(letter, OLGA, " otto ").actor
    assert desk.view(letter, OTTO).patch is None
    with pytest.raises(LetterTaken, match="claimed by otto"):
        desk.assign(letter, OLGA, "olga")
    for name in (" ", "x" * 201):
        with pytest.raises(DeskRefused, match="by a name"):
            desk.assign(letter, OTTO, name)
    desk.remark(letter, OLGA, "the shop was told")
    desk.discard(letter, OTTO, "asked twice")
    desk.remark(letter, OLGA, "the shop answered")
    with pytest.raises(DeskRefused, match="a note has"):
        desk.remark(letter, OLGA, " ")
    with pytest.raises(NotPermitted):
        desk.remark(letter, Actor("ana", frozenset({"Order_Modify"}), "test"), "hello")
    log = line.rows("select actor, action, detail from audit where action in ('letter_assigned', 'letter_noted') order by at")
    assert [
        ("olga", "letter_assigned", "otto"),
        ("olga", "letter_noted", "the shop was told"),
        ("olga", "letter_noted", "the shop answered"),
    ] == log


def test_large_repairs_and_urgent_letters_take_a_second_person(
    still_line: Line, eventually: Eventually, broken: Broken, desk: Desk
) -> None:
    line = still_line
    _, failing, _ = a_dead_ticket(line, eventually, broken, 5104)
    letter = letter_of(line, failing)
    broken.tickets.clear()
    desk.edit(letter, OLGA, fix(50))
    with pytest.raises(ApprovalNeeded, match=r"four_eyes\.money"):
        desk.replay(letter, OLGA)
    with pytest.raises(DeskRefused, match="their own"):
        desk.approve(letter, Actor("olga", OTTO.roles, "test"))
    with pytest.raises(DeskRefused, match="their own"):
        desk.approve(letter, Actor("ana", OTTO.roles, "test"))
    assert desk.dry_run(letter, OLGA) == desk.dry_run(letter, OTTO), "the second person sees what is proposed"
    assert fix(50) == desk.view(letter, OTTO).patch
    desk.approve(letter, OTTO)
    # Another patch than was approved is not approved.
    desk.edit(letter, OLGA, fix(49))
    with pytest.raises(ApprovalNeeded):
        desk.replay(letter, OLGA)
    desk.approve(letter, OTTO)
    # Nor is the same patch once it would do something else: the channel has changed the order meanwhile.
    lines = (("SKU-A", 3, "10.00"), ("SKU-B", 1, "5.50"))
    line.state_order(shopify_order(5104, lines=lines, updated="2026-11-09T10:00:00Z"))
    eventually(lambda: line.one("select version from orders where order_number = '#5104'") == 2, what="the order restated")
    with pytest.raises(ApprovalNeeded):
        desk.replay(letter, OLGA)
    desk.approve(letter, OTTO)
    desk.replay(letter, OLGA)
    eventually(lambda: line.one("select approved_by from repair") == "otto", what="the repair with its approver")
    eventually(lambda: line.state(failing) == "applied", what="the repaired ticket applied")

    _, urgent, _ = a_dead_ticket(line, eventually, broken, 5105)
    other = letter_of(line, urgent)
    line.book.execute("update dead_letter set score = 90, scored_at = now() where letter_id = %s", (other,))
    with pytest.raises(ApprovalNeeded, match=r"four_eyes\.score"):
        desk.replay(other, OLGA)


def test_a_discard_has_a_reason_and_frees_the_followers(still_line: Line, eventually: Eventually, broken: Broken, desk: Desk) -> None:
    line = still_line
    _, failing, follower = a_dead_ticket(line, eventually, broken, 5106)
    letter = letter_of(line, failing)
    with pytest.raises(DeskRefused, match="reason"):
        desk.discard(letter, OLGA, " ")
    assert desk.discard(letter, OLGA, "asked twice") == desk.discard(letter, OLGA, "asked twice")
    eventually(lambda: line.state(follower) == "applied", what="the follower applied")
    assert "cancelled" == line.state(failing)
    assert [("discarded",)] == line.rows("select status from dead_letter")
    assert [("asked twice",)] == line.rows("select detail from audit where action = 'letter_discarded'")
    assert () == line.findings()


def test_a_repaired_document_is_normalised_again(line: Line, eventually: Eventually) -> None:
    """An intake letter: its bytes are patched, the dry run normalises them, the replay puts them on the raw topic again."""
    good = shopify_order(5200)
    line.send_raw(good[:-1], key=b"5200", headers={"x-shopify-topic": "orders/create"})
    eventually(lambda: line.one("select count(*) from dead_letter") == 1, what="the letter")
    letter = line.one("select letter_id from dead_letter")
    at = bootstrap.desk(line.settings)
    try:
        assert ["dead"] == [step.outcome for step in at.dry_run(letter, OLGA).steps]
        at.edit(letter, OLGA, json.dumps([{"op": "replace", "path": "/body", "value": good.decode()}]))
        said = at.dry_run(letter, OLGA)
        assert [("accepted", 1, 2550)] == [(step.outcome, step.version, step.money_delta_minor) for step in said.steps]
        at.replay(letter, OLGA)
    finally:
        at.close()
    eventually(lambda: line.one("select count(*) from orders") == 1, what="the order in the book")
    eventually(lambda: line.one("select outcome from repair") == "accepted", what="the repair's outcome")
    assert [("resent",)] == line.rows("select status from dead_letter")
    assert 0 == line.one("select count(*) from lane")
    assert () == line.findings()


def test_a_letter_nobody_answers_for_can_only_be_discarded(line: Line, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(5300))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    line.door = line.warehouse
    line.ticket(order.order_id, ("set_contact", {"email": "thief@example.com"}))
    eventually(lambda: line.one("select count(*) from dead_letter where error_class = 'AUTHZ'") == 1, what="the letter")
    letter, at = line.one("select letter_id from dead_letter"), bootstrap.desk(line.settings)
    try:
        for act in (at.dry_run, at.replay):
            with pytest.raises(OrdermendError, match="sender has to send it again"):
                act(letter, OLGA)
        with pytest.raises(DeskRefused, match="sender has to send it again"):
            at.edit(letter, OLGA, fix(1))
        at.discard(letter, OLGA, "not ours")
    finally:
        at.close()
    assert [("discarded",)] == line.rows("select status from dead_letter")
    assert () == line.findings()


def test_desk_retry_and_live_arrivals_at_once_leave_one_history(still_line: Line, eventually: Eventually, broken: Broken) -> None:
    """Six operators act at random on the letters of four orders while new edits of them arrive: each edit has one fate, in order."""
    line, noise = still_line, random.Random(20261124)
    orders = [line.state_order(shopify_order(5400 + n)) for n in range(4)]
    eventually(lambda: line.one("select count(*) from orders") == 4, what="the orders in the book")
    tickets: list[UUID] = []
    for round_ in range(12):
        for order in orders:
            ticket = uuid4()
            if noise.random() < 0.4:
                broken.tickets.add(ticket)
            tickets.append(ticket)
            line.ticket(order.order_id, ("change_quantity", {"line_id": order.lines[0].line_id, "quantity": 10 + round_}), ticket_id=ticket)
    eventually(lambda: line.one("select count(*) from ticket") == len(tickets), what="every ticket received")
    ended = threading.Event()

    def nothing_waits() -> bool:
        # An operator who walked away: claims of half a second ago are free again.
        line.book.execute("update edit_claim set expires_at = now() where claimed_at < now() - interval '0.5 seconds'")
        return line.rows("select count(*) from ticket where state in ('waiting', 'dead')") == [(0,)]

    with ThreadPoolExecutor(6) as pool:
        working = [pool.submit(operate, line, f"operator-{n}", ended) for n in range(6)]
        try:
            eventually(nothing_waits, 60, what="every ticket decided")
        finally:
            ended.set()
        for one in working:
            one.result()
    states = dict(line.rows("select state, count(*) from ticket group by state"))
    assert len(tickets) == sum(states.values())
    assert {"applied", "cancelled"} >= set(states)
    for order in orders:
        steps = [int(bytes(new)) for (new,) in line.rows(
            "select new from history where order_id = %s and path like '/lines/%%/ordered' order by seq", order.order_id
        )]  # fmt: skip
        assert sorted(steps) == steps, "the edits of an order were applied out of order"
    assert 0 == line.one("select count(*) from lane")
    assert () == line.findings()


def operate(line: Line, name: str, ended: threading.Event) -> None:
    """Act at random on random letters until told to stop."""
    at, mine, who = bootstrap.desk(line.settings), random.Random(name), Actor(name, OTTO.roles, "test")

    def discard(letter: UUID, actor: Actor) -> str:
        return at.discard(letter, actor, "race")

    acts: list[Callable[[UUID, Actor], object]] = [at.claim, at.dry_run, at.replay, at.release, discard]
    while not ended.is_set():
        found = line_rows(line, "select letter_id from dead_letter where status = 'unresolved'")
        if not found:
            ended.wait(0.02)
            continue
        with contextlib.suppress(DeskRefused, LetterTaken):
            mine.choice(acts)(mine.choice(found)[0], who)
    at.close()


def line_rows(line: Line, query: str) -> list[tuple[Any, ...]]:
    """Read the book over a connection of the thread's own."""
    with bootstrap.connector(line.settings, "reader")() as connection:
        return connection.execute(query).fetchall()
