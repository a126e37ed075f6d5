"""A file that a command was given, as text.

Input:  a path. Nothing is unpacked: a compressed file is no text.
Output: its text, UTF-8, at most `MAX_BYTES`.
Fails:  TextFileUnreadable, naming the file and the rule.
"""

from pathlib import Path
from typing import Final

from schemas.failures import OrdermendError

MAX_BYTES: Final = 16 * 1024 * 1024


class TextFileUnreadable(OrdermendError):
    """The file cannot be read as text."""

    code = "text_file_unreadable"
    error_class = "DECODE"


def read(file: Path) -> str:
    """Return the file's text."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise TextFileUnreadable(f"{file} cannot be read: {error.strerror}", field=str(file), rule="readable") from None
    if len(content) > MAX_BYTES:
        raise TextFileUnreadable(f"{file} has more than {MAX_BYTES} bytes", field=str(file), rule="max_bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TextFileUnreadable(
            f"{file} is no UTF-8 text (byte {error.start}); a packed file is not unpacked", field=str(file), rule="utf8"
        ) from None
