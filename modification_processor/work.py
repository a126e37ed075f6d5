"""A batch at work: what was loaded under the locks, and the rows that the decisions add up to.

`OrderWork` is one order as left by the messages handled so far; `Writes` collects rows and is written once, with
a handful of set-based statements.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from modification_processor.approvals import ApprovalRules, default_rules
from modification_processor.breakers import PROBE_AFTER, Breaking
from modification_processor.edit_rules import EditRules, default_edit_rules
from modification_processor.payment_plan import Pending
from modification_processor.recalls import OpenRecall
from modification_processor.reservations import Stock
from schemas.order import Order
from store import actions, breakers, catalogue, fetches, heads, history, inbox, letters, orders, outbox, stock, tickets
from store.actions import ActionRow, Aimed, Ended, Lowered
from store.database import Cursor
from store.fetches import Fetch
from store.heads import Head, Lane
from store.history import HistoryRow, RecentChange
from store.inbox import Received, Repeat
from store.letters import Attempt, Audit, Item, Letter, Parked
from store.orders import Origin, Statement, Written
from store.outbox import Outgoing
from store.sealing import KeyVault, OrderKey
from store.tickets import TicketRow

Row = TypeVar("Row")


@dataclass(slots=True)
class OrderWork:
    """One order under its lock."""

    head: Head
    order: Order | None
    statement_id: str
    lanes: dict[str, Lane]
    key: OrderKey | None = None
    recent: list[RecentChange] = field(default_factory=list)
    previous_raw: tuple[bytes, str] | None = None
    """The channel's previous statement: raw bytes and their hash."""
    pending: list[Pending] = field(default_factory=list)
    """Payment steps whose outcome is not known yet, in the order in which they were planned."""
    recalls: list[OpenRecall] = field(default_factory=list)
    """What the warehouse was asked to give back and has not answered."""
    fetch_planned: bool = False
    """Whether a fetch of the order is planned and nobody was asked yet."""
    taken_back: bool = False
    """Whether a payment request of the order was taken back, whole or in part."""
    stored: bool = True
    """False while version 1 is still to be inserted."""
    dirty: bool = False
    refind: bool = False
    """Whether what the order is found by may have changed."""
    document: str | None = None
    """The order as the book stores it, where that is at hand."""
    edits: int = 0
    edited: int = 0
    """Edits applied before this batch."""


@dataclass
class Writes:
    """Rows to write, in the order in which they were decided."""

    vault: KeyVault
    at: datetime
    rules: ApprovalRules = field(default_factory=default_rules)
    """The approval rules in force."""
    edit_rules: EditRules = field(default_factory=default_edit_rules)
    """The rules of windows and risk in force."""
    breaking: Breaking | None = None
    """The breakers, where they count."""
    keys: list[tuple[UUID, bytes]] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    repeats: list[Repeat] = field(default_factory=list)
    settled: list[tuple[UUID, str, str]] = field(default_factory=list)
    renamed: list[tuple[UUID, str, str]] = field(default_factory=list)
    """Messages received under the id of their place that can be read now: (order id, that id, their own)."""
    tickets: list[TicketRow] = field(default_factory=list)
    decided: list[TicketRow] = field(default_factory=list)
    history: list[HistoryRow] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)
    done: list[tuple[UUID, str, int]] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    audit: list[Audit] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)
    actions: list[ActionRow] = field(default_factory=list)
    fetches: list[Fetch] = field(default_factory=list)
    fetched: list[tuple[UUID, UUID]] = field(default_factory=list)
    """Fetches (order id, fetch id) whose order is stored now."""
    actions_ended: list[Ended] = field(default_factory=list)
    actions_aimed: list[Aimed] = field(default_factory=list)
    actions_lowered: list[Lowered] = field(default_factory=list)
    settled_tickets: list[tuple[UUID, UUID, str]] = field(default_factory=list)
    undone: list[tuple[UUID, UUID]] = field(default_factory=list)
    opened: list[tuple[UUID, str]] = field(default_factory=list)
    uses: dict[str, int] = field(default_factory=dict)
    """By how many each promotion's uses moved."""
    stock: Stock = field(default_factory=Stock)
    """What was looked up of stock, and what moved."""
    lanes: dict[tuple[UUID, str], Lane] = field(default_factory=dict)
    heads: dict[UUID, Head] = field(default_factory=dict)

    def key_of(self, work: OrderWork) -> OrderKey:
        """Return the order's key, unwrapped once, or made at first need."""
        if work.key is None:
            if work.head.wrapped_key is not None:
                work.key = self.vault.unwrap(work.head.order_id, bytes(work.head.wrapped_key))
            else:
                work.key = self.vault.create(work.head.order_id)
                work.head.wrapped_key = work.key.wrapped
                self.keys.append((work.head.order_id, work.key.wrapped))
        return work.key

    def flush_waiting(self, cursor: Cursor) -> None:
        """Write waiting messages, tickets and letters early, for a message of this batch that acts on them."""
        _write(cursor, letters.park, self.parked)
        _write(cursor, letters.bury, self.letters)
        _write(cursor, tickets.insert, self.tickets)
        _write(cursor, tickets.decide, self.decided)
        self.parked, self.letters, self.tickets, self.decided = [], [], [], []

    def flush_past(self, cursor: Cursor) -> None:
        """Write first versions, history and tickets early, for a message of this batch that reads them."""
        _write(cursor, heads.save_keys, self.keys)
        _write(cursor, orders.insert_origins, self.origins)
        _write(cursor, history.insert, self.history)
        self.keys, self.origins, self.history = [], [], []
        self.flush_waiting(cursor)

    def flush(self, cursor: Cursor, works: dict[UUID, OrderWork]) -> None:
        """Write everything: one statement per table that has rows."""
        changed = [work for work in works.values() if work.dirty]
        rows = [_written(work, work.order) for work in changed if work.order is not None and work.stored]
        new = [_written(work, work.order) for work in changed if work.order is not None and not work.stored]
        _write(cursor, heads.save_keys, self.keys)
        _write(cursor, orders.insert, new)
        _write(cursor, orders.update, rows)
        _write(cursor, orders.insert_origins, self.origins)
        _write(cursor, orders.insert_statements, self.statements)
        _write(cursor, history.insert, self.history)
        _write(cursor, tickets.insert, self.tickets)
        _write(cursor, tickets.decide, self.decided)
        _write(cursor, inbox.add, self.received)
        _write(cursor, inbox.add_repeats, self.repeats)
        _write(cursor, inbox.settle, self.settled)
        _write(cursor, inbox.rename, self.renamed)
        _write(cursor, letters.park, self.parked)
        _write(cursor, letters.bury, self.letters)
        _write(cursor, letters.attempts, self.attempts)
        _write(cursor, letters.open_items, self.items)
        _write(cursor, fetches.plan, self.fetches)
        _write(cursor, fetches.stored, self.fetched)
        _write(cursor, letters.record, self.audit)
        _write(cursor, heads.save, list(self.heads.values()))
        _write(cursor, outbox.add, self.outgoing)
        _write(cursor, tickets.mark_undone, self.undone)
        _write(cursor, actions.insert, self.actions)
        _write(cursor, actions.end, self.actions_ended)
        _write(cursor, actions.aim, self.actions_aimed)
        _write(cursor, actions.lower, self.actions_lowered)
        _write(cursor, tickets.settle, self.settled_tickets)
        if any(self.uses.values()):
            catalogue.move_uses(cursor, self.uses)
        _write(cursor, stock.hold, list(self.stock.changed.values()))
        if self.stock.promised or self.stock.left:
            stock.move(cursor, self.stock.promised, self.stock.left)
        if self.done:
            letters.set_status(cursor, self.done, "done")
        if self.lanes or self.opened:
            heads.save_lanes(cursor, list(self.lanes.values()), self.opened)
        if self.breaking is not None:
            _move(cursor, self.breaking)


def _written(work: OrderWork, order: Order) -> Written:
    return Written(order, work.head.version, work.statement_id, work.edits, work.refind, work.document)


def _move(cursor: Cursor, breaking: Breaking) -> None:
    if breaking.tripped:
        breakers.trip(cursor, breaking.tripped, PROBE_AFTER)
    if breaking.in_vain:
        breakers.postpone(cursor, breaking.in_vain, PROBE_AFTER)
    if breaking.closed:
        breakers.close(cursor, breaking.closed, "a message that fared well")


def _write(cursor: Cursor, write: Callable[[Cursor, list[Row]], None], rows: list[Row]) -> None:
    if rows:
        write(cursor, rows)
