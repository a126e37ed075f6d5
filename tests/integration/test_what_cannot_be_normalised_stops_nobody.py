"""Broken documents arrive between good ones. Each becomes a dead letter with its reason; every good order is accepted."""

from tests.conftest import Eventually
from tests.line import Line, shopify_order

BROKEN = (b"{cut short", b"\xff\xfe\x00", b'{"id": 1, "id": 2}', b"[" * 100_000, b"null", b"")


def test_what_cannot_be_normalised_stops_nobody(line: Line, eventually: Eventually) -> None:
    for number, body in enumerate(BROKEN):
        line.send_raw(shopify_order(2000 + number))
        line.send_raw(body)
    eventually(lambda: line.one("select count(*) from orders") == len(BROKEN), what="every good order accepted")
    eventually(lambda: line.one("select count(*) from dead_letter") == len(BROKEN), what="every broken one a letter")

    rows = line.rows("select message, stage, detail, channel from dead_letter")
    assert {("IntakeFailed", "intake", "shopify")} == {(message, stage, channel) for message, stage, _, channel in rows}
    assert all(detail for _, _, detail, _ in rows)
    assert 0 == line.one("select count(*) from lane")
    eventually(lambda: line.one("select count(*) from outbox where sent_at is null") == 0, what="the copies sent")
    assert () == line.findings()


def test_a_whole_restatement_supersedes_a_broken_one(line: Line, eventually: Eventually) -> None:
    """A broken document with a readable key blocks that order's changes only until the channel states it whole."""
    body = shopify_order(2100)
    line.send_raw(body, key=b"2100")
    line.send_raw(b"{cut short", key=b"2100")
    eventually(lambda: line.one("select count(*) from lane where state = 'blocked'") == 1, what="the closed lane")
    line.send_raw(shopify_order(2100, updated="2026-11-05T10:00:00Z", note="whole again"), key=b"2100")
    eventually(lambda: line.one("select count(*) from lane") == 0, what="the lane open again")

    assert [("superseded",)] == line.rows("select status from dead_letter")
    # The same lane once more: numbers of parked messages never come again.
    line.send_raw(b"{cut short again", key=b"2100")
    eventually(lambda: line.one("select count(*) from lane where state = 'blocked'") == 1, what="the lane closed again")
    line.send_raw(shopify_order(2100, updated="2026-11-06T10:00:00Z", note="and again"), key=b"2100")
    eventually(lambda: line.one("select count(*) from lane") == 0, what="the lane open again")
    assert [1, 2] == [seq for (seq,) in line.rows("select seq from parked order by seq")]
    assert () == line.findings()
