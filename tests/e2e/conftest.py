"""A line of the test's own, the console as a child process, and a real browser.

Needs: Chromium (Debian: `apt-get install chromium`), or CHROMIUM=/path/to/it. It is started without network access of its own;
every asset comes from the console.
"""

import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from ordermend import bootstrap
from ordermend.local.processes import free_port
from ordermend.local.stack import Stack
from ordermend.settings import Settings
from tests.conftest import PATIENCE, Eventually
from tests.line import Line, running_line

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
expect.set_options(timeout=5_000 * PATIENCE)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.exit("error: browser tests need Chromium: apt-get install chromium, or set CHROMIUM to its path", 2)
    engine: Playwright
    with sync_playwright() as engine:
        made = engine.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield made
        made.close()


@pytest.fixture
def line(stack: Stack, topic_prefix: str, db_schema: str, tmp_path: Path) -> Iterator[Line]:
    settings = Settings(home=stack.home).model_copy(
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
    bootstrap.prepare(settings)  # the console is a process as in production: it checks the topics of every channel
    with running_line(settings, "intake", "processor", "relay", "retrier") as running:
        yield running


@pytest.fixture
def console(line: Line, stack: Stack, tmp_path: Path, eventually: Eventually) -> Iterator[str]:
    """Start `ordermend run console`; its address."""
    port = free_port(None)
    environment = os.environ | {
        "KAFKA_BOOTSTRAP_SERVERS": stack.kafka_bootstrap_servers,
        "DATABASE_URL": stack.database_url,
        "ORDERMEND_ISSUER_URL": stack.issuer_url,
        "ORDERMEND_HOME": str(stack.home),
        "ORDERMEND_KEYS_DIR": str(line.settings.keys_dir),
        "ORDERMEND_TOPIC_PREFIX": line.settings.topic_prefix,
        "ORDERMEND_DB_SCHEMA": line.settings.db_schema,
        "ORDERMEND_CONSOLE_LISTEN": f"127.0.0.1:{port}",
    }
    log = (tmp_path / "console.log").open("w+")
    child = subprocess.Popen([sys.executable, "-m", "ordermend", "run", "console"], env=environment, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: child.poll() is not None or _answers(address), 60, what="the console answering")
        assert child.poll() is None, (tmp_path / "console.log").read_text()
        yield address
    finally:
        child.terminate()
        child.wait(30)
        log.close()
    said = (tmp_path / "console.log").read_text()
    assert "Traceback" not in said, said


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/api/v1/openapi.json", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def page(browser: Browser, console: str) -> Iterator[Page]:
    """A page that fails the test where a script of ours fails, or anything is asked of another host than ours and the issuer's."""
    context = browser.new_context(base_url=console, viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(20_000 * PATIENCE)
    made = context.new_page()
    problems: list[str] = []
    made.on("pageerror", lambda error: problems.append(str(error)))
    made.on(
        "request",
        lambda request: None if request.url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:")) else problems.append(request.url),
    )
    yield made
    context.close()
    assert [] == problems
