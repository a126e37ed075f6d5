"""Fixtures of the tests that start and break servers of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ordermend.local import stack as local_stack
from ordermend.settings import Settings


@pytest.fixture
def own_stack(tmp_path: Path, server_cache: Path) -> Iterator[Settings]:
    """Settings for a stack of the test's own, whatever the environment names; erased afterwards."""
    settings = Settings(home=tmp_path / "home", cache=server_cache).model_copy(
        update={"kafka_bootstrap_servers": None, "database_url": None, "owner_database_url": None, "issuer_url": None, "keys": None}
    )
    yield settings
    local_stack.erase(settings)
