"""An agent corrects an address, then the channel restates the order.

An unrelated change merges; a change of the same part is held as a conflict; an older statement counts as stale; the
same one again as a duplicate. What merged reads like an edit of the channel's: operations, and a cause for each leaf.
"""

from modification_processor.past import load, versions
from ordermend import bootstrap
from store.sealing import KeyVault
from tests.conftest import Eventually
from tests.line import Line, shopify_order

ADDRESS = {"name": "Ida Example", "lines": ["2 Low Road"], "city": "York", "postal_code": "YO1 1AA", "country": "GB"}


def test_a_restatement_never_undoes_an_agents_edit(line: Line, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(1008))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    ticket = line.ticket(order.order_id, ("set_ship_address", ADDRESS), reason="address_correction")
    eventually(lambda: line.state(ticket) == "applied", what="the correction applied")

    newer = shopify_order(1008, updated="2026-11-02T10:00:00Z", note="ring twice")
    line.send_raw(newer)
    line.send_raw(newer)
    line.send_raw(shopify_order(1008, updated="2026-10-01T10:00:00Z", note="old news"))
    elsewhere = {"name": "Ida", "address1": "9 Hill", "city": "Hull", "zip": "HU1 1AA", "country_code": "GB", "province_code": None}
    line.send_raw(shopify_order(1008, updated="2026-11-03T10:00:00Z", note="ring twice", shipping_address=elsewhere))
    eventually(lambda: line.one("select count(*) from work_item where kind = 'channel_conflict'") == 1, what="the conflict's work item")

    words = dict(line.rows("select outcome, count(*) from inbox where message = 'OrderStated' group by outcome"))
    assert {"accepted": 1, "restated": 2, "duplicate": 1, "stale": 1} == words
    held = line.order(order.order_id)
    assert held is not None
    assert held.ship_to is not None
    assert "York" == held.ship_to.city
    assert "ring twice" == held.note
    assert ["channel"] == [hold.kind for hold in held.holds]
    assert () == line.findings()


def test_a_restatement_reads_like_an_edit_of_the_channels(line: Line, eventually: Eventually) -> None:
    order = line.state_order(shopify_order(1009))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    lines = (("SKU-A", 3, "10.00"), ("SKU-B", 1, "5.50"), ("SKU-C", 2, "7.25"))
    newer = shopify_order(1009, lines=lines, updated="2026-11-02T10:00:00Z", note="ring twice", custom_field="kept")
    line.send_raw(newer)
    line.send_raw(newer)
    line.send_raw(shopify_order(1009, lines=lines, updated="2026-11-03T10:00:00Z", note="ring twice", custom_field="changed"))
    eventually(lambda: line.one("select count(*) from inbox where outcome = 'restated'") == 2, what="both restatements")

    kept = line.rows("select state, user_id, door, reason_code, operations, new_version from ticket")
    assert kept == [("applied", "channel:shopify", "restatement", "channel_change", "set_note change_quantity add_line", 2)]
    cause = "select cause_kind, derived from history where order_id = %s and version = 2 and path = %s"
    causes = {
        path: line.rows(cause, order.order_id, path)
        for path in (
            "/note",
            "/lines/L100901/ordered",
            "/lines/L100901/gross_minor",
            "/lines/L100903/sku",
            "/totals/grand_total_minor",
            "/stated_totals/grand_total_minor",
        )
    }
    assert causes == {
        "/note": [("ticket", False)],
        "/lines/L100901/ordered": [("ticket", False)],
        "/lines/L100901/gross_minor": [("ticket", True)],
        "/lines/L100903/sku": [("ticket", False)],
        "/totals/grand_total_minor": [("ticket", True)],
        "/stated_totals/grand_total_minor": [("statement", False)],
    }
    with bootstrap.connector(line.settings, "past")() as connection, connection.cursor() as cursor:
        notes = versions(load(cursor, KeyVault.load(line.settings.keys_dir), order.order_id))
    assert next((note.version, note.user_id, note.reason_code, note.operations) for note in notes) == (
        2, "channel:shopify", "channel_change", "set_note change_quantity add_line",
    )  # fmt: skip
    assert () == line.findings()
