"""The tuning of intake's rules from the book's side: put into force in one transaction with the record that carries it to intake.

Version and outbox row are written together, so what the book says is in force is what intake hears; the relay keeps their order.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import psycopg

from intake.rules import discover
from intake.rules.keeping import Evidence
from intake.rules.tuning import KIND, MODES, Scope, Told, Tuned, TuningInvalid, parse, record_of, with_scope, without_scope, write
from normalizers import discover as channels
from schemas.failures import DependencyUnavailable
from schemas.order import id_of
from schemas.topics import RULES
from store import outbox, rulesets
from store.database import Connection
from store.outbox import Outgoing
from store.rulesets import RuleSet

Place = tuple[str | None, str | None, str | None]
"""Where a mode holds: channel, account, delivery country; None is everywhere."""
BOOK = UUID(int=0)
"""Stands for the order where a message belongs to none: the relay sends what has the same in turn."""


def put(connection: Connection, prefix: str, text: str, user: str, reason: str, expected: int | None = None) -> int:
    """Put a tuning into force as the next version, which is returned. Raises `TuningInvalid`, and `store.rulesets.RulesMoved` where `expected` is over."""
    parse(text, discover())
    if not reason.strip():
        raise TuningInvalid("a change of the tuning has a reason")
    with connection.transaction(), connection.cursor() as cursor:
        rulesets.hold(cursor, KIND, expected)
        version = rulesets.add(cursor, KIND, text, user, reason)
        event_id = id_of(f"rules:{KIND}:{version}")
        outbox.add(cursor, [Outgoing(BOOK, None, event_id, prefix + RULES.name, KIND.encode(), record_of(version, text), {})])
    return version


def tune(
    connection: Connection, prefix: str, rule: str, mode: str | None, place: Place, user: str, reason: str, expected: int | None = None
) -> int:
    """Set a rule's mode in one place as the next version, which is returned; `mode` None takes what was set there away.

    Two at once: one waits for the other, and both changes stand, but where they say which version they `expected`. Raises `TuningInvalid`.
    """
    place = _known(place)
    if mode is not None and mode not in MODES:
        raise TuningInvalid(f"{mode[:40]!r} is no mode; it is one of {', '.join(MODES)}")
    with connection.transaction(), connection.cursor() as cursor:
        rulesets.hold(cursor, KIND, expected)
        standing = parse(text_in_force(connection), discover())
        made = without_scope(standing, rule, place) if mode is None else with_scope(standing, rule, Scope(mode, *place))
        return put(connection, prefix, write(made), user, reason)


def _known(place: Place) -> Place:
    """Return a place as orders name it; a channel nobody has is a slip that would silently do nothing."""
    channel, account, country = (value.strip() if value and value.strip() else None for value in place)
    if channel is not None and channel.lower() not in channels():
        raise TuningInvalid(f"there is no channel {channel[:40]!r}; see docs/reference/channels.md")
    if country is not None and not (len(country) == 2 and country.isascii() and country.isalpha()):
        raise TuningInvalid(f"{country[:40]!r} is no country code of two letters")
    return channel.lower() if channel else None, account, country.upper() if country else None


def tuned(connection: Connection, days: int) -> list[Tuned]:
    """Return every rule as it is tuned, and what it did in the last days."""
    standing, did = parse(text_in_force(connection), discover()), told(connection, days)
    return [
        Tuned(rule, (inspect.getdoc(inspect.getmodule(rule.check)) or "").partition("\n")[0], standing.scopes.get(rule.name, ()), did.get(rule.name, Told()))
        for rule in discover()
    ]  # fmt: skip


def text_in_force(connection: Connection) -> str:
    """Return the tuning in force; empty as shipped."""
    with connection.cursor() as cursor:
        _, version = rulesets.moment(cursor, KIND)
        return rulesets.text_of(cursor, KIND, version) if version else ""


def text_of(connection: Connection, version: int) -> str:
    """Return the text of a version; 0 is as shipped."""
    with connection.cursor() as cursor:
        text = rulesets.text_at(cursor, KIND, version, "")
    if text is None:
        raise TuningInvalid(f"there is no version {version} of the tuning; see `ordermend rules history`")
    return text


_REFUSED = """select l.rule, l.channel, l.first_failed_at as at, l.status,
         coalesce(i.outcome not in ('quarantined', 'rejected', 'dead', 'waiting'), false)
           and not exists (select 1 from repair r where r.order_id = l.order_id and r.letter_id = l.letter_id) as overturned
    from dead_letter l
    left join inbox i on i.order_id = l.order_id and i.message_id = 'resent:' || l.letter_id || ':' || l.attempts and l.status = 'resent'
   where l.code like '%%by_rule' and l.rule is not null and l.channel is not null and l.first_failed_at > now() - make_interval(days => %(days)s)"""
"""Refusals; overturned where the document went back as it was, and passed: somebody, or a later tuning, saw it otherwise."""
_RELEASED = """select split_part(split_part(h.path, ':', 2), '/', 1) as rule, o.channel, h.at, 'released' as status,
         not exists (select 1 from history c where c.order_id = h.order_id and c.cause_kind = 'ticket' and not c.derived
                       and c.path not like '/holds/%%' and c.path <> '/lifecycle' and c.version <= h.version) as overturned
    from history h join orders o on o.order_id = h.order_id
   where h.path like '/holds/intake:%%/kind' and h.new is null and h.cause_kind = 'ticket' and h.at > now() - make_interval(days => %(days)s)"""
"""Holds that people released; overturned where nothing of the order had been put right by then."""


def told(connection: Connection, days: int) -> dict[str, Told]:
    """Return what each rule refused or held in the last days, and how much of that people overturned."""
    rows = connection.execute(
        f"select rule, count(*), count(*) filter (where overturned) from ({_REFUSED} union all {_RELEASED}) t group by rule", {"days": days}
    )
    return {row[0]: Told(row[1], row[2]) for row in rows}


def evidence(connection: Connection, days: int) -> list[Evidence]:
    """Return what people, or the channel itself, decided about the rules' acts in the last days; what is undecided is no evidence."""
    rows = connection.execute(
        f"""select rule, channel, at, overturned from ({_REFUSED} union all {_RELEASED}) t
             where status in ('released', 'resolved', 'resent', 'discarded', 'superseded')""",
        {"days": days},
    )
    return [Evidence(*row) for row in rows]


@dataclass(frozen=True)
class Rulebook:
    """The tuning as the console is handed it. `connect` opens a connection to the book."""

    connect: Callable[[], Connection]
    prefix: str

    def tuned(self, days: int) -> list[Tuned]:
        """Return every rule as it is tuned, and what it did in the last days."""
        with self._book() as connection:
            return tuned(connection, days)

    def versions(self) -> list[RuleSet]:
        """Return every version that was put into force, newest first."""
        with self._book() as connection, connection.cursor() as cursor:
            return rulesets.versions(cursor, KIND)

    def tune(self, rule: str, mode: str | None, place: Place, user: str, reason: str, expected: int | None = None) -> int:
        """Set a rule's mode in one place; return the version then in force."""
        with self._book() as connection:
            return tune(connection, self.prefix, rule, mode, place, user, reason, expected)

    def revert(self, version: int, user: str, reason: str, expected: int | None = None) -> int:
        """Put an older version into force again, as a new one, which is returned."""
        with self._book() as connection:
            return put(connection, self.prefix, text_of(connection, version), user, reason, expected)

    @contextmanager
    def _book(self) -> Iterator[Connection]:
        try:
            with self.connect() as connection:
                yield connection
        except psycopg.DataError:
            raise TuningInvalid("a value that was given cannot be stored") from None
        except psycopg.OperationalError as error:
            raise DependencyUnavailable(f"the order book does not answer: {error.sqlstate or type(error).__name__}", field="book") from None
