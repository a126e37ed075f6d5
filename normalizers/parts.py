"""One order that comes in several answers: its parts as one raw record, and back.

Whoever fetches an order (`intake/fetching.py`) joins what a channel answered: record header `ordermend-parts` says how many parts
there are, and the body is each part in turn, as the length of its headers, of its body (4 bytes each, big-endian), headers (JSON) and body. The record is kept,
hashed and normalised as a whole. The webhook door passes no such header on, so nobody outside can claim one.

Input:   bodies with their headers, or a record's body and headers.
Output:  (body, headers), or the `Document`s that `Channel.normalize` takes: one, where the record was not joined.
Fails:   UndecodableMessage naming header, rule and value: a record that says it has parts and has not.
"""

from collections.abc import Mapping, Sequence

import orjson

from normalizers.channel import Document
from schemas.failures import UndecodableMessage

HEADER = "ordermend-parts"
MAX_PARTS = 64
_LENGTH = 4


def joined(parts: Sequence[Document]) -> Document:
    """Return the parts as one document; a single one stays as it is."""
    if len(parts) == 1:
        return parts[0]
    framed = []
    for part in parts:
        head = orjson.dumps(dict(part.headers))
        framed += [len(head).to_bytes(_LENGTH, "big"), len(part.body).to_bytes(_LENGTH, "big"), head, part.body]
    return Document(b"".join(framed), {HEADER: str(len(parts))})


def documents_of(body: bytes, headers: Mapping[str, str]) -> tuple[Document, ...]:
    """Return the documents of a record; a part has the record's headers (the account, the event's id) beside its own."""
    stated = headers.get(HEADER)
    if stated is None:
        return (Document(body, headers),)
    if not stated.isdigit() or not 1 <= int(stated) <= MAX_PARTS:
        raise _broken("is a number of parts", stated)
    shared = {name: value for name, value in headers.items() if name != HEADER}
    found, at = [], 0
    for _ in range(int(stated)):
        start = at + 2 * _LENGTH
        ends = start + int.from_bytes(body[at : at + _LENGTH], "big")
        at = ends + int.from_bytes(body[at + _LENGTH : start], "big")
        if len(body) < at or start > len(body):
            raise _broken("ends before its last part", stated)
        try:
            own = orjson.loads(body[start:ends])
        except orjson.JSONDecodeError:
            own = None
        if not isinstance(own, dict) or not all(isinstance(value, str) for value in own.values()):
            raise _broken("has parts with headers", stated)
        found.append(Document(body[ends:at], {**own, **shared}))
    if at != len(body):
        raise _broken("ends with its last part", stated)
    return tuple(found)


def _broken(rule: str, stated: str) -> UndecodableMessage:
    return UndecodableMessage(
        f"the record does not hold the parts it says it has: it {rule}", field=HEADER, rule="parts", value=stated[:20]
    )
