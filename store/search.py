"""Finding orders by what people say on the phone: one row of normalised terms per order, under one GIN index.

When the order arrived and on which channel stand beside its terms: the newest of many hits are found without reading their orders.

A term is a kind and a text in a form that does not depend on how it was typed: `n:` order number, `c:` the channel's
order id, `e:` e-mail, `p:` the last nine digits of a phone, `z:` postcode, `s:` SKU, `w:` a word of a name. Terms follow from
the order and nothing else, and are written where the order is: an edited order is found by what it says now, an erased
one no longer by its person. Whole terms only: nothing here searches inside a word.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from schemas.order import Address, Order
from store.database import Cursor

PERSONAL_KINDS = ("e:", "p:", "z:", "w:")
PHONE_DIGITS = 9
"""What a number has in common with and without its country code or trunk prefix."""
MIN_PHONE_DIGITS = 6
MAX_WORDS = 8


class Wanted(NamedTuple):
    """What a query asks for: an order with one of `any_of`, or with all of `all_of`."""

    any_of: list[str]
    all_of: list[str]


def may_move(before: Order, after: Order) -> bool:
    """Whether the terms of an order may be others after a change: never wrongly False, and sooner known than the terms."""
    if any(getattr(before, name) is not getattr(after, name) for name in ("order_number", "source", "contact", "ship_to", "bill_to")):
        return True
    return before.lines is not after.lines and [line.sku for line in before.lines] != [line.sku for line in after.lines]


def terms_of(order: Order) -> list[str]:
    """Return the terms an order is found by, sorted, each once."""
    return sorted(set(_terms(order)))


def _terms(order: Order) -> Iterator[str]:
    addresses = _addresses(order)
    yield f"n:{_plain(order.order_number)}"
    yield f"c:{_plain(order.source.channel_order_id)}"
    if order.contact.email:
        yield f"e:{_email(order.contact.email)}"
    for phone in (order.contact.phone, *(address.phone for address in addresses)):
        if phone:
            yield from _phone(phone)
    for address in addresses:
        if postcode := _plain(address.postal_code or ""):
            yield f"z:{postcode}"
    for line in order.lines:
        if line.sku:
            yield f"s:{_sku(line.sku)}"
    for name in {order.contact.name, *(address.name for address in addresses)}:
        yield from (f"w:{word}" for word in _words(name or ""))


def _addresses(order: Order) -> list[Address]:
    both = [] if order.ship_to is None else [order.ship_to]
    return both if order.bill_to is None or order.bill_to == order.ship_to else [*both, order.bill_to]


def wanted(query: str) -> Wanted:
    """Read what somebody typed: it may be any one of the things an order is found by."""
    plain, words = _plain(query), _words(query)[:MAX_WORDS]
    any_of = [f"{kind}:{plain}" for kind in "ncz"] if plain else []
    if "@" in query:
        any_of.append(f"e:{_email(query)}")
    any_of += [*_phone(query), *([f"s:{_sku(query)}"] if query.strip() else [])]
    return Wanted(any_of, [f"w:{word}" for word in words])


def _folded(text: str) -> str:
    """Return the text without case and accents; what PostgreSQL cannot store is dropped."""
    if text.isascii():
        return text.lower().replace("\x00", "")
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c) and c != "\x00" and not 0xD800 <= ord(c) <= 0xDFFF)


def _plain(text: str) -> str:
    folded = _folded(text)
    return (folded if folded.isalnum() else "".join(filter(str.isalnum, folded)))[:80]


def _words(text: str) -> list[str]:
    folded = _folded(text)
    spaced = folded if folded.replace(" ", "").isalnum() else "".join(c if c.isalnum() else " " for c in folded)
    return [word[:40] for word in dict.fromkeys(spaced.split()) if len(word) > 1]


def _email(text: str) -> str:
    return _folded(text).strip()[:254]


def _sku(text: str) -> str:
    return _folded(text).strip()[:80]


def _phone(text: str) -> list[str]:
    digits = "".join(c for c in text if c in "0123456789")
    return [f"p:{digits[-PHONE_DIGITS:]}"] if len(digits) >= MIN_PHONE_DIGITS else []


def insert(cursor: Cursor, orders: Iterable[Order]) -> None:
    """Store the terms of new orders; they arrive with the transaction that stores them."""
    with cursor.copy("copy order_search (order_id, terms, channel) from stdin (format binary)") as copy:
        copy.set_types(("uuid", "text[]", "text"))
        for order in orders:
            copy.write_row((order.order_id, terms_of(order), order.source.channel))


def update(cursor: Cursor, orders: Sequence[Order]) -> None:
    """Store the terms of changed orders; a row whose terms are the same is not touched."""
    cursor.execute(
        """insert into order_search as s (order_id, terms, arrived_at, channel)
           select u.order_id, string_to_array(u.terms, E'\\x1f'), o.created_at, o.channel
             from unnest(%b::uuid[], %b::text[]) u(order_id, terms) join orders o on o.order_id = u.order_id
             left join order_search old on old.order_id = u.order_id
            where old.terms is distinct from string_to_array(u.terms, E'\\x1f')
           on conflict (order_id) do update set terms = excluded.terms""",
        ([order.order_id for order in orders], ["\x1f".join(terms_of(order)) for order in orders]),
    )


def terms(cursor: Cursor, order_id: UUID) -> list[str]:
    """Return the stored terms of an order."""
    row = cursor.execute("select terms from order_search where order_id = %s", (order_id,)).fetchone()
    return list(row[0]) if row else []
