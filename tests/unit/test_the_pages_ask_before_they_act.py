"""What a page asks of letters and rules: whoever lacks the right reaches neither; whoever has it acts under their own name and roles."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest

from console.access import ROLES, Action, User, can
from console.api.problems import Problem
from console.desks import Desks, no_desk
from console.letter_work import LetterWork
from console.rule_tuning import Rulebook, RuleTuning
from console.services import Services
from dlq_handler import Desk
from schemas.assertion import Actor
from schemas.failures import DependencyUnavailable
from store.claims import Claim

LETTER = UUID(int=7)
AT = datetime(2026, 11, 24, tzinfo=UTC)
ACTS: dict[str, tuple[str, ...]] = {
    "outline": (), "payload": (), "dry_run": (), "claim": (), "assign": ("otto",), "release": (), "remark": ("told", "k1"), "keep_patch": ("[]",),
    "keep_text": ("{}",), "approve": ("replay",), "replay": (), "discard": ("twice",),
}  # fmt: skip
RIGHTS: dict[str, Action] = {
    "payload": "letters.payload",
    "keep_text": "letters.payload",
    "keep_patch": "letters.repair",
    "approve": "letters.approve",
}
"""Acts that take more than working on letters."""
OLGA = User("olga", frozenset({"DLQ_Operate", "DLQ_Payload", "Order_Modify", "Order_Approve"}))


class Asked(Services):
    """The services without a book: denials go to a list."""

    def __init__(self) -> None:
        object.__setattr__(self, "denied", [])

    def audit(self, who: str, subject: str, detail: str, order_id: UUID | None = None) -> None:
        cast("Any", self).denied.append((who, subject, detail))


def act(work: LetterWork, name: str, user: User) -> object:
    method: Callable[..., object] = getattr(work, name)
    return method(user, LETTER, *ACTS[name])


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize("role", ["Order_Modify", "Order_Approve", "DLQ_Payload", "Rules_Tune", "Audit_Read"])
def test_without_the_right_no_desk_is_reached_and_that_is_remembered(name: str, role: str) -> None:
    services = Asked()
    work = LetterWork(services, Desks(lambda: pytest.fail("nobody works here")))
    with pytest.raises(Problem, match="takes the role DLQ_Operate"):
        act(work, name, User("ana", frozenset({role})))
    right = RIGHTS.get(name, "letters.work")
    assert [("ana", f"letter {LETTER}", f"role_missing {right}")] == cast("Any", services).denied


class Recorder:
    """A desk that remembers what it was asked, and answers every act with a claim."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    def __getattr__(self, _name: str) -> Callable[..., Claim]:
        def answer(*arguments: object) -> Claim:
            self.asked.append(arguments)
            return Claim(UUID(int=1), LETTER, "olga", 1, AT, AT)

        return answer


BULKS: dict[str, tuple[Any, ...]] = {"prepare": ("cause", None), "progress": (), "approve_bulk": (), "run": (), "start": (), "pause": ()}


@pytest.mark.parametrize("name", BULKS)
def test_a_bulk_replay_takes_the_right_too(name: str) -> None:
    work = LetterWork(Asked(), Desks(lambda: pytest.fail("nobody works here")))
    with pytest.raises(Problem, match="takes the role DLQ_Operate"):
        getattr(work, name)(User("ana", frozenset({"Order_Modify", "Order_Approve"})), LETTER, *BULKS[name])


@pytest.mark.parametrize(("name", "more"), [("payload", "DLQ_Payload"), ("keep_patch", "Order_Modify"), ("approve", "Order_Approve")])
def test_whoever_works_on_letters_may_not_do_everything_with_them(name: str, more: str) -> None:
    work = LetterWork(Asked(), Desks(lambda: pytest.fail("nobody works here")))
    with pytest.raises(Problem, match=f"takes the role DLQ_Operate with {more}"):
        act(work, name, User("olga", frozenset({"DLQ_Operate"})))
    with pytest.raises(Problem, match="DLQ_Operate"):
        act(work, name, User("olga", frozenset({more})))


def test_long_work_is_asked_to_pause_when_the_process_ends() -> None:
    desks = Desks(lambda: cast("Desk", Recorder()))
    with desks.own() as (_, stop):
        assert not stop.is_set()
        desks.close()
        assert stop.is_set()


@pytest.mark.parametrize("name", ACTS)
def test_an_act_is_the_desks_own_under_the_persons_name(name: str) -> None:
    desk = Recorder()
    act(LetterWork(Asked(), Desks(lambda: cast("Desk", desk))), name, OLGA)
    assert [(LETTER, Actor("olga", OLGA.roles, "console"), *ACTS[name])] == desk.asked


def test_seeing_a_payload_is_a_right_of_its_own() -> None:
    assert can("letters.read", frozenset({"Audit_Read"}))
    assert not can("letters.payload", frozenset({"Audit_Read"}))
    assert not can("letters.work", frozenset({"Audit_Read"}))


def test_without_a_desk_acting_says_so() -> None:
    with pytest.raises(DependencyUnavailable, match="without a desk"):
        act(LetterWork(Asked(), Desks(no_desk)), "claim", OLGA)


class Book:
    """A rulebook that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    def tune(self, *arguments: object) -> int:
        self.asked.append(arguments)
        return 4

    revert = tune


def tuning(services: Services, book: Book | None) -> RuleTuning:
    return RuleTuning(services, cast("Rulebook | None", book))


@pytest.mark.parametrize("role", [role for role in ROLES if role != "Rules_Tune"])
def test_rules_are_shown_to_everybody_and_tuned_by_one_role(role: str) -> None:
    services, book, ana = Asked(), Book(), User("ana", frozenset({role}))
    assert can("rules.read", ana.roles)
    with pytest.raises(Problem, match="takes the role Rules_Tune"):
        tuning(services, book).tune(ana, "lines_present", "warn", (None, None, None), "too strict")
    with pytest.raises(Problem, match="takes the role Rules_Tune"):
        tuning(services, book).revert(ana, 0, "too lax")
    assert [] == book.asked
    assert ["rule lines_present", "rules version 0"] == [subject for _, subject, _ in cast("Any", services).denied]


def test_who_tunes_is_named_in_the_version() -> None:
    rosa, book = User("rosa", frozenset({"Rules_Tune"})), Book()
    assert 4 == tuning(Asked(), book).tune(rosa, "lines_present", None, ("ebay", None, None), "why")
    assert 4 == tuning(Asked(), book).revert(rosa, 2, "why")
    assert 4 == tuning(Asked(), book).revert(rosa, 2, "why", 7)
    assert [
        ("lines_present", None, ("ebay", None, None), "rosa", "why", None),
        (2, "rosa", "why", None),
        (2, "rosa", "why", 7),
    ] == book.asked
    with pytest.raises(DependencyUnavailable, match="without a rulebook"):
        tuning(Asked(), None).rules()
