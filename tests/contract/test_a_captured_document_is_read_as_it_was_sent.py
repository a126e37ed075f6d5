"""A capture tool keeps a message as JSON, the body a text in it: what is no JSON itself is read as if it had come alone."""

import json
from pathlib import Path

import pytest

from normalizers import discover
from normalizers.channel import Document, StatedChange, StatedOrder, StatedPart
from schemas.failures import OrdermendError

ROOT = Path(__file__).parents[1] / "fixtures" / "channels"
CASES = [path for path in sorted(ROOT.glob("*/*.raw.*")) if path.parent.name in {"ubl", "cxml", "edifact", "x12"}]


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_wrapping_changes_nothing_but_the_account_it_names(path: Path) -> None:
    body = path.read_bytes()
    text = body.decode("iso-8859-1" if b"ISO-8859-1" in body[:100] else "utf-8")
    wrapped = json.dumps({"headers": {"Account": "theirs"}, "topic": "orders", "body": text}).encode()
    normalize = discover()[path.parent.name].normalize
    want, found = normalize((Document(body, {"account": "theirs"}),)), normalize((Document(wrapped),))
    assert want == found
    for result in found:
        if isinstance(result, StatedOrder):
            assert "theirs" == result.order.source.account
        else:
            assert isinstance(result, StatedChange | StatedPart)
            assert "theirs" == result.account


@pytest.mark.parametrize("channel", ["ubl", "cxml", "edifact", "x12"])
@pytest.mark.parametrize("body", [b"{}", b'{"body": 1}', b'{"body": null, "headers": {}}', b'{"body": ""}', b"{", b'{"body": "{}"}'])
def test_json_without_a_document_in_it_is_refused(channel: str, body: bytes) -> None:
    with pytest.raises(OrdermendError) as caught:
        discover()[channel].normalize((Document(body),))
    assert caught.value.field is not None
    assert caught.value.rule
