"""The fault ring for half a minute: processes killed and frozen, broker and database killed once each, under traffic.

`make test-faults` runs it for five minutes and more; its judge is proven in tests/unit.
"""

from pathlib import Path

from ordermend.settings import Settings
from tests.faults.ring import Options, run


def test_nothing_is_lost_doubled_or_reordered(own_stack: Settings, tmp_path: Path) -> None:
    options = Options(seed=2, seconds=30, rate=40, kill_every=(2, 4), broker_every=20, database_every=32)
    result = run(options, own_stack, tmp_path)
    assert result.passed, [*result.violations[:20], result.line()]
    assert 1 <= result.injected["restart broker"], result.line()
    assert 1 <= result.injected["restart database"], result.line()
    assert 4 <= sum(count for name, count in result.injected.items() if name.startswith(("kill", "freeze"))), result.line()
    assert 1 <= result.injected["transient"], result.line()
    assert 1_000 <= result.sent["messages"], result.line()
