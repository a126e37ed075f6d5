"""The list of orders as one person uses it: found, kept under names, chosen for a bulk edit.

A selection is kept in the book, for some hours, under an id that only its person can use: every process of the console knows it.
"""

import secrets
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from console.access import User
from console.api import models as m
from console.api.problems import Problem
from console.queries import orders
from console.queries.orders import AGES, Filters
from console.services import Services
from store import saved_views, selections
from store.saved_views import SavedView
from store.selections import Selection

LONGEST_NAME: Final = 60
MOST_SELECTED: Final = 100_000


@dataclass(frozen=True)
class Finding:
    """The lists' part of the services."""

    services: Services

    def page(self, filters: Filters, after: str | None, limit: int) -> m.OrderPage:
        """Return a page of orders."""
        return self.services.find(filters, after, limit)

    def hold_kinds(self) -> list[str]:
        """Return the kinds of hold there are now."""
        with self.services.book.read() as cursor:
            return orders.hold_kinds(cursor)

    # --- saved views ---------------------------------------------------------------------------------------------

    def views(self, user: User) -> dict[str, Filters]:
        """Return the person's saved views."""
        with self.services.book.read() as cursor:
            return {view.name: filters_of(view.filters) for view in saved_views.of(cursor, user.sub)}

    def keep(self, user: User, name: str, filters: Filters) -> None:
        """Keep a search under a name."""
        short = " ".join(name.split())
        if not 0 < len(short) <= LONGEST_NAME or not short.isprintable():
            raise Problem("invalid_request", f"a view's name has 1 to {LONGEST_NAME} characters", field="name", rule="view_name")
        with self.services.book.write() as cursor:
            if not saved_views.keep(cursor, user.sub, SavedView(short, texts_of(filters))):
                raise Problem(
                    "invalid_request", f"at most {saved_views.MOST} views are kept; delete one first", field="name", rule="view_room"
                )

    def forget(self, user: User, name: str) -> None:
        """Drop a saved view."""
        with self.services.book.write() as cursor:
            saved_views.forget(cursor, user.sub, name)

    # --- selections ----------------------------------------------------------------------------------------------

    def select(self, user: User, ids: tuple[UUID, ...], filters: Filters | None) -> str:
        """Keep a selection; return the id it is found by."""
        name = secrets.token_urlsafe(16)
        with self.services.book.write() as cursor:
            selections.keep(cursor, name, user.sub, Selection(ids, None if filters is None else texts_of(filters)))
        return name

    def selected(self, user: User, name: str) -> tuple[UUID, ...]:
        """Return the orders of a selection of this person, as the search finds them now."""
        with self.services.book.read() as cursor:
            kept = selections.find(cursor, name, user.sub)
            if kept is None:
                raise Problem(
                    "invalid_request", "this selection is over; choose the orders again", field="selection", rule="selection_known"
                )
            return kept.order_ids if kept.filters is None else tuple(orders.ids(cursor, filters_of(kept.filters), MOST_SELECTED))


def texts_of(filters: Filters) -> dict[str, str]:
    """Return filters as texts, without those that ask for nothing."""
    return {
        name: ("yes" if value else "no") if isinstance(value, bool) else value
        for name, value in filters._asdict().items()
        if value not in (None, "")
    }


def filters_of(texts: dict[str, str]) -> Filters:
    """Return filters from texts; what is not known asks for nothing."""
    known = {name: text for name, text in texts.items() if name in Filters._fields and text}
    age = known.get("age")
    edited = {"yes": True, "no": False}.get(known.get("edited", ""))
    return Filters(
        known.get("query"), known.get("lifecycle"), known.get("channel"), known.get("hold"), age if age in AGES else None, edited
    )
