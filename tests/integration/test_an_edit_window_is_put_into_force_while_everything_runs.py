"""An edit window is put into force by command while the processor runs: the form says until when, and the commit keeps to it.

The window closes, the same field is refused with its rule, and reverting the rules opens it again; no process is restarted.
"""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from modification_processor import FieldMode, look, modes_for, moment_of
from tests.conftest import Eventually
from tests.integration.test_many_orders_are_edited_as_one_job import environment
from tests.line import Line, shopify_order

ROLES = frozenset({"Order_Modify"})


def command(line: Line, *words: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "ordermend", "edit-rules", *words]
    return subprocess.run(call, env=environment(line), capture_output=True, text=True, check=False, timeout=120)


def window(minutes: int) -> str:
    """Return rules that close the note's window so many minutes after an order was placed, on this channel's own account alone."""
    return f"""version = 1
[[windows]]
id = "desk"
channels = ["shopify"]
accounts = ["default"]
classes = ["notes"]
closes = "after_placement"
minutes = {minutes}
mode = "locked"
"""


def shown(line: Line, order_id: UUID) -> FieldMode:
    """Return what a form is told of the note."""
    with line.book.transaction(), line.book.cursor() as cursor:
        looked = look(cursor, order_id)
        assert looked is not None
        modes = modes_for(looked.order, ROLES, moment_of(cursor))
    return next(mode for mode in modes if mode.path == "/note")


def test_a_window_opens_closes_and_is_taken_back_without_a_restart(line: Line, eventually: Eventually, tmp_path: Path) -> None:
    order = line.state_order(shopify_order(5751))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    assert order.placed_at is not None
    age = datetime.now(UTC) - order.placed_at

    def put(minutes: int) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "rules.toml"
        file.write_text(window(minutes), "utf-8")
        return command(line, "set", str(file), "--user", "rosa", "--reason", "a scenario")

    def note(text: str) -> UUID:
        ticket = line.ticket(order.order_id, ("set_note", {"note": text}))
        eventually(lambda: line.state(ticket) is not None, what="the edit decided")
        return ticket

    assert (shown(line, order.order_id).mode, shown(line, order.order_id).until) == ("editable", None)
    late = int(age / timedelta(minutes=1)) + 60
    assert "version 1 of the edit rules is in force" in put(late).stdout
    until = order.placed_at.astimezone(UTC) + timedelta(minutes=late)
    assert ("editable", f"{until:%Y-%m-%dT%H:%M:%SZ}") == (shown(line, order.order_id).mode, shown(line, order.order_id).until)
    assert "applied" == line.state(note("in time"))

    assert 0 == put(1).returncode
    answer, refused = shown(line, order.order_id), note("too late")
    assert ("locked", "window.desk") == (answer.mode, answer.rule_id)
    assert [("refused", "field_locked", "window.desk", answer.message)] == line.rows(
        "select state, code, rule_id, message from ticket where ticket_id = %s", refused
    )
    unknown = tmp_path / "unknown.toml"
    unknown.write_text(window(1).replace('"notes"', '"colour"'), "utf-8")
    tried = command(line, "set", str(unknown), "--user", "rosa", "--reason", "a typing error")
    assert (2, True, False) == (tried.returncode, "colour" in tried.stderr, "Traceback" in tried.stderr)

    assert "version 3 of the edit rules is in force" in command(line, "revert", "0", "--user", "rosa", "--reason", "too strict").stdout
    assert "applied" == line.state(note("again"))
    assert ["rosa: too strict", "rosa: a scenario", "rosa: a scenario"] == [
        row.split("  ")[-1] for row in command(line, "history").stdout.strip().splitlines()[:-1]
    ]
    assert () == line.findings()
