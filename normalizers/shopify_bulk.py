"""The file of a Shopify bulk operation (JSONL) -> one message for each order in it, whole.

Input:   a document of several lines, each a JSON object. What a query asked for as a connection stands on lines of its own, after the object it belongs to and
         with that one's global id in `__parentId`.
Output:  a message for each object without a parent, its rows put back into the lists that the GraphQL Admin API would have answered; one for each order that is
         only named by rows whose own line is not in the file. None for a document that is no such file.
Keeps:   every row of an order whose line is there: one of a kind nobody knows comes under its type's name, and so to the extensions.
Fails:   as `read_json` does where the file is beyond the bounds; a line that cannot be read fails when its own message is looked at.
Source:  shopify.dev, GraphQL Admin API 2025-01, "Perform bulk operations", read 2026-11-28.
"""

import re
from collections.abc import Mapping

from normalizers.channel import Document
from normalizers.wire import MAX_BYTES, MAX_ROWS, Broken, Json, Message, read_json
from schemas.failures import LimitExceeded, NormalizationFailed, OrdermendError

_NEXT_LINE = re.compile(rb"\}[ \t\r]*\n[ \t\r\n]*\{")
"""What stands between two lines, and in no JSON document: there a comma would be."""
_TYPE = re.compile(r"gid://shopify/([A-Za-z]{1,60})/")
_ORDER = re.compile(r"gid://shopify/(?:Draft)?Order/")
_PARENT = "__parentId"
_LISTS: Mapping[str, str] = {"DraftOrderLineItem": "lineItems"}
"""Lists that are not called as the type of what stands in them."""
MAX_LEVELS = 4
"""Of rows within rows; Shopify has two."""


def bulk_messages(document: Document) -> list[Message] | None:
    """Return the messages of a bulk operation's file; None where the document is none."""
    body = document.body
    if b"\n" not in body or len(body) > MAX_BYTES or _NEXT_LINE.search(body) is None:
        return None
    lines = [line for line in body.split(b"\n") if line.strip()]
    if len(lines) > MAX_ROWS:
        raise LimitExceeded(f"the file has {len(lines)} lines, more than {MAX_ROWS}", field="", rule="max_rows", value=str(len(lines)))
    found: list[Message] = []
    known: dict[str, tuple[Json, int]] = {}
    elsewhere: set[str] = set()
    for number, line in enumerate(lines):
        message = Message(None, f"/{number}", document.headers, "bulk")
        try:
            row = _row(line, message.at)
            parent = row.pop(_PARENT, None)
            depth = 0 if parent is None else _placed(row, str(parent), message.at, known)
        except OrdermendError as error:
            found.append(Broken(message, error))
            continue
        stands_for_it = parent is not None and str(parent) not in known and str(parent) not in elsewhere
        if isinstance(identity := row.get("id"), str):
            known[identity] = row, depth
        if stands_for_it:
            elsewhere.add(str(parent))
            row, depth = {"id": str(parent)}, 0
        if not depth:
            found.append(Message(row, message.at, message.headers, message.wrapped_in))
    return found


def _placed(row: Json, parent: str, at: str, known: Mapping[str, tuple[Json, int]]) -> int:
    """Put a row under its parent and return its depth; under none where that is an order whose line is not in the file."""
    if parent not in known:
        if _ORDER.match(parent) is None:
            raise NormalizationFailed(f"{at} belongs to a row that is not in the file", field=at, rule="parent_there", value=parent[:80])
        return 1
    above, depth = known[parent]
    if depth >= MAX_LEVELS:
        raise LimitExceeded(f"{at} stands deeper than {MAX_LEVELS} rows", field=at, rule="max_depth")
    name = _list_of(row)
    beside = above.setdefault(name, [])
    if not isinstance(beside, list):
        raise NormalizationFailed(f"{at} belongs to a row that has something else for {name}", field=at, rule="list", value=name)
    beside.append(row)
    return depth + 1


def _row(line: bytes, at: str) -> Json:
    row = read_json(line)
    if not isinstance(row, dict):
        raise NormalizationFailed("no JSON object", field=at, rule="object", value=str(row)[:80])
    return row


def _list_of(row: Json) -> str:
    """Return the name of the list that a row of this type stands in."""
    found = _TYPE.match(str(row.get("id")))
    name = found[1] if found else "bulkRow"
    return _LISTS.get(name) or f"{name[:1].lower()}{name[1:]}s"
