"""Keeps the list of dead letters in order: scores what is new within a second and everything about once a minute.

The processor gives a letter a first estimate from the order at hand. What only the database knows (group, growth,
time passing, later followers) joins here, a bounded piece at a time, so a flood of letters costs no more than a few.
"""

from datetime import datetime
from uuid import UUID

from dlq_handler.impact import Impact, Rules, Stakes, deadline, default_rules, impact
from store import claims, triage
from store.database import Connection, Cursor, now
from store.triage import Facts

PIECE = 500


def rescore(connection: Connection, limit: int = PIECE, rules: Rules | None = None) -> int:
    """Score the letters that are due for it, and note how repairs ended, in one transaction; return how many were scored."""
    with connection.transaction(), connection.cursor() as cursor:
        claims.settle_repairs(cursor)
        found = triage.to_score(cursor, limit)
        if not found:
            return 0
        sizes = triage.group_sizes(cursor, list({facts.fingerprint for facts in found}))
        at = now(cursor)
        scored = [(facts, _impact(facts, sizes.get(facts.fingerprint, (1, 1)), at, rules or default_rules())) for facts in found]
        triage.save_scores(
            cursor, [(facts.order_id, facts.letter_id, one.score, {p: str(v) for p, v in one.parts.items()}) for facts, one in scored]
        )
    return len(found)


def impact_of(cursor: Cursor, letter_id: UUID) -> Impact | None:
    """Return a letter's score as it is this moment; None: there is no such letter."""
    facts = triage.facts_of(cursor, letter_id)
    if facts is None:
        return None
    size = triage.group_sizes(cursor, [facts.fingerprint]).get(facts.fingerprint, (1, 1))
    return _impact(facts, size, now(cursor), default_rules())


def _impact(facts: Facts, size: tuple[int, int], at: datetime, rules: Rules) -> Impact:
    due_at = deadline(facts.channel, facts.placed_at, facts.latest, rules)
    stakes = Stakes(facts.value_minor, facts.currency, due_at, facts.followers, size[0], size[1], facts.tags or ())
    return impact(stakes, at, rules)
