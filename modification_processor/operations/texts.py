"""Text that people type into an order: short, and without characters no label printer or database takes."""

import re

from modification_processor.operations.operation import OperationRefused

MAX_CHARACTERS = 255
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, line and paragraph separators, and halves of surrogate pairs."""


def checked(text: str, path: str, limit: int = MAX_CHARACTERS, *, line_feeds: bool = False) -> str:
    """Return `text` as it is, or refuse it (`text_too_long`, `control_character`). The text itself is never quoted."""
    if len(text) > limit:
        raise OperationRefused("text_too_long", f"{path} has {len(text)} characters; at most {limit} fit", field=path)
    found = _FORBIDDEN.search(text.replace("\n", " ") if line_feeds else text)
    if found:
        code = f"U+{ord(found[0]):04X}"
        raise OperationRefused("control_character", f"{path} has the character {code} at {found.start()}", field=path, value=code)
    return text


def optional(text: str | None, path: str, limit: int = MAX_CHARACTERS, *, line_feeds: bool = False) -> str | None:
    """Return the checked text; null where it is null or blank."""
    return checked(text, path, limit, line_feeds=line_feeds) if text is not None and text.strip() else None


def required(text: str | None, path: str) -> str:
    """Return the checked text, or refuse a blank one (`text_missing`)."""
    if text is None or not text.strip():
        raise OperationRefused("text_missing", f"{path} is required", field=path)
    return checked(text, path)


def settable(text: str | None, limit: int = MAX_CHARACTERS, *, line_feeds: bool = False) -> bool:
    """Say whether `optional` gives `text` back as it is: what a channel wrote may be longer than what we take."""
    try:
        return text == optional(text, "", limit, line_feeds=line_feeds)
    except OperationRefused:
        return False
