"""The figures the house is measured by, from the book itself."""

from store.database import Cursor


def figures(cursor: Cursor, days: int) -> dict[str, object]:
    """Return the fields of `KpisView`. Times are whole seconds; a rate over nothing is null. What channels restated is nobody's edit."""
    orders = _row(
        cursor,
        """select count(*), count(*) filter (where edits > 0) from orders
            where created_at > now() - make_interval(days => %s)""",
        days,
    )
    decided = _row(
        cursor,
        """select count(*) filter (where decided_at is not null), count(*) filter (where new_version is not null),
                  round(avg(extract(epoch from decided_at - least(opened_at, submitted_at))) filter (where new_version is not null))::bigint,
                  round(percentile_cont(0.95) within group (order by extract(epoch from decided_at - least(opened_at, submitted_at)))
                        filter (where new_version is not null))::bigint
             from ticket where door <> 'restatement' and submitted_at > now() - make_interval(days => %s)""",
        days,
    )
    cursor.execute(
        "select state, count(*) from ticket where door <> 'restatement' and submitted_at > now() - make_interval(days => %s) group by state",
        (days,),
    )
    states: dict[str, int] = dict(cursor.fetchall())
    now = _row(
        cursor,
        """select (select count(*) from dead_letter where status = 'unresolved'), (select count(*) from lane),
                  (select count(*) from work_item where status = 'open'),
                  (select floor(extract(epoch from now() - min(created_at)))::bigint from outbox where sent_at is null)""",
    )
    return {
        "days": days,
        "orders": orders[0],
        "orders_edited": orders[1],
        "modification_rate_permille": orders[1] * 1000 // orders[0] if orders[0] else None,
        "edits_decided": decided[0],
        "edits_applied": decided[1],
        "edit_resolution_seconds_mean": decided[2],
        "edit_resolution_seconds_p95": decided[3],
        "tickets_by_state": states,
        "letters_open": now[0],
        "lanes_closed": now[1],
        "work_items_open": now[2],
        "outbox_oldest_seconds": now[3],
    }


def _row(cursor: Cursor, query: str, *values: object) -> tuple[int, ...]:
    row = cursor.execute(query, values).fetchone()
    assert row is not None
    return row
