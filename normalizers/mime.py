"""A document as mail, AS2 or a web service with attachments carries it -> the document itself.

Input:   bytes that begin with MIME headers, or with the delimiter of a body of several parts whose headers the carrier took.
Output:  the root part's content, decoded; bytes that begin otherwise, as they are. Attachments stay in the raw document, and what the document
         says of them (a content id) is in the document.
Fails:   UndecodableMessage (no part, an encoding nobody can undo), LimitExceeded (parts within parts within parts).
Source:  RFC 2045 (headers, content transfer encodings), RFC 2046 section 5.1 (multipart), RFC 2387 (the root is the first part, or the one that
         `start` names); cXML 1.2 reference guide, "Attachments"; read 2026-11-29.
"""

import base64
import binascii
import quopri
import re
from collections.abc import Mapping

from normalizers.wire import MAX_BYTES
from schemas.failures import LimitExceeded, UndecodableMessage

MAX_NESTED = 4
"""Steps: headers, and bodies of several parts, one within the other."""
MAX_HEAD = 16_384
"""Bytes of the headers over one part."""
_HEADERS = re.compile(
    rb"(?:mime-version|content-[a-z-]{2,30}|as2-[a-z]{2,20}|from|to|date|subject|message-id|x-[a-z-]{1,40})[ \t]*:", re.IGNORECASE
)
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_FOLDED = re.compile(rb"\r?\n[ \t]+")
_BOUNDARY = re.compile(r'boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_ROOT = re.compile(r'start\s*=\s*"?(<[^">]{1,200}>)', re.IGNORECASE)


def unpacked(body: bytes) -> bytes:
    """Return the document that mail headers or a body of several parts carry; any other bytes as they are."""
    if len(body) > MAX_BYTES:
        return body  # which whoever reads it refuses
    for _ in range(MAX_NESTED + 1):
        start, _, after = body[:200].lstrip(b"\xef\xbb\xbf \t\r\n").partition(b"\n")
        if start.startswith(b"--") and after and (boundary := start[2:].strip()):
            body = _root(body, boundary, None)
        elif _HEADERS.match(start[:80]):
            body = _content(body)
        else:
            return body
    raise LimitExceeded(f"parts within parts, more than {MAX_NESTED} deep", field="@0", rule="max_depth", value=str(MAX_NESTED))


def _content(part: bytes) -> bytes:
    """Return what stands under a part's headers, decoded; of several parts the root, as it is."""
    head, content = _split(part.lstrip(b"\xef\xbb\xbf \t\r\n"))
    stated = head.get("content-type", "")
    if stated.lower().startswith("multipart/") and (found := _BOUNDARY.search(stated)) is not None:
        root = _ROOT.search(stated)
        return _root(content, (found[1] or found[2]).encode(), root[1] if root else None)
    return _decoded(content, head.get("content-transfer-encoding", ""))


def _split(part: bytes) -> tuple[Mapping[str, str], bytes]:
    blank = _BLANK_LINE.search(part, 0, MAX_HEAD)
    if blank is None:
        raise UndecodableMessage("MIME headers and nothing under them", field="@0", rule="mime", value=part[:16].hex())
    rows = (line.partition(b":") for line in _FOLDED.sub(b" ", part[: blank.start()]).splitlines())
    return {name.decode("latin-1").strip().lower(): value.decode("latin-1").strip() for name, _, value in rows}, part[blank.end() :]


def _root(body: bytes, boundary: bytes, named: str | None) -> bytes:
    """Return the part that is the document, with the headers it has: the one `named`, else the first."""
    mark = b"\n--" + boundary
    _, *pieces = (b"\n" + body).split(mark)
    parts: list[list[bytes]] = []
    for piece in pieces:
        if piece.startswith(b"--") or not piece.partition(b"\n")[0].strip():
            parts.append([piece])
        elif parts:
            parts[-1].append(piece)  # the delimiter of a part within begins like this one
    found = [mark.join(part).partition(b"\n")[2] for part in parts if not part[0].startswith(b"--")]
    if not found:
        raise UndecodableMessage("a body of several parts without one", field="@0", rule="mime", value=boundary.hex())
    return next((part for part in found if named and named.encode() in part[:2000]), found[0]).removesuffix(b"\r").lstrip(b"\r\n")


def _decoded(content: bytes, encoding: str) -> bytes:
    word = encoding.strip().lower()
    if word == "base64":
        try:
            return base64.b64decode(b"".join(content.split()), validate=True)
        except binascii.Error:
            raise UndecodableMessage("no base64", field="@0", rule="mime", value=content[:16].hex()) from None
    return quopri.decodestring(content) if word == "quoted-printable" else content
