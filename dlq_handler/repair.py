"""What of a dead letter may be edited, and the message that an edit makes. Pure.

A ticket is edited as its fields, with each operation's arguments as an object; a fact as its fields; what intake made
of a document is edited as the document, `/body`: parsed where it is JSON, else its text. Ids, authors, times, payments
and whatever else says who did what when are locked: a patch that leaves one changed is refused with its path.

A repaired message is a new act: its actor is the operator, its `on_behalf_of` the first author.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from dlq_handler import patch
from dlq_handler.patch import Json, PatchRefused
from schemas.assertion import Actor
from schemas.codec import decode, encode
from schemas.facts import FulfillmentFact
from schemas.failures import OrdermendError
from schemas.repair import DOCUMENTS, DOOR, Repaired
from schemas.statement import RawDocument, Statement
from schemas.ticket import ModificationTicket

Normalise = Callable[[str, RawDocument], Sequence[tuple[str, Statement]]]
"""Intake's own normalising of a channel's document, handed over by the composition root."""
LOCKED: Mapping[str, tuple[str, ...]] = {
    "ModificationTicket": ("ticket_id", "order_id", "opened_at", "on_behalf_of", "undoes"),
    "FulfillmentFact": ("fact_id", "order_id", "kind", "payment", "at"),
}
"""Top-level fields that no repair changes, by record."""
NEEDS = frozenset({"DLQ_Operate"})
NEEDS_PAYLOAD = frozenset({"DLQ_Operate", "DLQ_Payload"})
"""Whoever sees a payload sees what a customer wrote: a right of its own."""
NEEDS_EDITED = frozenset({"DLQ_Operate", "Order_Modify"})
"""Whoever changes what a message says changes an order by it."""


class NotEditable(OrdermendError):
    """This kind of letter cannot be edited."""

    code = "not_editable"
    error_class = "BUSINESS_REJECT"


class FieldLocked(OrdermendError):
    """The patch changes a field that no repair may change."""

    code = "letter_field_locked"
    error_class = "BUSINESS_REJECT"


class View(NamedTuple):
    """A message as an operator edits it, and which of its fields are locked."""

    document: Json
    locked: tuple[str, ...]
    patch: str | None = None
    """What whoever has claimed it proposes."""
    text: str = ""
    """The document as a person edits it: JSON over several lines, or what a channel sent that is no JSON."""


def view(message: str, value: bytes) -> View:
    """Return the editable form of a record's bytes; `NotEditable` for what cannot be edited."""
    body = _decoded(message, value)
    if message in DOCUMENTS:
        return View({"body": _parsed(body.raw.body)}, ())
    document = patch.loads(body.model_dump_json())
    if isinstance(body, ModificationTicket):
        for operation in document["operations"]:
            operation["arguments"] = _arguments(operation["arguments"])
    return View(document, tuple(f"/{name}" for name in LOCKED[message]))


def text_of(message: str, document: Json) -> str:
    """Return an editable document as text; of a channel's document the document alone."""
    shown = document["body"] if message in DOCUMENTS else document
    return shown if isinstance(shown, str) else patch.pretty(shown)


def outline(message: str, value: bytes) -> str:
    """Return the shape of a record as text, every value hidden."""
    document = view(message, value).document
    shown = document["body"] if message in DOCUMENTS else document
    return f"{len(shown)} characters that are no JSON" if isinstance(shown, str) else patch.pretty(patch.masked(shown))


def patch_of(message: str, value: bytes, text: str) -> str:
    """Return the JSON Patch that makes of a record what a person typed over its text. Raises `PatchRefused`."""
    document = view(message, value).document
    before = document["body"] if message in DOCUMENTS else document
    if isinstance(before, str):
        after: Json = _with_line_ends(before, text)
    else:
        try:
            after = patch.loads(text)
        except (ValueError, RecursionError) as error:
            raise PatchRefused(f"the edited text is no JSON: {error}", rule="json") from None
    operations = patch.difference(before, after, "/body" if message in DOCUMENTS else "")
    if not operations:
        raise PatchRefused("the edited text says what the message says already", rule="operation_count")
    return patch.dumps(operations)


def _with_line_ends(before: str, text: str) -> str:
    """Return the text with the line ends of the document: a form of a browser has line feeds alone."""
    plain = before.replace("\r\n", "\n")
    if plain == before or "\r" in text:
        return text
    if plain.replace("\n", "\r\n") != before:
        raise PatchRefused(
            "the document has line ends of two kinds, which edited text loses: say the change as a JSON Patch", rule="line_ends"
        )
    return text.replace("\n", "\r\n")


def repaired(
    message: str, channel: str | None, value: bytes, first: Actor | None, operations: Sequence[Json], operator: Actor, normalise: Normalise
) -> Repaired:
    """Return the message after the patch, as it would be sent. `first`: who sent it before."""
    before = view(message, value)
    after = patch.apply(before.document, operations)
    _hold_locks(before, after)
    body = _decoded(message, value)
    if message in DOCUMENTS:
        raw = body.raw.with_(body=_unparsed(after), headers=body.raw.headers | {"repaired_by": operator.user_id})
        return Repaired(raw.body, operator, tuple(normalise(channel or "", raw)))
    author = None if first is None else first.user_id if first.door != DOOR else first.on_behalf_of
    actor = Actor(operator.user_id, operator.roles, DOOR, author)
    try:
        if isinstance(body, ModificationTicket):
            for operation in after["operations"]:
                operation["arguments"] = patch.dumps(operation["arguments"])
            made: ModificationTicket | FulfillmentFact = ModificationTicket.model_validate_json(patch.dumps(after)).with_(
                on_behalf_of=author
            )
        else:
            made = FulfillmentFact.model_validate_json(patch.dumps(after))
    except ValidationError as error:
        one = error.errors(include_input=False, include_url=False, include_context=False)[0]
        path = "/" + "/".join(str(part) for part in one["loc"])
        raise PatchRefused(f"after the patch {path} is not usable: {one['msg']}", field=path, rule=one["type"]) from None
    except (TypeError, KeyError):
        raise PatchRefused("after the patch /operations is no array of operations", field="/operations", rule="array") from None
    return Repaired(encode(made), actor)


def _hold_locks(before: View, after: Json) -> None:
    if not isinstance(after, dict):
        raise FieldLocked("the patch replaces the whole message by something else", field="", rule="locked.document")
    for path in before.locked:
        name = path[1:]
        if name not in after or not patch.equal(before.document[name], after[name]):
            raise FieldLocked(f"{path} is locked: a repair does not change it", field=path, rule=f"locked.{name}")


def _decoded(message: str, value: bytes) -> Any:
    if message not in DOCUMENTS and message not in LOCKED:
        raise NotEditable(f"a letter of kind {message} cannot be edited: discard it, or let its sender send it again")
    return decode(value)


def _arguments(text: str) -> Json:
    try:
        return patch.loads(text)
    except (ValueError, RecursionError):
        return text


def _parsed(body: bytes) -> Json:
    """Return the document parsed where writing it again loses nothing, else as text."""
    try:
        found = patch.loads(body)
        if isinstance(found, dict | list):
            return found
    except (ValueError, RecursionError):
        pass
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise NotEditable(f"the document is no UTF-8 text at byte {error.start}: its sender has to send it again") from None


def _unparsed(after: dict[str, Json]) -> bytes:
    if set(after) != {"body"}:
        raise PatchRefused("a document has one field, /body", field="", rule="body")
    body = after["body"]
    return body.encode() if isinstance(body, str) and not isinstance(body, patch.Number) else patch.dumps(body).encode()
