"""psycopg's cursor and copy over a simulated session: each statement is a turn, at a point that says what it does to which table."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

import psycopg
from psycopg import errors
from psycopg.copy import Copy

from tests.simulation.postgres.session import Session

WRITES = re.compile(r"\b(insert into|delete from|copy|(?<!for )update)\s+(\w+)")
LOCKS = re.compile(r"\b(insert|update|delete)\b")
FROM = re.compile(r"\bfrom\s+(\w+)")


class Cursor(psycopg.Cursor[tuple[Any, ...]]):
    """psycopg's cursor, whose statements are turns."""

    def execute(self, query: Any, params: Any = None, **named: Any) -> Self:
        """Run one statement."""
        session, text = self._session, _text(query)
        run = partial(super().execute, session.database.rewritten(text), params, **named)
        session.statement(_point(text), run, may_wait=LOCKS.search(text) is not None)
        session.ended(wrote=self._wrote(text))
        return self

    def executemany(self, query: Any, params_seq: Iterable[Any], *, returning: bool = False) -> None:
        """Run one statement for each of these."""
        rows, session, text = list(params_seq), self._session, _text(query)
        run = partial(super().executemany, session.database.rewritten(text), rows, returning=returning)
        session.statement(_point(text), run, may_wait=LOCKS.search(text) is not None)
        session.ended(wrote=self._wrote(text))

    @contextmanager
    def copy(self, statement: Any, params: Any = None, **named: Any) -> Iterator[Copy]:
        """Send rows; they are taken before the first statement of theirs could wait."""
        session, text = self._session, _text(statement)
        session.statement(_point(text), lambda: None)
        try:
            with super().copy(session.database.rewritten(text), params, **named) as copy:
                yield copy
        except errors.QueryCanceled:
            session.raise_called_off()
        session.ended(wrote=self._wrote(text))

    def _wrote(self, text: str) -> bool:
        writes = WRITES.search(text) is not None
        return writes and (self.rowcount != 0 or (self.statusmessage or "").startswith("SELECT"))

    @property
    def _session(self) -> Session:
        connection = self.connection
        assert isinstance(connection, Session)
        return connection


def _text(query: Any) -> str:
    return query if isinstance(query, str) else str(query.as_string(None))


def _point(query: str) -> str:
    """Return the point at which a statement stands: what it does to which table."""
    text = " ".join(query.split()).lower()
    found = WRITES.search(text)
    if found is not None:
        return f"{found[1]} {found[2]}"
    found = FROM.search(text)
    return f"{text.split()[0]} {found[1]}" if found is not None else text[:24]
