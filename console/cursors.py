"""Page cursors: where the next page begins, as text that callers hand back unread."""

import base64
import binascii
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from schemas.failures import OrdermendError


class CursorInvalid(OrdermendError):
    """The cursor is not one that this list gave."""

    code = "cursor_invalid"
    error_class = "BUSINESS_REJECT"


def encode(*values: Any) -> str:
    """Return the cursor for these key values."""
    return base64.urlsafe_b64encode(orjson.dumps(values)).rstrip(b"=").decode()


def decode(text: str, *kinds: type) -> list[Any]:
    """Return the key values; raise `CursorInvalid` where they are not of these kinds."""
    try:
        values = orjson.loads(base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        values = None
    if not isinstance(values, list) or [type(value) for value in values] != list(kinds):
        raise CursorInvalid("the cursor is not one that this list gave", field="/query/cursor", rule="cursor")
    return values


def place(after: str | None) -> tuple[datetime, UUID] | None:
    """Return the (time, id) that a cursor of a list by time names; None begins the list."""
    if after is None:
        return None
    at, name = decode(after, str, str)
    try:
        return datetime.fromisoformat(at), UUID(name)
    except ValueError:
        raise CursorInvalid("the cursor is not one that this list gave", field="/query/cursor", rule="cursor") from None
