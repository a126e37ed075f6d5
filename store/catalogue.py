"""The embedded catalogue: versioned entries in the book's own database, read in sets, and the uses of promotions.

An entry is written once and never changed; what is in force is the newest version under its key. Saving what is in
force already changes nothing. Uses of promotions that have (or had) a limit are counted in the transaction that moves
them, under a row lock taken in the order of the codes; `BookCatalogue` is what the processor reads it all through.
"""

from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID, uuid4

from schemas.catalogue import ANY, KIND_OF, MODEL_OF, Entry, Kind, PriceEntry, ProductEntry, Promotion, TaxRates, key_of
from schemas.failures import OrdermendError
from schemas.stock import Reservation, Shelf
from store import stock
from store.database import Cursor


class CatalogueInvalid(OrdermendError):
    """The entries contradict the catalogue as it is."""

    code = "catalogue_invalid"
    error_class = "SEMANTIC"


class Saved(NamedTuple):
    """How many entries a load brought: under new keys, as new versions, and as they were."""

    added: int
    changed: int
    unchanged: int


class Version(NamedTuple):
    """One version of an entry."""

    kind: Kind
    key: str
    scope: str
    version: int
    entry: Entry


def save(cursor: Cursor, entries: Sequence[Entry], name: str = "", content: bytes = b"") -> Saved:
    """Store entries as new versions where they differ from what is in force; `name` and `content` say where they are from.

    All or nothing, with the caller's transaction. Raises `CatalogueInvalid` where one code would be in every currency
    and in one.
    """
    cursor.execute("select pg_advisory_xact_lock(hashtext(current_schema() || ':catalogue'))")
    current = {(v.kind, v.key, v.scope): v for v in _newest(cursor, {(KIND_OF[type(e)], key_of(e)[0]) for e in entries})}
    wanted = {(KIND_OF[type(entry)], *key_of(entry)): entry for entry in entries}
    _check_currencies({(key, scope) for kind, key, scope in (*current, *wanted) if kind == "promotion"})
    rows: list[Version] = []
    for (kind, key, scope), entry in wanted.items():
        old = current.get((kind, key, scope))
        version = old.version + 1 if old else 1
        if old is None or _unnumbered(old.entry) != _unnumbered(entry):
            rows.append(Version(kind, key, scope, version, _numbered(entry, version)))
    if rows:
        _count_from_now_on(cursor, {row.key for row in rows if isinstance(row.entry, Promotion) and row.entry.limit is not None})
        _insert(cursor, rows, name, content)
    added = sum(row.version == 1 for row in rows)
    return Saved(added, len(rows) - added, len(wanted) - len(rows))


def _numbered(entry: Entry, version: int) -> Entry:
    return entry.model_copy(update={"version": version}) if isinstance(entry, Promotion) else entry


def _unnumbered(entry: Entry) -> Entry:
    return _numbered(entry, 0)


def _check_currencies(keys: Collection[tuple[str, str]]) -> None:
    for code in sorted({code for code, currency in keys if currency == ANY}):
        others = sorted(currency for known, currency in keys if known == code and currency != ANY)
        if others:
            message = f"promotion {code} cannot be in every currency (*) and in {', '.join(others)}"
            raise CatalogueInvalid(message, field="currency", rule="every_currency_or_each", value=code)


def _insert(cursor: Cursor, rows: Sequence[Version], name: str, content: bytes) -> None:
    load_id = uuid4()
    cursor.execute(
        "insert into catalogue_load (load_id, name, sha256, entries) values (%s, %s, %s, %s)",
        (load_id, name, sha256(content).digest(), len(rows)),
    )
    cursor.execute(
        """insert into catalogue_entry (kind, key, scope, version, doc, load_id)
           select *, %b::uuid from unnest(%b::text[], %b::text[], %b::text[], %b::int[], %b::json[])""",
        (load_id, *map(list, zip(*((r.kind, r.key, r.scope, r.version, r.entry.model_dump_json(exclude_defaults=True)) for r in rows),
                                 strict=True))),
    )  # fmt: skip


def _count_from_now_on(cursor: Cursor, codes: Collection[str]) -> None:
    """Give promotions that get their first limit a counter; one that was in force without has its uses counted in the book.

    The lock keeps orders from being written between the count and the counter.
    """
    new = sorted(set(codes) - uses(cursor, codes).keys())
    if not new:
        return
    known = cursor.execute("select distinct key from catalogue_entry where kind = 'promotion' and key = any(%b)", (new,)).fetchall()
    used: dict[str, int] = {}
    if known:
        cursor.execute("lock table orders in share mode")
        cursor.execute(
            """select a.value ->> 'code', count(*) from orders o cross join json_array_elements(o.doc -> 'adjustments') a
                where o.lifecycle <> 'cancelled' and a.value ->> 'promotion_version' is not null and a.value ->> 'code' = any(%b) group by 1""",
            ([code for (code,) in known],),
        )
        used = dict(cursor.fetchall())
    cursor.execute(
        "insert into promotion_usage (code, used) select * from unnest(%b::text[], %b::bigint[])",
        (new, [used.get(code, 0) for code in new]),
    )


def _newest(cursor: Cursor, wanted: Collection[tuple[Kind, str]]) -> list[Version]:
    cursor.execute(
        """select distinct on (e.kind, e.key, e.scope) e.kind, e.key, e.scope, e.version, e.doc::text
             from catalogue_entry e join unnest(%b::text[], %b::text[]) w(kind, key) on w.kind = e.kind and w.key = e.key
            order by e.kind, e.key, e.scope, e.version desc""",
        ([kind for kind, _ in wanted], [key for _, key in wanted]),
    )
    return [_version(row) for row in cursor.fetchall()]


def _version(row: tuple[Kind, str, str, int, str]) -> Version:
    kind, key, scope, version, text = row
    return Version(kind, key, scope, version, MODEL_OF[kind].model_validate_json(text))


def versions(cursor: Cursor, kind: Kind | None = None, key: str | None = None, *, every: bool = False) -> list[Version]:
    """Return what is in force, or every version, by kind, key and version; for people to look at."""
    cursor.execute(
        f"""select {"" if every else "distinct on (kind, key, scope)"} kind, key, scope, version, doc::text from catalogue_entry
            where (%b::text is null or kind = %b) and (%b::text is null or key = %b) order by kind, key, scope, version desc""",
        (kind, kind, key, key),
    )
    return [_version(row) for row in cursor.fetchall()]


def uses(cursor: Cursor, codes: Collection[str]) -> dict[str, int]:
    """Return how often promotions are used, of those that are counted."""
    cursor.execute("select code, used from promotion_usage where code = any(%b)", (list(codes),))
    return dict(cursor.fetchall())


def lock_uses(cursor: Cursor, codes: Collection[str]) -> dict[str, int]:
    """Return the same and lock it until the transaction ends: whoever wants the last use waits and then sees it gone."""
    cursor.execute("select code, used from promotion_usage where code = any(%b) order by code for update", (list(codes),))
    return dict(cursor.fetchall())


def move_uses(cursor: Cursor, moved: Mapping[str, int]) -> None:
    """Count uses up or down, for the promotions that are counted."""
    lock_uses(cursor, moved)
    cursor.execute(
        "update promotion_usage p set used = p.used + u.moved from unnest(%b::text[], %b::bigint[]) u(code, moved) where p.code = u.code",
        (list(moved), list(moved.values())),
    )


class BookCatalogue:
    """The catalogue of the book, inside the caller's transaction: each method is one statement for a whole batch."""

    def __init__(self, cursor: Cursor, *, locks: bool = True) -> None:
        """`locks` False: for somebody who only looks and writes nothing."""
        self._cursor = cursor
        self._locks = locks

    def goods(self, skus: Collection[str]) -> tuple[list[ProductEntry], list[PriceEntry]]:
        """Return products and prices in force, in every currency."""
        found = [v.entry for v in _newest(self._cursor, [(kind, sku) for sku in skus for kind in ("product", "price")])]
        return [e for e in found if isinstance(e, ProductEntry)], [e for e in found if isinstance(e, PriceEntry)]

    def promotions(self, codes: Collection[str]) -> list[Promotion]:
        """Return the versions in force, in every currency."""
        return [v.entry for v in _newest(self._cursor, [("promotion", code) for code in codes]) if isinstance(v.entry, Promotion)]

    def promotions_of(self, carried: Collection[tuple[str, int]]) -> list[Promotion]:
        """Return exactly these versions, (code, version), in every currency."""
        self._cursor.execute(
            """select e.kind, e.key, e.scope, e.version, e.doc::text from catalogue_entry e
                 join unnest(%b::text[], %b::int[]) w(key, version) on w.key = e.key and w.version = e.version where e.kind = 'promotion'""",
            ([code for code, _ in carried], [version for _, version in carried]),
        )
        return [entry for row in self._cursor.fetchall() if isinstance(entry := _version(row).entry, Promotion)]

    def uses(self, codes: Collection[str]) -> dict[str, int]:
        """Return, and lock, how often promotions with a limit are used."""
        return lock_uses(self._cursor, codes) if self._locks else uses(self._cursor, codes)

    def tax_rates(self, areas: Collection[str]) -> list[TaxRates]:
        """Return the rates in force of these areas, of every category."""
        return [v.entry for v in _newest(self._cursor, [("tax", area) for area in areas]) if isinstance(v.entry, TaxRates)]

    def shelves(self, skus: Collection[str], *, to_promise: bool) -> list[Shelf]:
        """Return the shelves of SKUs, and lock them where something of them may be promised."""
        return stock.lock_shelves(self._cursor, skus) if to_promise and self._locks else stock.shelves(self._cursor, skus)

    def held(self, order_ids: Collection[UUID]) -> list[Reservation]:
        """Return the reservations of orders."""
        return stock.held(self._cursor, order_ids)
