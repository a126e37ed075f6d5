"""What surrounds an edit form: who else has one open, and what the catalogue offers for what is being typed.

Hints only: nobody is locked out by a presence, and whether a SKU or a code may be used is the processor's answer.
"""

from dataclasses import dataclass
from uuid import UUID

from console.access import User
from console.queries import goods
from console.queries.goods import Code, Goods
from console.services import Services
from store import presence
from store.presence import Present

OFFERED = 8
LONGEST = 80


@dataclass(frozen=True)
class Editing:
    """The edit form's part of the services."""

    services: Services

    def here(self, user: User, order_id: UUID, form_id: UUID) -> list[Present]:
        """Say that this form is open, and return who else has one."""
        self.services.check(user, "tickets.preview", f"form {form_id}", order_id)
        with self.services.book.write() as cursor:
            presence.note(cursor, order_id, form_id, user.sub, (user.name or user.sub)[:LONGEST])
            return presence.others(cursor, order_id, user.sub)

    def gone(self, order_id: UUID, form_id: UUID) -> None:
        """Say that this form is closed."""
        with self.services.book.write() as cursor:
            presence.gone(cursor, order_id, form_id)

    def goods(self, text: str, currency: str) -> list[Goods]:
        """Return SKUs that begin like this."""
        if not (begin := _plain(text)):
            return []
        with self.services.book.read() as cursor:
            return goods.goods(cursor, begin, currency, OFFERED)

    def codes(self, text: str, currency: str) -> list[Code]:
        """Return promotion codes that begin like this."""
        if not (begin := _plain(text)):
            return []
        with self.services.book.read() as cursor:
            return goods.codes(cursor, begin, currency, OFFERED)


def _plain(text: str) -> str:
    return text.replace("\x00", "").strip()[:LONGEST]
