"""Dead letters in lists, those that cost most first. Their payloads stay sealed."""

from uuid import UUID

from console import cursors
from console.cursors import CursorInvalid
from store.database import Cursor
from store.letters import Letter

FIELDS = tuple(name for name in Letter._fields if name not in {"key", "value_sealed", "part", "off", "seq"})


def listing(cursor: Cursor, status: str, after: str | None, limit: int) -> tuple[list[dict[str, object]], str | None]:
    """Return a page of letters and where the next one begins."""
    place, values = "", [status, status]
    if after:
        score, letter_id = cursors.decode(after, int, str)
        if not 0 <= score < 2**31:
            raise CursorInvalid("the cursor is not one that this list gave", field="/query/cursor", rule="cursor")
        place = "and (-score, letter_id::text) > (%s, %s)"
        values += [-score, letter_id]
    cursor.execute(
        f"select {', '.join(FIELDS)} from dead_letter where (status = %s or %s = 'all') {place} order by -score, letter_id::text limit %s",
        [*values, limit + 1],
    )
    rows = [dict(zip(FIELDS, row, strict=True)) for row in cursor.fetchall()]
    more = rows[limit - 1] if len(rows) > limit else None
    return rows[:limit], cursors.encode(more["score"], str(more["letter_id"])) if more else None


def one(cursor: Cursor, letter_id: UUID) -> dict[str, object] | None:
    """Return a letter."""
    row = cursor.execute(f"select {', '.join(FIELDS)} from dead_letter where letter_id = %s", (letter_id,)).fetchone()
    return dict(zip(FIELDS, row, strict=True)) if row else None
