"""The first edit of a process finds everything loaded: it would hold its order while it loads sixty modules."""

import subprocess
import sys

import pytest

from ordermend.bench.documents import CHANNEL, document
from tests.line import order_in

PROGRAM = """
import sys
from datetime import UTC, datetime

from modification_processor import load_what_edits_need, preview_for, read_operations
from modification_processor.door import _verbs
from modification_processor.operations.operation import Context
from modification_processor.outcomes import Refused
from modification_processor.preview import preview
from schemas.order import Order
from schemas.ticket import Operation

order = Order.model_validate_json(sys.stdin.read())
wanted = Operation(name="change_quantity", version=1, arguments='{"line_id": "%s", "quantity": 3}' % order.lines[0].line_id)
if sys.argv[1] == "loaded":
    load_what_edits_need()
before = set(sys.modules)
calls = read_operations((wanted,))
found = preview(order, 1, calls, "customer_request", frozenset(("Order_Modify",)), _verbs(order), Context(datetime.now(UTC), "t"))
assert not isinstance(found, Refused), found
print(len([name for name in sys.modules if name not in before and name.partition(".")[0] in ("modification_processor", "normalizers")]))
"""


@pytest.mark.parametrize(("how", "loads"), [("loaded", False), ("as it is", True)])
def test_the_first_edit_loads_nothing(how: str, *, loads: bool) -> None:
    order = order_in(document(3)[1], CHANNEL).model_copy(update={"lifecycle": "confirmed"})
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], input=order.model_dump_json(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert loads == (int(done.stdout) > 0)
