"""The integrity check: replays stored history, sums stored money, and looks for rows that hang in the air.

It reads only what is stored and calls no decision code: `fold(version 1, history) == stored order`, hash chains,
sums, and the links between tables. A finding names order, rule and place. The promise is that there are none.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from modification_processor.totals import totals_of
from schemas.leaves import Leaf, fold, is_personal, leaves
from schemas.order import Order
from store.database import Connection
from store.history import HistoryRow, chain
from store.orders import Origin, first_version, origin_hash
from store.sealing import KeyVault, OrderKey, Unsealable

PAGE = 500
LOWEST, HIGHEST = UUID(int=0), UUID(int=2**128 - 1)
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class IntegrityFinding:
    """Something that does not hold."""

    rule: str
    order_id: UUID | None
    detail: str


@dataclass(frozen=True)
class Verified:
    """How much was looked at, and what was found."""

    orders: int
    history_rows: int
    findings: tuple[IntegrityFinding, ...]

    def __add__(self, other: "Verified") -> "Verified":
        """Return both together."""
        return Verified(self.orders + other.orders, self.history_rows + other.history_rows, self.findings + other.findings)


_ORPHANS = {
    "ticket_without_outcome": """select t.order_id, 'ticket ' || t.ticket_id || ' is ' || t.state from ticket t
        left join inbox i on i.order_id = t.order_id and i.message_id = 'ticket:' || t.ticket_id where i.order_id is null
          and not (t.door = 'channel' and exists (select 1 from inbox c where c.order_id = t.order_id and c.message = 'ChangeStated'))
          and not (t.door = 'restatement' and exists (select 1 from inbox c where c.order_id = t.order_id and c.message = 'OrderStated' and c.outcome = 'restated'))""",
    "applied_without_history": """select t.order_id, 'ticket ' || t.ticket_id || ' is applied in version ' || t.new_version from ticket t
        where t.state in ('applied', 'settling', 'settled', 'settlement_failed', 'undone') and not exists (select 1 from history h where h.order_id = t.order_id and h.version = t.new_version
          and h.cause_id = 'ticket:' || t.ticket_id)""",
    "settling_without_step": """select t.order_id, 'ticket ' || t.ticket_id || ' is settling and nothing of it is on its way' from ticket t
        where t.state = 'settling' and not exists (select 1 from action a where a.order_id = t.order_id and a.ticket_id = t.ticket_id
          and a.port = 'payment' and a.state in ('planned', 'sent'))""",
    "compensating_without_recall": """select t.order_id, 'ticket ' || t.ticket_id || ' is compensating and no recall of it is open' from ticket t
        where t.state = 'compensating' and not exists (select 1 from action a where a.order_id = t.order_id and a.ticket_id = t.ticket_id
          and a.port = 'warehouse' and a.state in ('planned', 'sent'))""",
    "settled_with_step": """select t.order_id, 'ticket ' || t.ticket_id || ' is settled and ' || a.kind || ' is still on its way' from ticket t
        join action a on a.order_id = t.order_id and a.ticket_id = t.ticket_id and a.port = 'payment' and a.state in ('planned', 'sent')
        where t.state in ('settled', 'applied')""",
    "moved_without_ledger": """select a.order_id, a.kind || ' made ' || a.result || ', which the ledger does not have' from action a join orders o using (order_id)
        where a.port = 'payment' and a.state = 'done' and a.kind not in ('request_payment', 'take_back') and not exists
          (select 1 from json_array_elements(o.doc->'payments') p where p->>'transaction' = a.result)""",
    "action_without_ticket": """select a.order_id, a.port || ' ' || a.kind || ' belongs to no applied ticket' from action a left join ticket t
        on t.order_id = a.order_id and t.ticket_id = a.ticket_id and t.state in ('applied', 'settling', 'settled', 'settlement_failed', 'undone')
        where t.ticket_id is null and a.port not in ('warehouse', 'inventory')""",
    "stock_sum": """select null::uuid, coalesce(s.sku, r.sku) || ' at ' || coalesce(s.location, r.location) || ' has ' || coalesce(s.reserved, 0)
          || ' units promised, its reservations sum to ' || coalesce(r.units, 0) from stock s full join
            (select sku, location, sum(units) as units from reservation group by sku, location) r on r.sku = s.sku and r.location = s.location
        where coalesce(s.reserved, 0) <> coalesce(r.units, 0)""",
    "ticket_applied_twice": """select order_id, cause_id || ' made ' || count(distinct version) || ' versions' from history
        where cause_kind = 'ticket' group by order_id, cause_id having count(distinct version) > 1""",
    "waiting_without_lane": """select p.order_id, p.topic || ' seq ' || p.seq from parked p
        left join lane l on l.order_id = p.order_id and l.topic = p.topic where p.status = 'waiting' and l.order_id is null""",
    "waiting_nowhere": """select i.order_id, i.message_id || ' counts as waiting and waits in no lane' from inbox i left join parked p
        on p.order_id = i.order_id and p.message_id = i.message_id and p.status in ('waiting', 'dead')
        where i.outcome = 'waiting' and p.order_id is null""",
    "lane_depth": """with waiting as (select order_id, topic, count(*) as count from parked where status = 'waiting' group by order_id, topic)
        select l.order_id, l.topic || ' says ' || l.depth || ', ' || coalesce(w.count, 0) || ' wait'
        from lane l left join waiting w using (order_id, topic) where l.depth <> coalesce(w.count, 0)""",
    "head_depth": """with closed as (select order_id, sum(depth) as depth from lane group by order_id)
        select h.order_id, 'head says ' || h.depth from order_head h left join closed c using (order_id) where h.depth <> coalesce(c.depth, 0)""",
    "blocked_without_letter": """select l.order_id, l.topic from lane l where l.state = 'blocked' and not exists
        (select 1 from dead_letter d where d.order_id = l.order_id and d.topic = l.topic and d.status in ('unresolved', 'replaying'))""",
    "version_mismatch": """select o.order_id, 'head ' || h.version || ', order ' || o.version from orders o join order_head h using (order_id)
        where h.version <> o.version""",
    "order_without_origin": "select o.order_id, 'no first version' from orders o left join order_origin g using (order_id) where g.order_id is null",
    "event_gap": """with sent as (select order_id, count(*) as count from outbox where event_seq is not null group by order_id)
        select h.order_id, 'head says ' || h.event_seq || ' events, the outbox has ' || coalesce(s.count, 0)
        from order_head h left join sent s using (order_id) where h.event_seq <> coalesce(s.count, 0)""",
    "event_seq_twice": """select order_id, 'event ' || event_seq from outbox where event_seq is not null
        group by order_id, event_seq having count(*) > 1""",
    "received_twice": """select min(order_id::text)::uuid, topic || '[' || part || ']@' || off from (
          select order_id, topic, part, off, message_id from inbox union all select order_id, topic, part, off, message_id from repeat) x
        where topic <> 'bulk' -- a job's tickets that are applied all at once come from no topic
        group by topic, part, off having count(*) > 1""",
    "offset_without_outcome": """select null::uuid, o.topic || '[' || o.part || '] is at ' || o.next_offset || ', ' || n.rows || ' messages have an outcome'
        from partition_owner o join lateral (select count(*) as rows, coalesce(min(off), 0) as low from (
            select off from inbox i where i.topic = o.topic and i.part = o.part
            union all select off from repeat r where r.topic = o.topic and r.part = o.part) x) n on true
        where o.next_offset is not null and n.rows <> o.next_offset - n.low""",
}


def verify(connection: Connection, vault: KeyVault, progress: Callable[[int, int], None] | None = None) -> Verified:
    """Check the whole book; `progress` gets (orders checked, orders in all)."""
    begin(connection)
    total = count(connection, "select count(*) from orders")
    checked = Verified(0, 0, ())
    for part in verify_range(connection, vault, LOWEST, None):
        checked += part
        if progress:
            progress(checked.orders, total)
    checked += Verified(0, 0, orphans(connection))
    connection.rollback()
    return checked


def begin(connection: Connection, snapshot: str | None = None) -> None:
    """Begin to look at the book as it is now, or as somebody else sees it who exported a snapshot."""
    connection.rollback()
    connection.execute("set transaction isolation level repeatable read, read only")
    if snapshot is not None:
        connection.execute(f"set transaction snapshot '{snapshot}'")
    connection.execute("set local statement_timeout = 0")
    # Who shares the snapshot looks at it for as long as that takes.
    connection.execute("set local idle_in_transaction_session_timeout = 0")


def verify_range(connection: Connection, vault: KeyVault, after: UUID, upto: UUID | None, limit: int | None = None) -> Iterator[Verified]:
    """Check the orders whose ids are above `after` and not above `upto`, a page at a time, at most `limit` orders."""
    left, counted = limit, _counted(connection)
    for page in _pages(connection, after, upto):
        rows = page if left is None else page[:left]
        history = _histories(connection, [row[0] for row in rows])
        held = _reservations(connection, [row[0] for row in rows]) if counted else {}
        found = [
            finding
            for row in rows
            for finding in _order_findings(row, history.get(row[0], []), vault, _Promised(counted, held.get(row[0], {})))
        ]
        yield Verified(len(rows), sum(len(changes) for changes in history.values()), tuple(found))
        if left is not None:
            left -= len(rows)
            if left <= 0:
                return


def orphans(connection: Connection) -> tuple[IntegrityFinding, ...]:
    """Look for rows that hang in the air, all over the book."""
    return tuple(
        IntegrityFinding(rule, order_id, detail)
        for rule, query in _ORPHANS.items()
        for order_id, detail in connection.execute(query).fetchall()
    )


def count(connection: Connection, query: str) -> int:
    """Return the one number a query answers."""
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _pages(connection: Connection, last: UUID, upto: UUID | None) -> Iterator[list[tuple[Any, ...]]]:
    """Yield pages of what `_order_findings` takes apart."""
    while True:
        page = connection.execute(
            """select o.order_id, o.doc::text, o.grand_total_minor, o.version, g.doc_sealed, g.sha256, k.wrapped, h.chain, h.history_seq,
                      g.doc, (select max(e.history_seq) from erasure e where e.order_id = o.order_id)
                 from orders o join order_head h using (order_id) left join order_origin g using (order_id) left join order_key k using (order_id)
                where o.order_id > %s and o.order_id <= %s order by o.order_id limit %s""",
            (last, upto or HIGHEST, PAGE),
        ).fetchall()
        if not page:
            return
        yield page
        last = page[-1][0]


def _histories(connection: Connection, order_ids: list[UUID]) -> dict[UUID, list[HistoryRow]]:
    found: dict[UUID, list[HistoryRow]] = {}
    columns = ", ".join(HistoryRow._fields)
    for row in connection.execute(f"select {columns} from history where order_id = any(%b) order by order_id, seq", (order_ids,)):
        found.setdefault(row[0], []).append(HistoryRow(*row))
    return found


def _counted(connection: Connection) -> frozenset[str]:
    return frozenset(sku for (sku,) in connection.execute("select distinct sku from stock").fetchall())


def _reservations(connection: Connection, order_ids: list[UUID]) -> dict[UUID, dict[str, tuple[str, int]]]:
    found: dict[UUID, dict[str, tuple[str, int]]] = {}
    query = "select order_id, line_id, sku, units from reservation where order_id = any(%b)"
    for order_id, line_id, sku, units in connection.execute(query, (order_ids,)):
        found.setdefault(order_id, {})[line_id] = (sku, units)
    return found


class _Promised(NamedTuple):
    """Which SKUs are counted, and what of them is promised to an order's lines: (SKU, units) by line."""

    counted: frozenset[str]
    to_lines: Mapping[str, tuple[str, int]]


def _order_findings(row: tuple[Any, ...], history: list[HistoryRow], vault: KeyVault, promised: _Promised) -> list[IntegrityFinding]:
    order_id, document, total, version, sealed, digest, wrapped, end, history_seq, clear, erased = row
    findings = [
        IntegrityFinding(rule, order_id, detail) for rule, detail in _chain_findings(history, bytes(digest or b""), bytes(end), history_seq)
    ]
    order = Order.model_validate_json(document)
    findings += [IntegrityFinding(rule, order_id, detail) for rule, detail in sum_findings(order)]
    findings += [IntegrityFinding("reservation", order_id, detail) for detail in _stock_findings(order, promised)]
    if order.order_id != order_id or order.totals.grand_total_minor != total:
        findings.append(IntegrityFinding("columns", order_id, "the order's columns differ from its document"))
    if history and history[-1].version > version:
        findings.append(IntegrityFinding("version", order_id, f"history reaches version {history[-1].version}, the order is at {version}"))
    if sealed is None or (wrapped is None and erased is None):
        return [*findings, IntegrityFinding("origin", order_id, "the first version or its key is gone")]
    try:
        key = vault.unwrap(order_id, bytes(wrapped)) if wrapped is not None else None
        first = first_version(Origin(order_id, clear, sealed, digest, _NEVER), None if erased is not None else key)
        # What was sealed before the erasure is unreadable by design; at the erasure nothing personal was left.
        readable = [
            change for change in history if erased is None or change.seq > erased or not (change.sealed or is_personal(change.path))
        ]
        changes = [_leaf(change, key) for change in readable]
    except Unsealable as error:
        return [*findings, IntegrityFinding("sealed", order_id, f"{error} cannot be opened")]
    if origin_hash(clear, bytes(sealed)) != bytes(digest):
        findings.append(IntegrityFinding("origin", order_id, "the first version is not the one the chain starts with"))
    return findings + [IntegrityFinding("fold", order_id, detail) for detail in _fold_findings(first, order, changes)]


def _leaf(row: HistoryRow, key: OrderKey | None) -> Leaf:
    def plain(value: bytes | None) -> str | None:
        if value is None:
            return None
        if row.sealed and key is None:
            raise Unsealable(row.path)
        return (key.open(bytes(value), row.path) if row.sealed and key is not None else bytes(value)).decode()

    return Leaf(row.path, plain(row.old), plain(row.new))


def _chain_findings(history: list[HistoryRow], start: bytes, end: bytes, last_seq: int) -> Iterator[tuple[str, str]]:
    previous = start
    for place, row in enumerate(history, start=1):
        if row.seq != place:
            yield "chain", f"row {place} is missing: the next one has number {row.seq}"
            return
        expected = chain(previous, row)
        if expected != bytes(row.hash):
            yield "chain", f"row {row.seq} ({row.path}) was tampered with"
            return
        previous = expected
    if previous != end or len(history) != last_seq:
        yield "chain", f"the chain ends after row {len(history)}, the head says {last_seq}"


def _fold_findings(first: Order, order: Order, changes: list[Leaf]) -> Iterator[str]:
    state, broken = fold(leaves(first), changes)
    if broken:
        yield f"the old value of {broken[0]} is not what the history left ({len(broken)} such rows)"
    stored = leaves(order)
    if state != stored:
        paths = sorted(path for path in state.keys() | stored.keys() if state.get(path) != stored.get(path))
        yield f"history leaves {len(paths)} leaves otherwise than the stored order, first {paths[0]}"


def _stock_findings(order: Order, promised: _Promised) -> Iterator[str]:
    """Yield the lines of which not just what is still to be sent is promised: by the stored quantities, not by what planned it."""
    over = order.lifecycle in ("cancelled", "closed")
    for line in order.lines if promised.counted else ():
        whole = not over and line.quantity_exponent == 0 and line.sku in promised.counted
        wanted = max(line.ordered - line.cancelled - line.shipped, 0) if whole else 0
        sku, units = promised.to_lines.get(line.line_id, (line.sku, 0))
        if units != wanted or (units and sku != line.sku):
            yield f"{units} of SKU {sku} are promised to line {line.line_id}, which waits for {wanted} of SKU {line.sku}"
    lost = {line_id for line_id, (_, units) in promised.to_lines.items() if units} - {line.line_id for line in order.lines}
    if lost:
        yield f"units are promised to line {min(lost)}, which the order does not have"


def sum_findings(order: Order) -> Iterator[tuple[str, str]]:
    """Yield what does not add up in an order."""
    if totals_of(order) != order.totals:
        yield "totals", f"stored totals {order.totals.grand_total_minor}, the rows sum to {totals_of(order).grand_total_minor}"
    for row in order.adjustments:
        if row.allocations and sum(part.amount_minor for part in row.allocations) != row.amount_minor:
            yield "allocations", f"the shares of {row.adjustment_id} do not sum to it"
    discounted = {line.line_id: line.gross_minor for line in order.lines}
    for row in order.adjustments:
        for part in row.allocations if row.kind == "discount" else ():
            discounted[part.line_id] = discounted.get(part.line_id, 0) - part.amount_minor
    for line_id, left in discounted.items():
        if left < 0:
            yield "negative_line", f"line {line_id} is discounted below zero by {-left}"
    if len({line.line_id for line in order.lines}) != len(order.lines):
        yield "line_ids", "two lines have one id"
