"""An order's past, read from its stored history: as placed, as of a version, between two versions, and why a total moved.

Nothing is decided again: version n is the first version's leaves with the history rows up to n folded in. Values whose
key was erased stay unreadable; everything else of such an order can still be read.
Money is explained by stored rows: their moves sum to the total's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from schemas.failures import OrdermendError
from schemas.leaves import Leaf, changed_leaves, fold, leaves, order_of
from schemas.order import Adjustment, Order, TaxRow
from store import history, orders, tickets
from store.database import Cursor
from store.history import HistoryRow
from store.sealing import KeyVault, OrderKey, Unsealable


class NoSuchVersion(OrdermendError):
    """The book has no such order, or the order no such version."""

    code = "no_such_version"
    error_class = "BUSINESS_REJECT"


@dataclass(frozen=True)
class Entry:
    """A history row, open. `leaf` is None where its values cannot be read any more."""

    row: HistoryRow
    leaf: Leaf | None


@dataclass(frozen=True)
class Past:
    """Everything an order ever was."""

    order_id: UUID
    first: Order
    placed_at: datetime
    entries: tuple[Entry, ...]
    operations: Mapping[str, str] = field(default_factory=dict)
    """Operations by the cause that history names: `ticket:<id>`."""

    @property
    def version(self) -> int:
        """The newest version."""
        return self.entries[-1].row.version if self.entries else 1


@dataclass(frozen=True)
class VersionNote:
    """What made a version: who, when, why, by what, and how many leaves it moved."""

    version: int
    cause_kind: str
    cause_id: str
    user_id: str
    role: str
    reason_code: str | None
    at: datetime
    leaves: int
    operations: str = ""
    """What the ticket asked for, where one made it."""


@dataclass(frozen=True)
class Difference:
    """A leaf that differs between two versions, with the row that changed it last."""

    path: str
    old: str | None
    new: str | None
    last: HistoryRow


@dataclass(frozen=True)
class Move:
    """How much one stored row moved the grand total, in minor units; the moves of two versions sum to the whole."""

    path: str
    what: str
    minor: int


def load(cursor: Cursor, vault: KeyVault, order_id: UUID) -> Past:
    """Read an order's past. Raises `NoSuchVersion` where the book has no such order."""
    found = orders.origin(cursor, order_id)
    if found is None:
        raise NoSuchVersion(f"the book has no order {order_id}", field="/order_id", rule="order_exists", value=str(order_id))
    origin, wrapped = found
    key = vault.unwrap(order_id, wrapped) if wrapped else None
    first = orders.first_version(origin, key)
    entries = tuple(Entry(row, _opened(row, key)) for row in history.read(cursor, order_id))
    return Past(order_id, first, origin.accepted_at, entries, tickets.operations_of(cursor, order_id))


def _opened(row: HistoryRow, key: OrderKey | None) -> Leaf | None:
    try:
        return Leaf(row.path, _plain(row.old, row, key), _plain(row.new, row, key))
    except Unsealable:
        return None


def _plain(value: bytes | None, row: HistoryRow, key: OrderKey | None) -> str | None:
    if value is None:
        return None
    if not row.sealed:
        return bytes(value).decode()
    if key is None:
        raise Unsealable(row.path)
    return key.open(bytes(value), row.path).decode()


def as_of(past: Past, version: int) -> Order:
    """Return the order as of `version`. Raises `NoSuchVersion` outside 1 to the newest."""
    if not 1 <= version <= past.version:
        message = f"order {past.order_id} has versions 1 to {past.version}, not {version}"
        raise NoSuchVersion(message, field="/version", rule="version_exists", value=str(version))
    if version == 1:
        return past.first
    state, _ = fold(leaves(past.first), [entry.leaf for entry in past.entries if entry.row.version <= version and entry.leaf])
    return order_of(state)


def versions(past: Past) -> tuple[VersionNote, ...]:
    """Return what made each version after the first, oldest first."""
    counts: dict[int, int] = {}
    rows: dict[int, HistoryRow] = {}
    for entry in past.entries:
        counts[entry.row.version] = counts.get(entry.row.version, 0) + 1
        # A restatement of which a ticket is kept reads like that edit; the rest of it is the statement's.
        if entry.row.version not in rows or (entry.row.cause_kind == "ticket" != rows[entry.row.version].cause_kind):
            rows[entry.row.version] = entry.row
    return tuple(
        VersionNote(
            version, r.cause_kind, r.cause_id, r.user_id, r.role, r.reason_code, r.at, counts[version], past.operations.get(r.cause_id, "")
        )
        for version, r in rows.items()
    )


def between(past: Past, older: int, newer: int) -> tuple[Difference, ...]:
    """Return every leaf that differs between two versions, with who changed it last."""
    found = changed_leaves(as_of(past, older), as_of(past, newer))
    last = {entry.row.path: entry.row for entry in past.entries if older < entry.row.version <= newer}
    return tuple(Difference(leaf.path, leaf.old, leaf.new, last[leaf.path]) for leaf in found)


def why(past: Past, older: int, newer: int) -> tuple[Move, ...]:
    """Return the rows that moved the grand total between two versions; they sum to the whole move."""
    return moves(as_of(past, older), as_of(past, newer))


def moves(before: Order, after: Order) -> tuple[Move, ...]:
    """Return, for each stored row, how much it moved the grand total; rows that moved nothing are left out."""
    old, new = dict(_parts(before)), dict(_parts(after))
    paths = [*new, *(path for path in old if path not in new)]
    gone = (0, "")
    return tuple(
        Move(path, new.get(path, old.get(path, gone))[1], amount)
        for path in paths
        if (amount := new.get(path, gone)[0] - old.get(path, gone)[0])
    )


def _parts(order: Order) -> Iterable[tuple[str, tuple[int, str]]]:
    """Yield (path, (what it adds to the grand total, what it is)) for every row that counts."""
    for line in order.lines:
        yield f"/lines/{line.line_id}/gross_minor", (line.gross_minor, f"{line.open} x {line.sku or line.name}")
    for row in order.adjustments:
        yield f"/adjustments/{row.adjustment_id}/amount_minor", (_signed(row), f"{row.kind} {row.code or row.label}".strip())
    for tax in order.taxes:
        if not tax.included:
            yield f"/taxes/{tax.tax_id}/amount_minor", (tax.amount_minor, _named(tax))


def _signed(row: Adjustment) -> int:
    return -row.amount_minor if row.kind == "discount" else row.amount_minor


def _named(row: TaxRow) -> str:
    return f"{row.title or 'tax'} {row.rate or ''} on {row.line_id or row.adjustment_id or 'the order'}".replace("  ", " ")
