"""One canonical line per unit of work, as JSON (or for people, on a terminal). Nothing personal is ever logged.

Values are cut at 300 characters, so that no payload can flood a log; newlines are escaped by the JSON renderer.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

MAX_VALUE = 300
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def _cut(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str) and len(value) > MAX_VALUE:
            event[key] = value[: MAX_VALUE - 3] + "..."
    return event


def configure(level: str = "info", *, people: bool | None = None) -> None:
    """Set up logging to standard error. `people` None: a terminal gets text, anything else JSON."""
    pretty = sys.stderr.isatty() if people is None else people
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _cut,
            structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS.get(level.lower(), logging.INFO)),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    libraries = logging.getLogger()
    if not any(isinstance(handler, _Bridge) for handler in libraries.handlers):
        libraries.addHandler(_Bridge(logging.WARNING))


class _Bridge(logging.Handler):
    """Carries what libraries say through `logging` into the same log, as lines of the same shape."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "error" if record.levelno >= logging.ERROR else "warning"
        getattr(structlog.get_logger(library=record.name), level)(record.getMessage())


def logger(service: str) -> Any:
    """Return a logger whose lines name their service."""
    return structlog.get_logger(service=service)
