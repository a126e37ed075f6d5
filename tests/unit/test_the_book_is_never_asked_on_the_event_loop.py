"""Whoever asks the order book where everybody's answers are made keeps everybody waiting: it raises, at once, whatever is asked."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from starlette.concurrency import run_in_threadpool

from console.book import Book
from console.desks import Desks
from console.rule_tuning import Rulebook, RuleTuning
from console.services import Services


def _nobody() -> Any:
    raise AssertionError("nobody connects here")


def _enter(manager: Any) -> None:
    with manager:
        pass


ASKED: dict[str, Callable[[], object]] = {
    "read": lambda: _enter(Book(_nobody).read()),
    "write": lambda: _enter(Book(_nobody).write()),
    "desk": lambda: _enter(Desks(_nobody).lent()),
    "a desk of one's own": lambda: _enter(Desks(_nobody).own()),
    "rules": lambda: RuleTuning(cast("Services", None), cast("Rulebook", _Rules())).rules(),
}


class _Rules:
    def tuned(self, _days: int) -> object:
        raise AssertionError("nobody connects here")


@pytest.mark.parametrize("name", ASKED)
def test_on_the_loop_it_raises_before_anything_is_asked(name: str) -> None:
    async def ask() -> None:
        ASKED[name]()

    with pytest.raises(RuntimeError, match="on the event loop"):
        asyncio.run(ask())


@pytest.mark.parametrize("name", ASKED)
def test_in_a_thread_of_its_own_it_asks(name: str) -> None:
    async def ask() -> None:
        await run_in_threadpool(ASKED[name])

    with pytest.raises(AssertionError, match="nobody connects here"):
        asyncio.run(ask())
