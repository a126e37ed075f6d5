"""What libraries log is a line of our own log where there is one, and is not scattered over a command's output where there is none."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from streaming.config import CLIENT_LOG
from telemetry import logs


@pytest.fixture
def untouched() -> Iterator[None]:
    """Leave logging as it was found."""
    handlers = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = handlers
    structlog.reset_defaults()


def test_a_librarys_warning_is_one_json_line(untouched: None, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(people=False)
    CLIENT_LOG.warning("GETPID [%s]\nfailed", "broker 1")
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert ("GETPID [broker 1]\nfailed", "warning", "ordermend.kafka_client") == (said["event"], said["level"], said["library"])


def test_without_a_log_the_kafka_client_is_silent() -> None:
    program = "from streaming.config import CLIENT_LOG; CLIENT_LOG.error('GETPID')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "" == done.stderr
