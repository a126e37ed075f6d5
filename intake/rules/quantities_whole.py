"""Half a piece cannot be picked: a quantity that is no whole number of a unit that is counted waits in quarantine.

A unit is counted where the line says so (UN/CEFACT recommendation 20, revision 17, and X12 data element 355; read 2026-11-28), or where it says
nothing and the channel states pieces.
"""

from intake.rules.rule import Rule, declared, to_fulfil
from normalizers.channel import StatedOrder
from schemas.order import OrderLine
from schemas.statement import Finding

COUNTED = frozenset({"EA", "EACH", "PCE", "PC", "PCS", "C62", "H87", "NAR", "NMB", "SET", "PR", "PIECE", "UNIT"})


def check(stated: StatedOrder) -> Finding | None:
    """Complain about the first line of a part of a piece."""
    # First the lines: nearly every order is done here.
    divided = [(index, line) for index, line in enumerate(stated.order.lines) if line.quantity_exponent > 0]
    for index, line in divided if divided and to_fulfil(stated) else ():
        if _is_counted(line, stated):
            return Finding(
                path=f"/lines/{index}/ordered",
                rule="quantities_whole",
                message=f"line {line.line_id} orders a part of a piece",
                value=f"{line.ordered}e-{line.quantity_exponent}",
            )
    return None


def _is_counted(line: OrderLine, stated: StatedOrder) -> bool:
    unit = line.unit_of_measure
    return declared(stated).counts_pieces if unit is None else unit.upper() in COUNTED


RULE = Rule(name="quantities_whole", mode="enforce", verdict="quarantine", owner="order-operations", check=check)
