"""A dead letter as text for the command line."""

import json
from collections.abc import Iterable, Sequence
from uuid import UUID, uuid4

from rich.console import Console
from rich.table import Table

from dlq_handler.impact import priority
from dlq_handler.triage import impact_of
from schemas.codec import decode
from schemas.statement import IntakeFailed
from store import claims, letters
from store.database import Connection
from store.letters import Audit
from store.sealing import KeyVault, Unsealable

_HIDDEN = frozenset({"value_sealed", "key"})


def describe(connection: Connection, vault: KeyVault, letter_id: UUID, viewer: str | None) -> str | None:
    """Return a letter's facts as JSON, with its payload where a `viewer` is named (which is audited); None: no such letter."""
    with connection.transaction(), connection.cursor() as cursor:
        letter = letters.find(cursor, letter_id)
        if letter is None:
            return None
        facts = {name: value for name, value in letter._asdict().items() if name not in _HIDDEN}
        rows = cursor.execute(
            "select n, at, error_class, code, detail from failure_attempt where order_id = %s and topic = %s and seq = %s order by n",
            (letter.order_id, letter.topic, letter.seq),
        ).fetchall()
        facts["failed_attempts"] = [dict(zip(("n", "at", "error_class", "code", "detail"), row, strict=True)) for row in rows]
        row = cursor.execute("select depth, state from lane where order_id = %s and topic = %s", (letter.order_id, letter.topic)).fetchone()
        found = impact_of(cursor, letter_id)
        facts["impact"] = found and {"score": found.score, "priority": priority(found.score), "parts": found.parts}
        claim = claims.find(cursor, letter.order_id, letter_id)
        facts["claim"] = claim and {"actor": claim.actor, "expires_at": claim.expires_at, "edited": claim.patch_sha256 is not None}
        facts["lane"] = {"depth": row[0], "state": row[1]} if row else None
        if viewer is not None:
            facts["payload"] = _payload(
                cursor.execute("select wrapped from order_key where order_id = %s", (letter.order_id,)).fetchone(), letter, vault
            )
            at = cursor.execute("select now()").fetchone()
            assert at is not None
            letters.record(cursor, [Audit(letter.order_id, uuid4(), at[0], viewer, "letter_payload_viewed", str(letter_id), "")])
    return json.dumps(facts, default=str, indent=1, ensure_ascii=False)


def _payload(wrapped: tuple[object, ...] | None, letter: letters.Letter, vault: KeyVault) -> str:
    if wrapped is None or not isinstance(wrapped[0], bytes | memoryview):
        return "(erased)"
    try:
        value = vault.unwrap(letter.order_id, bytes(wrapped[0])).open(bytes(letter.value_sealed), f"letter:{letter.letter_id}")
    except Unsealable:
        return "(cannot be opened)"
    body = decode(value) if letter.message == "IntakeFailed" else None
    shown = body.raw.body if isinstance(body, IntakeFailed) else value
    return shown.decode("utf-8", "backslashreplace")


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; nothing stands for null."""
    table = Table(*header)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    Console().print(table)
