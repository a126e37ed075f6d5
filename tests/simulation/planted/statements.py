"""Mistakes in the statements themselves: only where the book is in PostgreSQL is there anything to get wrong."""

from tests.simulation.planted.bugs import bug_in_sql

bug_in_sql(
    "relay_marks_what_is_older",
    "the relay marks all rows up to the newest it sent",
    {"where o.id = u.id and o.order_id = u.order_id": "where o.id <= u.id"},
)
bug_in_sql(
    "head_made_over_another",
    "a head that somebody else made meanwhile is made anew",
    {
        "order by 1 on conflict do nothing returning order_id": "order by 1 on conflict (order_id) do update set event_seq = 0 returning order_id"
    },
)
bug_in_sql(
    "lane_opened_for_all_topics",
    "a lane that opens takes the order's other lanes along",
    {"delete from lane where (order_id, topic) in (select * from unnest(%b::uuid[], %b::text[]))":
     "delete from lane where order_id in (select o from unnest(%b::uuid[], %b::text[]) u(o, t))"},
)  # fmt: skip
bug_in_sql(
    "replayed_letter_stays_open",
    "the letter of a message that was sent back and went through is not ended",
    {"and seq = %s and status in ('unresolved', 'replaying')": "and seq = %s and status = 'unresolved'"},
)
bug_in_sql(
    "lanes_due_too_late",
    "a lane is due two days after its time",
    {"l.next_attempt_at <= now()": "l.next_attempt_at <= now() - interval '2 days'"},
)
