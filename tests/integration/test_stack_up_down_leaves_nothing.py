"""What happens: the local stack is started, found again, killed, interrupted, broken, stopped.

What must hold: data survives, errors name cause and log, and no process is left.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from joserfc import jwt
from joserfc.jwk import KeySet

from ordermend.local import kafka_jars, stack
from ordermend.settings import Settings
from schemas.failures import SettingsInvalid, StackFailed

OURS = {"KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "ORDERMEND_OWNER_DATABASE_URL", "ORDERMEND_ISSUER_URL", "ORDERMEND_KEYS_DIR"}

PHASES = ["Token issuer: starting", "creating the database cluster", "formatting the log folder", "Kafka: starting"]


def processes_below(*folders: Path) -> list[str]:
    """Command lines of all processes that work in the folders; zombies have no working directory."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and any((process / "cwd").readlink().is_relative_to(folder) for folder in folders):
                found.append((process / "cmdline").read_text().replace("\0", " "))
    return found


def pids(running: stack.Stack) -> dict[str, int | None]:
    return {name: part.pid for name, part in running.parts.items()}


def folders(settings: Settings) -> list[Path]:
    return [settings.home, *(server.directory for server in stack._servers(settings, every=True))]


@contextlib.contextmanager
def command(settings: Settings, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    environment = {name: value for name, value in os.environ.items() if name not in OURS}
    environment |= {"ORDERMEND_HOME": str(settings.home), "ORDERMEND_CACHE": str(settings.cache_dir)}
    words = [sys.executable, "-m", "ordermend", *arguments]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        yield child


def test_a_second_up_finds_the_first_and_down_leaves_no_process(own_stack: Settings) -> None:
    first = stack.up(own_stack)
    assert pids(first) == pids(stack.up(own_stack))
    assert [part.state for part in stack.status(own_stack)] == ["running"] * 3
    used = folders(own_stack)
    assert {"kafka", "postgres", "issuer"} == set(stack.down(own_stack))
    assert processes_below(*used) == []
    assert stack.down(own_stack) == []
    with pytest.raises(SettingsInvalid, match="ordermend up"):
        stack.connected(own_stack)


def test_two_ups_at_once_start_one_stack(own_stack: Settings) -> None:
    with command(own_stack, "up") as one, command(own_stack, "up") as other:
        assert [one.wait(120), other.wait(120)] == [0, 0]
    with command(own_stack, "status", "--json") as child:
        answer = json.loads(child.communicate(timeout=60)[0])
    assert [part["state"] for part in answer] == ["running"] * 3
    assert sum("kafka.Kafka" in line for line in processes_below(own_stack.home)) == 1


def test_killed_servers_are_started_again_on_their_data(own_stack: Settings, eventually: Callable[..., None]) -> None:
    before = stack.up(own_stack)
    with psycopg.connect(before.owner_database_url) as connection:
        connection.execute("create schema kept")
    for pid in pids(before).values():
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: {part.state for part in stack.status(own_stack)} == {"stopped"}, what="the death of the servers")
    after = stack.up(own_stack)
    assert before.environment() == after.environment()
    assert not set(pids(before).values()) & set(pids(after).values())
    with psycopg.connect(after.owner_database_url) as connection:
        assert connection.execute("select count(*) from pg_namespace where nspname = 'kept'").fetchone() == (1,)
    assert AdminClient({"bootstrap.servers": after.kafka_bootstrap_servers}).list_topics(timeout=10).brokers


def test_what_a_killed_up_left_is_found_without_a_state_file(own_stack: Settings) -> None:
    stack.up(own_stack)
    (own_stack.home / "stack.json").unlink()
    assert processes_below(*folders(own_stack)) != []
    stack.up(own_stack)
    used = folders(own_stack)
    assert sum("kafka.Kafka" in line for line in processes_below(*used)) == 1
    stack.down(own_stack)
    assert processes_below(*used) == []


@pytest.mark.parametrize(("phase", "number"), [*((phase, signal.SIGINT) for phase in PHASES), (PHASES[-1], signal.SIGTERM)])
def test_an_interrupted_up_leaves_no_process_and_no_broken_state(own_stack: Settings, phase: str, number: signal.Signals) -> None:
    own_stack.home.mkdir()
    with command(own_stack, "up") as child:
        assert child.stderr is not None
        seen = next((line for line in child.stderr if phase in line), "")
        child.send_signal(number)
        rest = child.stderr.read()
        assert 128 + number == child.wait(60)
    assert phase in seen
    assert "interrupted" in rest.splitlines()[-1]
    assert processes_below(*folders(own_stack)) == []
    assert {"stopped"} == {part.state for part in stack.status(own_stack)}
    if phase == "Kafka: starting" and number == signal.SIGINT:
        assert len(stack.up(own_stack).parts) == 3


def test_a_failed_start_names_cause_and_log_and_stops_the_rest(own_stack: Settings) -> None:
    broken = own_stack.home / "kafka"
    broken.mkdir(parents=True)
    (broken / "formatted").touch()
    with pytest.raises(StackFailed, match=r"Kafka did not start: it ended with exit code 1 .*meta\.properties.*kafka\.log") as failure:
        stack.up(own_stack)
    assert any("meta.properties" in line for line in failure.value.__notes__)
    assert processes_below(*folders(own_stack)) == []
    with command(own_stack, "up") as child:
        error = child.communicate(timeout=120)[1]
    assert child.returncode == 3
    assert sum(line.startswith("error: Kafka did not start") for line in error.splitlines()) == 1
    assert "Traceback (most recent call last):\n  File" not in error


def test_a_server_named_by_the_environment_is_checked_and_none_is_started(own_stack: Settings) -> None:
    named = own_stack.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"})
    with pytest.raises(StackFailed, match=r"KAFKA_BOOTSTRAP_SERVERS=127\.0\.0\.1:1"):
        stack.up(named)
    assert processes_below(*folders(own_stack)) == []


def test_altered_jars_are_not_run(own_stack: Settings, tmp_path: Path) -> None:
    path = next(iter(kafka_jars.manifest()))
    jar = tmp_path / path
    jar.parent.mkdir(parents=True)
    jar.write_bytes(b"not the jar")
    assert kafka_jars.problems(tmp_path)[path] == "altered"


def test_demo_tokens_verify_and_carry_their_roles(stack: stack.Stack) -> None:
    def fetch(path: str, body: bytes | None = None) -> dict[str, object]:
        with urllib.request.urlopen(stack.issuer_url + path, body, timeout=10) as answer:
            return dict(json.load(answer))

    assert stack.issuer_url == fetch("/.well-known/openid-configuration")["issuer"]
    token = str(fetch("/token", b"username=approver")["access_token"])
    claims = jwt.decode(token, KeySet.import_key_set(fetch("/jwks.json")), algorithms=["RS256"]).claims  # type: ignore[arg-type]
    assert claims["roles"] == ["Order_Modify", "Order_Approve"]
    assert (stack.issuer_url, "ordermend", "approver") == (claims["iss"], claims["aud"], claims["sub"])


def test_the_servers_are_durable_and_as_promised(stack: stack.Stack) -> None:
    with psycopg.connect(stack.database_url) as connection:
        assert 180_000 <= connection.info.server_version < 190_000
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert connection.execute("select current_setting(%s)", [setting]).fetchone() == ("on",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("create schema not_mine")
    assert threading.active_count() < 50
