"""What every ring of tests shares: one stack a session, names of one's own, a wait with a deadline.

The servers come from KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL if both are set; from testcontainers with
ORDERMEND_TEST_STACK=containers (written after testcontainers' documentation, never tried: it needs Docker);
else a stack is started in `.ordermend/test-<pid>` of this checkout and erased at the end.
"""

import contextlib
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import hypothesis
import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from psycopg import sql

from ordermend import settings as environment
from ordermend.local import stack as local_stack
from ordermend.local.processes import start_time
from ordermend.local.stack import Stack
from ordermend.settings import Settings
from schemas.failures import StackFailed
from schemas.model import Model

# Machines are shared: how long an example takes says nothing about it.
hypothesis.settings.register_profile("ordinary", deadline=None)
hypothesis.settings.load_profile("ordinary")
# The slow ring (`make test-laws`), so many examples a law; the suite itself keeps hypothesis' own number.
LAWS = int(os.environ.get("ORDERMEND_LAWS", "100000"))
hypothesis.settings.register_profile("laws", max_examples=LAWS, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))

_of = Model.of.__func__  # type: ignore[attr-defined]  # the function behind a class method


def _of_what_is_valid(cls: type[Model], /, **values: object) -> Model:
    """Make a model as `Model.of` does, once it is shown that validating the values makes the same."""
    made: Model = _of(cls, **values)
    validated = cls.model_validate(values)
    assert validated == made
    assert validated.model_fields_set == made.model_fields_set, f"{cls.__name__}.of leaves fields out"
    assert {name: type(value) for name, value in validated.__dict__.items()} == {name: type(value) for name, value in values.items()}
    return made


# What is made without being validated is validated in every test there is.
Model.of = classmethod(_of_what_is_valid)  # type: ignore[assignment, method-assign]

CHECKOUT = Path(__file__).parents[1]
PATIENCE = float(os.environ.get("ORDERMEND_PATIENCE", "1"))
"""By how much every deadline is stretched: a machine that does more beside the tests takes longer, and is not wrong for it."""


class Eventually(Protocol):
    """Waits until the condition holds; fails the test, saying what was awaited, when the deadline passes."""

    def __call__(self, condition: Callable[[], object], deadline_seconds: float = 20.0, *, what: str = "the condition") -> None: ...


@pytest.fixture(scope="session")
def eventually() -> Eventually:
    def wait(condition: Callable[[], object], deadline_seconds: float = 20.0, *, what: str = "the condition") -> None:
        patience = deadline_seconds * PATIENCE
        deadline = time.monotonic() + patience
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"{what} did not hold within {patience:g} s")
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="session")
def server_cache() -> Path:
    """Downloaded server programs, kept between runs."""
    return environment.load().cache or CHECKOUT / ".ordermend/cache"


@pytest.fixture(scope="session")
def stack(server_cache: Path) -> Iterator[Stack]:
    """One stack for the session. A laptop without one skips with the reason; CI fails."""
    _erase_left_overs(server_cache)
    with contextlib.ExitStack() as resources:
        home = CHECKOUT / f".ordermend/test-{os.getpid()}"
        wanted = environment.load().model_copy(update={"home": home, "cache": server_cache, "keys": None})
        if os.environ.get("ORDERMEND_TEST_STACK") == "containers":
            wanted = wanted.model_copy(update=_containers(resources))
        try:
            running = resources.enter_context(local_stack.ephemeral(wanted))
        except StackFailed as failure:
            if os.environ.get("CI"):
                raise
            pytest.skip(failure.message)
        yield running


def _erase_left_overs(cache: Path) -> None:
    """A test run that was killed could not clean up."""
    for home in (CHECKOUT / ".ordermend").glob("test-*"):
        if start_time(int(home.name.removeprefix("test-"))) is None:
            local_stack.erase(Settings(home=home, cache=cache))


def _containers(resources: contextlib.ExitStack) -> dict[str, str]:
    from testcontainers.kafka import KafkaContainer  # noqa: PLC0415
    from testcontainers.postgres import PostgresContainer  # noqa: PLC0415

    broker = resources.enter_context(KafkaContainer().with_kraft())
    database = resources.enter_context(PostgresContainer("postgres:18", dbname="ordermend"))
    url = database.get_connection_url(driver=None)
    return {"kafka_bootstrap_servers": broker.get_bootstrap_server(), "database_url": url, "owner_database_url": url}


@pytest.fixture
def topic_prefix(stack: Stack) -> Iterator[str]:
    """Put before every topic name of the test; its topics are deleted afterwards."""
    prefix = f"t{secrets.token_hex(4)}."
    yield prefix
    admin = AdminClient({"bootstrap.servers": stack.kafka_bootstrap_servers})
    mine = [name for name in admin.list_topics(timeout=20).topics if name.startswith(prefix)]
    for deleted in admin.delete_topics(mine, operation_timeout=20).values() if mine else ():
        deleted.result(20)


@pytest.fixture
def db_schema(stack: Stack, request: pytest.FixtureRequest) -> Iterator[str]:
    """Name of a database schema of the test's own, not yet created; dropped afterwards."""
    name = f"{re.sub(r'[^a-z0-9]+', '_', request.node.name.lower())[:40]}_{secrets.token_hex(4)}"
    yield name
    with psycopg.connect(stack.owner_database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(name)))
