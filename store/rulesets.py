"""Rule sets that people change while everything runs: every version kept, the newest in force."""

from datetime import datetime
from typing import NamedTuple

from schemas.failures import OrdermendError
from store.database import Cursor


class RulesMoved(OrdermendError):
    """Another version of the rules is in force than their author looked at."""

    code = "rules_moved"
    error_class = "STALE_EDIT"


class RuleSet(NamedTuple):
    """One version of a kind of rules, as text."""

    version: int
    text: str
    author: str
    reason: str
    at: datetime


def moment(cursor: Cursor, kind: str) -> tuple[datetime, int]:
    """Return the transaction's time and the version in force (0: none was ever set), in one statement."""
    row = cursor.execute("select now(), coalesce((select max(version) from rule_set where kind = %s), 0)", (kind,)).fetchone()
    assert row is not None
    return row[0], row[1]


def moments(cursor: Cursor, *kinds: str) -> tuple[datetime, tuple[int, ...]]:
    """Return the transaction's time and each kind's version in force (0: none was ever set), in one statement."""
    row = cursor.execute(
        """select now(), array(select coalesce((select max(version) from rule_set r where r.kind = u.kind), 0)
                                 from unnest(%s::text[]) with ordinality u(kind, n) order by n)""",
        (list(kinds),),
    ).fetchone()
    assert row is not None
    return row[0], tuple(row[1])


def text_of(cursor: Cursor, kind: str, version: int) -> str:
    """Return the text of a version."""
    row = cursor.execute("select text from rule_set where kind = %s and version = %s", (kind, version)).fetchone()
    assert row is not None
    text: str = row[0]
    return text


def lock(cursor: Cursor, kind: str) -> None:
    """Let nobody else change this kind of rules before this transaction ends."""
    cursor.execute("select pg_advisory_xact_lock(hashtext('rule_set:' || %s))", (kind,))


def hold(cursor: Cursor, kind: str, expected: int | None) -> None:
    """Let nobody else change this kind of rules before this transaction ends; raise `RulesMoved` where `expected` is no longer in force."""
    lock(cursor, kind)
    _, standing = moment(cursor, kind)
    if expected is not None and expected != standing:
        raise RulesMoved(f"version {standing} is in force, not {expected}", field="/header/if-match", rule="version_in_force")


def text_at(cursor: Cursor, kind: str, version: int, shipped: str) -> str | None:
    """Return the text of a version, 0 being what is `shipped`; None where there is no such version."""
    return shipped if version == 0 else next((row.text for row in versions(cursor, kind) if row.version == version), None)


def add(cursor: Cursor, kind: str, text: str, author: str, reason: str) -> int:
    """Put a text into force as the next version, which is returned. Two at once: one waits for the other."""
    lock(cursor, kind)
    row = cursor.execute(
        """insert into rule_set (kind, version, text, author, reason)
           select %(kind)s, coalesce(max(version), 0) + 1, %(text)s, %(author)s, %(reason)s from rule_set where kind = %(kind)s returning version""",
        {"kind": kind, "text": text, "author": author, "reason": reason},
    ).fetchone()
    assert row is not None
    version: int = row[0]
    return version


def versions(cursor: Cursor, kind: str) -> list[RuleSet]:
    """Return every version, newest first."""
    cursor.execute("select version, text, author, reason, at from rule_set where kind = %s order by version desc", (kind,))
    return [RuleSet(*row) for row in cursor.fetchall()]
