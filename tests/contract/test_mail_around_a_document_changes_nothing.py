"""A document that mail headers or a body of several parts carry is read as if it had come alone; attachments change nothing."""

import base64
import json
import quopri
from pathlib import Path

import pytest

from normalizers import discover
from normalizers.channel import Document
from normalizers.mime import MAX_HEAD, MAX_NESTED, unpacked
from schemas.failures import LimitExceeded, OrdermendError, UndecodableMessage

ROOT = Path(__file__).parents[1] / "fixtures" / "channels"
CASES = [path for path in sorted(ROOT.glob("*/*.raw.*")) if path.parent.name in {"ubl", "cxml", "edifact", "x12"}]
ATTACHMENT = b"Content-Type: application/pdf\r\nContent-ID: <p2@example.com>\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0x"


def several(*parts: bytes, start: str = "", boundary: str = "=_b/1'+x") -> bytes:
    head = f'MIME-Version: 1.0\r\nContent-Type: multipart/related;\r\n\ttype="text/xml"; boundary="{boundary}"{start}\r\n\r\n'
    return head.encode() + b"a preamble\r\n" + delimited(*parts, boundary=boundary)


def delimited(*parts: bytes, boundary: str = "=_b/1'+x") -> bytes:
    mark = b"--" + boundary.encode()
    return b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


def carried(body: bytes) -> dict[str, bytes]:
    plain = b"Content-Type: text/xml; charset=UTF-8\nContent-ID: <p1@example.com>\n\n"
    return {
        "headers": b"Content-Type: application/EDI-Consent\r\nAS2-From: THEM\r\nMessage-ID: <1@x>\r\n\r\n" + body,
        "multipart": several(plain + body, ATTACHMENT),
        "root_named": several(ATTACHMENT, plain + body, start='; start="<p1@example.com>"'),
        "root_bare": several(b"\r\n" + body, ATTACHMENT),
        "headers_gone": delimited(plain + body, ATTACHMENT),
        "base64": several(b"Content-Type: text/xml\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(body), ATTACHMENT),
        "quoted_printable": several(b"Content-Transfer-Encoding: Quoted-Printable\r\n\r\n" + quopri.encodestring(body), ATTACHMENT),
        "nested": several(several(plain + body, ATTACHMENT, boundary="=_b/1'+x2"), ATTACHMENT),
    }


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
@pytest.mark.parametrize("way", list(carried(b"")))
def test_the_document_is_read_as_if_it_had_come_alone(path: Path, way: str) -> None:
    body = path.read_bytes().strip()
    normalize = discover()[path.parent.name].normalize
    assert normalize((Document(body),)) == normalize((Document(carried(body)[way]),))


def test_a_capture_of_mail_is_read_too() -> None:
    body = (ROOT / "cxml" / "new_taxed.raw.xml").read_bytes()
    normalize = discover()["cxml"].normalize
    wrapped = json.dumps({"headers": {}, "body": carried(body)["multipart"].decode()}).encode()
    assert normalize((Document(body),)) == normalize((Document(wrapped),))


@pytest.mark.parametrize("channel", ["ubl", "cxml", "edifact", "x12"])
@pytest.mark.parametrize(
    "body",
    [
        b"Content-Type: text/xml\r\n",
        b"Content-Type: text/xml\r\n\r\n",
        b"Content-Type: text/xml\r\nX-Long: " + b"x" * MAX_HEAD + b"\r\n\r\n<Order/>",
        b'Content-Type: multipart/related; boundary="b"\r\n\r\nnothing',
        b'Content-Type: multipart/related; boundary="b"\r\n\r\n--b--\r\n',
        b"--b\r\n",
        b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!\r\n--b--\r\n",
        b"--b--\r\n",
        several(several(several(several(b"\r\nx", boundary="d"), boundary="c"), boundary="b"), boundary="a"),
        b"--",
    ],
)
def test_what_carries_no_document_is_refused(channel: str, body: bytes) -> None:
    with pytest.raises(OrdermendError) as caught:
        discover()[channel].normalize((Document(body),))
    assert caught.value.field is not None
    assert caught.value.rule


def test_parts_within_parts_end_somewhere() -> None:
    body = b"Content-Type: text/plain\r\n\r\nUNA"
    for depth in range(MAX_NESTED - 1):
        body = several(body, boundary=f"b{depth}")
    assert b"UNA" == unpacked(body)
    with pytest.raises(LimitExceeded):
        unpacked(several(body, boundary="z"))


def test_a_hundred_thousand_parts_one_in_the_other_cost_nothing() -> None:
    for boundary in ("a", "a{}"):
        body = "".join(f"Content-Type: multipart/x; boundary={boundary}\n\n--{boundary}\n".format(depth, depth) for depth in range(50_000))
        with pytest.raises(OrdermendError):
            unpacked(body.encode())


def test_nothing_to_take_off_is_the_same_bytes() -> None:
    for body in (b"", b"<a/>", b"ISA*00", b"UNA:+.? 'UNB", b"{}", b"-- \n", b"From\n"):
        assert body is unpacked(body)


def test_a_broken_encoding_names_no_value() -> None:
    with pytest.raises(UndecodableMessage) as caught:
        unpacked(b"Content-Transfer-Encoding: base64\n\nsecret!")
    assert "secret" not in str(caught.value)
