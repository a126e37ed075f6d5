"""An order that is held for its totals is taken: its summary says so in the words a summary has, and names the hold."""

from normalizers import discover
from normalizers.channel import Document
from normalizers.summary import summarize


def test_a_total_far_from_its_rows_is_a_warning_with_a_hold() -> None:
    body = b'{"order_id": "A", "currency": "EUR", "lines": [{"quantity": 1, "unit_price": "1"}], "totals": {"grand_total": "9"}}'
    (result,) = discover()["generic"].normalize((Document(body),))
    told = summarize((result,))
    assert "accept_with_hold" == result.verdict
    assert ("accept_with_warning", ["totals_mismatch"]) == (told["verdict"], told["holds"])
    assert "totals_mismatch" in {row["rule"] for row in told["warnings"]}
