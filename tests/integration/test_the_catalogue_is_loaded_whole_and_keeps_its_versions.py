"""Catalogue files are loaded from the command line while edits flow; an order keeps the version it was edited under.

The same file again changes nothing, a changed one makes a version, and a file with a problem changes nothing at all.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import Eventually
from tests.line import Line, shopify_order

HEADER = "code,currency,kind,percent,label\n"


def load(line: Line, file: Path, kind: str) -> subprocess.CompletedProcess[str]:
    settings = line.settings
    environment = {
        **os.environ,
        "ORDERMEND_HOME": str(settings.home),
        "ORDERMEND_KEYS_DIR": str(settings.keys_dir),
        "ORDERMEND_DB_SCHEMA": settings.db_schema,
        "KAFKA_BOOTSTRAP_SERVERS": str(settings.kafka_bootstrap_servers),
        "DATABASE_URL": str(settings.database_url),
    }
    call = [sys.executable, "-m", "ordermend", "catalogue", "load", str(file), "--kind", kind]
    return subprocess.run(call, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_a_new_version_prices_new_edits_and_leaves_the_old_ones_as_they_are(line: Line, eventually: Eventually, tmp_path: Path) -> None:
    first, second = (line.state_order(shopify_order(number)) for number in (960_001, 960_002))
    eventually(lambda: line.one("select count(*) from orders") == 2, what="the orders in the book")
    file = tmp_path / "promotions.csv"
    file.write_text(HEADER + "SPRING,GBP,percent,10,Spring\n")
    assert "1 new, 0 changed, 0 as they were" in load(line, file, "promotions").stdout
    assert "0 new, 0 changed, 1 as they were" in load(line, file, "promotions").stdout
    early = line.ticket(first.order_id, ("apply_promotion", {"code": "SPRING"}), reason="goodwill")
    eventually(lambda: line.state(early) == "applied", what="the early edit applied")

    file.write_text(HEADER + "SPRING,GBP,percent,20,Spring\n")
    assert "0 new, 1 changed, 0 as they were" in load(line, file, "promotions").stdout
    late = line.ticket(second.order_id, ("apply_promotion", {"code": "SPRING"}), reason="goodwill")
    eventually(lambda: line.state(late) == "applied", what="the late edit applied")
    orders = [line.order(order.order_id) for order in (first, second)]
    assert [255, 510] == [order.totals.discount_minor for order in orders if order is not None]
    assert [1, 2] == [order.adjustments[-1].promotion_version for order in orders if order is not None]

    file.write_text(HEADER + "OTHER,GBP,percent,5,Other\nSPRING,GBP,percent,101,Spring\n")
    refused = load(line, file, "promotions")
    assert (2, True) == (refused.returncode, "promotions.csv:3: column percent: rule percent: value '101'" in refused.stderr)
    assert [2] == [row[0] for row in line.rows("select max(version) from catalogue_entry where key = 'SPRING'")]
    assert 0 == line.one("select count(*) from catalogue_entry where key = 'OTHER'")
    assert () == line.findings()


def test_counts_are_loaded_beside_it_and_what_was_promised_stands(line: Line, eventually: Eventually, tmp_path: Path) -> None:
    order = line.state_order(shopify_order(960_003))
    eventually(lambda: line.order(order.order_id), what="the order in the book")
    file = tmp_path / "stock.csv"
    head = "sku,location,on_hand,incoming,incoming_at,backorder\n"
    file.write_text(head + "SKU-A,LEEDS,9,20,2027-01-05T00:00:00Z,no\nSKU-C,YORK,3,,,yes\n")
    assert "stock.csv: 2 new, 0 changed, 0 as they were" in load(line, file, "stock").stdout
    file.write_text(head + "SKU-A,LEEDS,7,20,2027-01-05T00:00:00Z,no\nSKU-C,YORK,3,,,yes\n")
    assert "stock.csv: 0 new, 1 changed, 1 as they were" in load(line, file, "stock").stdout
    assert [("SKU-A", 7, 2), ("SKU-C", 3, 0)] == line.rows("select sku, on_hand, reserved from stock order by sku")

    file.write_text(head + "SKU-A,LEEDS,5,20,,no\nSKU-A,YORK,-1,,,no\n")
    refused = load(line, file, "stock")
    assert (2, 2) == (refused.returncode, len([row for row in refused.stderr.splitlines() if "rule" in row]))
    assert "stock.csv:2: column incoming_at: rule incoming_with_date" in refused.stderr
    assert 7 == line.one("select on_hand from stock where sku = 'SKU-A'")
    assert () == line.findings()
