"""The tuning of intake's rules from the book's side: put into force in one transaction with the record that carries it to intake.

Version and outbox row are written together, so what the book says is in force is what intake hears; the relay keeps their order.
"""

from typing import NamedTuple
from uuid import UUID, uuid5

from intake.rules import discover
from intake.rules.tuning import KIND, TuningInvalid, parse, record_of
from schemas.order import NAMESPACE
from schemas.topics import RULES
from store import outbox, rulesets
from store.database import Connection
from store.outbox import Outgoing

BOOK = UUID(int=0)
"""Stands for the order where a message belongs to none: the relay sends what has the same in turn."""


class Told(NamedTuple):
    """What a rule did: orders it refused, and how many of those somebody sent back as they were."""

    refused: int
    overturned: int

    @property
    def precision(self) -> float | None:
        """Return the share of refusals that stood; None where nothing was refused."""
        return None if not self.refused else 1 - self.overturned / self.refused


def put(connection: Connection, prefix: str, text: str, user: str, reason: str) -> int:
    """Put a tuning into force as the next version, which is returned. Raises `TuningInvalid`."""
    parse(text, discover())
    with connection.transaction(), connection.cursor() as cursor:
        version = rulesets.add(cursor, KIND, text, user, reason)
        event_id = uuid5(NAMESPACE, f"rules:{KIND}:{version}")
        outbox.add(cursor, [Outgoing(BOOK, None, event_id, prefix + RULES.name, KIND.encode(), record_of(version, text), {})])
    return version


def text_in_force(connection: Connection) -> str:
    """Return the tuning in force; empty as shipped."""
    with connection.cursor() as cursor:
        _, version = rulesets.moment(cursor, KIND)
        return rulesets.text_of(cursor, KIND, version) if version else ""


def text_of(connection: Connection, version: int) -> str:
    """Return the text of a version; 0 is as shipped."""
    with connection.cursor() as cursor:
        known = {row.version: row.text for row in rulesets.versions(cursor, KIND)} | {0: ""}
    if version not in known:
        raise TuningInvalid(f"there is no version {version} of the tuning; see `ordermend rules history`")
    return known[version]


def told(connection: Connection, days: int) -> dict[str, Told]:
    """Return what each rule refused in the last days, by the dead letters it made.

    A refusal is overturned where its letter went back as it was, and passed: somebody, or a later tuning, saw it otherwise.
    """
    rows = connection.execute(
        """select l.rule, count(*), count(*) filter (where l.status in ('resolved', 'resent') and not exists
                  (select 1 from repair r where r.letter_id = l.letter_id))
             from dead_letter l where l.code like '%%by_rule' and l.rule is not null and l.first_failed_at > now() - make_interval(days => %s)
            group by l.rule""",
        (days,),
    )
    return {row[0]: Told(row[1], row[2]) for row in rows}
