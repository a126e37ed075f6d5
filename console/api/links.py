"""What can be asked next, with what an answer said: the links of the OpenAPI document.

A client generator, or a tester, reads from them how calls follow one another: a preview is sent as a ticket, a ticket's outcome is read, an applied ticket
is taken back. Names are those of the routes' functions, which are the document's operation ids; with a link that names what is not there,
no document is made.
Source: OpenAPI Specification 3.1.0, "Link Object" and "Runtime Expressions", read 2026-11-29.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

ORDER: Final = {"order_id": "$request.path.order_id"}
FIRST_ORDER: Final = {"order_id": "$response.body#/items/0/order_id"}
TICKET: Final = {**ORDER, "ticket_id": "$response.body#/ticket_id"}
FIRST_TICKET: Final = {**ORDER, "ticket_id": "$response.body#/items/0/ticket_id"}
WAITING: Final = {"order_id": "$response.body#/items/0/ticket/order_id", "ticket_id": "$response.body#/items/0/ticket/ticket_id"}
BULK: Final = {"bulk_id": "$response.body#/bulk_id"}
FIRST_BULK: Final = {"bulk_id": "$response.body#/items/0/bulk_id"}
REPLAY: Final = {"replay_id": "$response.body#/replay_id"}
LETTER: Final = {"letter_id": "$response.body#/items/0/letter_id"}
SAME_LETTER: Final = {"letter_id": "$request.path.letter_id"}


class Link(NamedTuple):
    """`target` may be asked after `source` answered with `status`, with these parameters and this body from that exchange."""

    source: str
    status: str
    target: str
    parameters: Mapping[str, str]
    body: Mapping[str, str] | None = None


def _each(source: str, status: str, targets: str, parameters: Mapping[str, str]) -> tuple[Link, ...]:
    return tuple(Link(source, status, target, parameters) for target in targets.split())


LINKS: Final[tuple[Link, ...]] = (
    *_each("find_orders", "200", "read_order read_modes read_history read_versions list_tickets preview", FIRST_ORDER),
    Link("read_order", "200", "preview", ORDER),
    Link("read_order", "200", "read_version", {**ORDER, "version": "$response.body#/version"}),
    Link("read_order", "200", "read_diff", {**ORDER, "older": "$response.body#/version", "newer": "$response.body#/newest"}),
    Link(
        "preview", "200", "submit_ticket", ORDER,
        {
            "operations": "$request.body#/operations",
            "reason_code": "$request.body#/reason_code",
            "base_version": "$response.body#/version",
            "preview_hash": "$response.body#/preview_hash",
        },
    ),
    *_each("submit_ticket", "202", "read_ticket read_effects cancel_ticket review_ticket undo_ticket", TICKET),
    *_each("undo_ticket", "202", "read_ticket undo_ticket", TICKET),
    *_each("list_tickets", "200", "read_ticket undo_ticket", FIRST_TICKET),
    *_each("list_approvals", "200", "read_effects review_ticket", WAITING),
    *_each("start_bulk_edit", "202", "read_bulk_edit list_outcomes export_outcomes pause_bulk_edit cancel_bulk_edit undo_bulk_edit", BULK),
    *_each("pause_bulk_edit", "200", "resume_bulk_edit", BULK),
    *_each("undo_bulk_edit", "202", "read_bulk_edit", BULK),
    *_each("list_bulk_edits", "200", "read_bulk_edit", FIRST_BULK),
    Link("list_stock", "200", "read_stock", {"sku": "$response.body#/items/0/sku"}),
    *_each("list_letters", "200", "read_letter read_work read_outline try_letter claim_letter", LETTER),
    *_each("claim_letter", "200", "note_letter assign_letter replay_letter release_letter", SAME_LETTER),
    Link("list_causes", "200", "prepare_bulk_replay", {}, {"fingerprint": "$response.body#/items/0/fingerprint"}),
    *_each("prepare_bulk_replay", "201", "read_bulk_replay approve_bulk_replay run_bulk_replay pause_bulk_replay", REPLAY),
)  # fmt: skip


def add_links(document: dict[str, Any]) -> None:
    """Add the links to an OpenAPI document; raise KeyError where one names an operation or an answer that is not in it."""
    operations = dict(_operations(document))
    for link in LINKS:
        operations[link.target]
        said = {"operationId": link.target, "parameters": dict(link.parameters)}
        if link.body is not None:
            said["requestBody"] = dict(link.body)
        operations[link.source]["responses"][link.status].setdefault("links", {})[link.target] = said


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in document["paths"].values():
        for operation in path.values():
            yield operation["operationId"], operation
