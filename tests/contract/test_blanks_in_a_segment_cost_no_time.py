"""An X12 segment of 100 KB of blanks and line breaks, whose terminator was left out, is read in well under a second."""

import time

from normalizers.x12_segments import _without_terminator


def test_a_run_of_blanks_is_looked_at_once() -> None:
    start = time.process_time()
    assert next(row.strip() for row in _without_terminator("PO1*1" + " \n" * 50_000 + "x", "*")).startswith("PO1*1")
    assert time.process_time() - start < 1


def test_a_segment_without_its_terminator_is_still_cut() -> None:
    assert list(_without_terminator("PO1*1*10 \n  PID*F\r\nCTT*1", "*")) == ["PO1*1*10", "PID*F", "CTT*1"]
