"""Write the order's note.

Arguments: the whole note, up to 2,000 characters in as many lines as wanted; null (or blank) for none. Moves no money.
Refused for a longer text, and for control characters other than the line feed.
"""

from modification_processor.operations.operation import Context, OperationRefused, OperationSpec, Touch
from modification_processor.operations.rows import inverse_of
from modification_processor.operations.texts import optional, settable
from normalizers.channel import Verb
from schemas.model import Model
from schemas.order import Order
from schemas.ticket import REASON_CODES, Operation

PATH = "/note"
MAX_CHARACTERS = 2000


class SetNote(Model):
    """The note as it shall read."""

    note: str | None


def touches(_order: Order, _arguments: SetNote) -> tuple[Touch, ...]:
    """The whole note: two halves from two people would be nobody's note."""
    return (Touch("notes", PATH),)


def reads(_order: Order, _arguments: SetNote) -> frozenset[str]:
    """Nothing beside the note it replaces."""
    return frozenset()


def apply(order: Order, arguments: SetNote, _context: Context) -> Order:
    """Return the order with the note set."""
    note = optional(arguments.note, PATH, MAX_CHARACTERS, line_feeds=True)
    if note == order.note:
        raise OperationRefused("no_change", "the note already reads so", field=PATH)
    return order.model_copy(update={"note": note})


def inverse(order: Order, _arguments: SetNote, _context: Context) -> tuple[Operation, ...]:
    """Set the former note back; none where it is a text that we would refuse."""
    return (inverse_of(OPERATION.name, SetNote(note=order.note)),) if settable(order.note, MAX_CHARACTERS, line_feeds=True) else ()


OPERATION = OperationSpec(
    name="set_note",
    version=1,
    arguments=SetNote,
    reasons=frozenset(REASON_CODES),
    touches=touches,
    reads=reads,
    money="none",
    bulk_safe=True,
    apply=apply,
    inverse=inverse,
    verb=Verb.NOTE,
)
