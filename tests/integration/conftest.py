"""Fixtures of the tests that start and break servers of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ordermend.local import stack as local_stack
from ordermend.local.stack import Stack
from ordermend.settings import Settings
from tests.line import Line, running_line


@pytest.fixture
def own_stack(tmp_path: Path, server_cache: Path) -> Iterator[Settings]:
    """Settings for a stack of the test's own, whatever the environment names; erased afterwards."""
    settings = Settings(home=tmp_path / "home", cache=server_cache).model_copy(
        update={"kafka_bootstrap_servers": None, "database_url": None, "owner_database_url": None, "issuer_url": None, "keys": None}
    )
    yield settings
    local_stack.erase(settings)


@pytest.fixture
def line_settings(stack: Stack, topic_prefix: str, db_schema: str, tmp_path: Path) -> Settings:
    """Settings of a line of the test's own on the session's stack: its topics, its tables, its keys."""
    return Settings(home=stack.home).model_copy(
        update={
            "kafka_bootstrap_servers": stack.kafka_bootstrap_servers,
            "database_url": stack.database_url,
            "owner_database_url": stack.owner_database_url,
            "topic_prefix": topic_prefix,
            "db_schema": db_schema,
            "keys": tmp_path / "keys",
            "log_level": "WARNING",
        }
    )


@pytest.fixture
def line(line_settings: Settings) -> Iterator[Line]:
    """The whole line, running."""
    with running_line(line_settings, "intake", "processor", "relay", "retrier") as running:
        yield running


@pytest.fixture
def still_line(line_settings: Settings) -> Iterator[Line]:
    """The line with nothing running: the scenario starts what it needs."""
    with running_line(line_settings) as running:
        yield running
