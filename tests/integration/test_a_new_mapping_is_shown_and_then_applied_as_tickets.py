"""A mapping is corrected: what it reads otherwise in stored documents is shown field by field, then applied as tickets, once.

What an agent changed since stays; what no operation says is named; an erased order is counted and left alone; bytes that are not the ones that
were kept are never read. Without a raised version nothing is sent.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest
from typer.testing import CliRunner

from intake.accept import RawRecord, statements
from intake.rules import discover as rules
from normalizers import discover
from normalizers.channel import Channel, Document, Result, StatedOrder
from ordermend import bootstrap
from ordermend.cli import build
from ordermend.commands.remap import rows_of
from ordermend.remapping import Normalise, Read, Remapping, Summary
from schemas.order import Order
from schemas.statement import RawDocument, Statement
from store.database import connect
from tests.conftest import Eventually
from tests.line import Line, shopify_order

SINCE = datetime(2020, 1, 1, tzinfo=UTC)
NOW = discover()["shopify"].mapping_version
NEXT = NOW + 1


def reading(correct: Callable[[Order], Order], version: int = NEXT) -> Channel:
    """Return Shopify's channel with a corrected mapping."""
    shopify = discover()["shopify"]

    def normalize(documents: tuple[Document, ...]) -> tuple[Result, ...]:
        return tuple(replace(r, order=correct(r.order)) if isinstance(r, StatedOrder) else r for r in shopify.normalize(documents))

    return replace(shopify, normalize=normalize, mapping_version=version)


def as_intake(channel: Channel) -> Normalise:
    def normalise(_name: str, raw: RawDocument) -> list[tuple[str, Statement]]:
        return statements(RawRecord(raw.topic, raw.partition, raw.offset, raw.key, raw.body, raw.headers), channel, rules())

    return normalise


def corrected(order: Order) -> Order:
    """Read a delivery method where none was read, the second line's quantity one higher, and one field more."""
    second = order.lines[1].with_(ordered=order.lines[1].ordered + 1, gross_basis=None)
    found: Order = order.with_(
        ship_method="Courier", lines=(order.lines[0], second), extensions={**order.extensions, "/seen": "1"}, bill_to=order.ship_to
    )
    return found


def remapping(line: Line, channel: Channel) -> Remapping:
    return replace(bootstrap.remapping(line.settings, "shopify"), normalise=as_intake(channel), version=channel.mapping_version)


def summed(reads: Sequence[Read]) -> Summary:
    summary = Summary()
    for read in reads:
        summary.add(read)
    return summary


def test_a_new_mapping_is_shown_and_then_applied_as_tickets(line: Line, eventually: Eventually) -> None:
    plain, edited, forgotten, restated = (line.state_order(shopify_order(number)) for number in (1, 2, 3, 4))
    eventually(lambda: line.one("select count(*) from orders") == 4, what="the orders")
    line.send_raw(shopify_order(4, updated="2026-11-02T10:00:00Z", note="ring"))
    ticket = line.ticket(edited.order_id, ("set_ship_method", {"method": "express"}))
    eventually(
        lambda: line.state(ticket) == "applied" and line.one("select count(*) from inbox where outcome = 'restated'") == 1,
        what="both changes",
    )
    processor = bootstrap.processor(line.settings)
    processor.erase(forgotten.order_id, "ana", "asked for")
    processor.close()

    same = summed(list(remapping(line, reading(lambda order: order)).run(SINCE, None, dry=True)))
    assert dict(same.outcomes) == {"same": 3, "erased": 1}

    again = remapping(line, reading(corrected))
    shown = list(again.run(SINCE, None, dry=True))
    assert line.one("select count(*) from submission") == 0, "a dry run sends nothing"
    of_plain = next(read for read in shown if read.standing.order_id == plain.order_id)
    rows = {row["path"]: (row["old"], row["new"], row["fate"]) for row in rows_of(of_plain, personal=False)}
    assert rows["/ship_method"] == (None, '"Courier"', "applied")
    assert rows["/lines/L102/ordered"] == ("1", "2", "applied")
    assert rows["/extensions/~1seen"] == (None, "(personal)", "left")
    of_edited = next(read for read in shown if read.standing.order_id == edited.order_id)
    assert of_edited.found is not None
    assert {leaf.path: leaf.fate for leaf in of_edited.found.leaves}["/ship_method"] == "kept"

    behind = list(remapping(line, reading(corrected, version=NOW)).run(SINCE, None, dry=False))
    assert {read.outcome for read in behind if read.found} == {"refused"}
    assert line.one("select count(*) from submission") == 0, "a mapping that says otherwise under its old version sends nothing"

    sent = summed(list(again.run(SINCE, None, dry=False)))
    assert (dict(sent.outcomes), sent.sent) == ({"differs": 3, "erased": 1}, 3)
    eventually(
        lambda: line.one("select count(*) from ticket where user_id = %s and state = 'applied'", f"mapping:{NEXT}") == 3,
        what="the corrections applied",
    )
    assert 0 == summed(list(again.run(SINCE, None, dry=False))).sent, "a second run sends nothing again"
    now = {order.order_id: line.order(order.order_id) for order in (plain, edited, restated)}
    assert [(order.ship_method, order.lines[1].open) for order in now.values() if order is not None] == [
        ("Courier", 2),
        ("express", 2),
        ("Courier", 2),
    ]
    causes = line.rows("select distinct cause_kind, user_id, reason_code from history where order_id = %s and version = 2", plain.order_id)
    assert causes == [("ticket", f"mapping:{NEXT}", "channel_change")]
    told = line.rows("select distinct a.port from action a join ticket t using (order_id, ticket_id) where t.door = 'mapping'")
    assert {port for (port,) in told} <= {"payment"}, "neither channel nor customer hears of it"
    assert line.findings() == ()


def test_bytes_that_are_not_those_that_were_kept_are_not_read(line: Line, eventually: Eventually, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        line.state_order(shopify_order(number))
    eventually(lambda: line.one("select count(*) from orders") == 2, what="the orders")
    one = line.one("select order_id from statement order by order_id limit 1")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        line.book.execute("update statement set raw_sha256 = 'x' where order_id = %s", (one,))
    with connect(str(line.settings.owner_database_url), line.settings.db_schema, autocommit=True) as owner:
        owner.execute("update statement set raw_sha256 = repeat('0', 64) where order_id = %s", (one,))
    found = {
        read.standing.order_id: (read.outcome, read.reason[:17]) for read in remapping(line, reading(corrected)).run(SINCE, None, dry=False)
    }
    assert found[one] == ("damaged", "the bytes hash to")
    assert sorted(outcome for outcome, _ in found.values()) == ["damaged", "differs"]
    assert line.one("select count(*) from submission where order_id = %s", one) == 0

    for name, value in environment(line).items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(build(), ["remap", "--channel", "shopify", "--since", "2020-01-01", "--dry-run", "--as", "json"])
    assert (1, ["damaged"]) == (done.exit_code, [row["fate"].partition(":")[0] for row in json.loads(done.stdout)]), done.output


def environment(line: Line) -> dict[str, str]:
    settings = line.settings
    return {
        "KAFKA_BOOTSTRAP_SERVERS": str(settings.kafka_bootstrap_servers),
        "DATABASE_URL": str(settings.database_url),
        "ORDERMEND_KEYS_DIR": str(settings.keys_dir),
        "ORDERMEND_HOME": str(settings.home),
        "ORDERMEND_TOPIC_PREFIX": settings.topic_prefix,
        "ORDERMEND_DB_SCHEMA": settings.db_schema,
    }
