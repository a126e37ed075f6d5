"""Correct whom we write to about the order.

Arguments: the fields to set (null leaves a field as it is) and the fields to clear. Moves no money.
Refused for an e-mail address without one "@" and a dot behind it, and for text that is too long or has
control characters.
"""

from typing import Literal

from modification_processor.operations.operation import Context, OperationRefused, OperationSpec, Touch
from modification_processor.operations.rows import inverse_of
from modification_processor.operations.texts import required
from schemas.model import Model
from schemas.order import Order
from schemas.ticket import Operation

Field = Literal["name", "email", "phone"]
FIELDS: tuple[Field, ...] = ("name", "email", "phone")


class SetContact(Model):
    """What to set; null leaves the field as it is. `clear` names fields that shall be empty."""

    name: str | None = None
    email: str | None = None
    phone: str | None = None
    clear: tuple[Field, ...] = ()


def _given(arguments: SetContact) -> tuple[Field, ...]:
    return tuple(name for name in FIELDS if getattr(arguments, name) is not None or name in arguments.clear)


def touches(_order: Order, arguments: SetContact) -> tuple[Touch, ...]:
    """One leaf for each field given, so that two people may correct two fields."""
    return tuple(Touch("contact", f"/contact/{name}") for name in _given(arguments))


def reads(_order: Order, _arguments: SetContact) -> frozenset[str]:
    """Nothing beside the fields it writes."""
    return frozenset()


def apply(order: Order, arguments: SetContact, _context: Context) -> Order:
    """Return the order with the given fields set."""
    changes: dict[str, str | None] = {name: _value(arguments, name) for name in _given(arguments)}
    contact = order.contact.model_copy(update=changes)
    if contact == order.contact:
        raise OperationRefused("no_change", "the contact already reads so", field="/contact")
    return order.model_copy(update={"contact": contact})


def _value(arguments: SetContact, name: Field) -> str | None:
    path = f"/contact/{name}"
    text: str | None = getattr(arguments, name)
    if text is None:
        return None
    if name in arguments.clear:
        raise OperationRefused("set_and_cleared", f"{path} cannot be set and cleared at once", field=path)
    required(text, path)
    if name == "email":
        _check_email(text, path)
    return text


def _check_email(text: str, path: str) -> None:
    local, at, domain = text.partition("@")
    if not (local and at and "@" not in domain and "." in domain.strip(".")) or " " in text:
        raise OperationRefused("bad_email", f'{path} needs one "@" and a dot behind it', field=path)


def inverse(order: Order, arguments: SetContact, _context: Context) -> tuple[Operation, ...]:
    """Set the same fields back; those that were empty are cleared."""
    old: dict[str, str | None] = {name: getattr(order.contact, name) for name in _given(arguments)}
    clear = tuple(name for name in _given(arguments) if old[name] is None)
    return (inverse_of(OPERATION.name, SetContact(name=old.get("name"), email=old.get("email"), phone=old.get("phone"), clear=clear)),)


OPERATION = OperationSpec(
    name="set_contact",
    version=1,
    arguments=SetContact,
    reasons=frozenset({"customer_request", "address_correction", "entry_error", "channel_change"}),
    touches=touches,
    reads=reads,
    money="none",
    bulk_safe=False,
    apply=apply,
    inverse=inverse,
    verb=None,
)
