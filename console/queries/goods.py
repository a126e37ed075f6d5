"""What the catalogue sells, found by how a SKU, a code or a name begins: help for whoever types."""

from typing import NamedTuple

from store.database import Cursor


class Goods(NamedTuple):
    """A SKU with its name, what one unit costs (major units as text), and how many are promised to nobody; None: nobody counted it."""

    sku: str
    name: str
    price: str
    free: int | None = None

    def told(self, currency: str) -> str:
        """Return what whoever types is offered beside the SKU."""
        there = () if self.free is None else (f"{self.free} to be had",)
        return ", ".join(filter(None, (self.name, f"{self.price} {currency}", *there)))


class Code(NamedTuple):
    """A promotion code and what it says of itself."""

    code: str
    label: str


def goods(cursor: Cursor, text: str, currency: str, limit: int) -> list[Goods]:
    """Return what is sold in this currency and begins like this, the exact SKU first."""
    cursor.execute(
        """select p.key, coalesce(n.doc ->> 'name', ''), p.doc ->> 'unit_price',
                  (select case when count(*) > 0 then greatest(sum(s.on_hand - s.reserved), 0)::int8 end from stock s where s.sku = p.key)
             from (select distinct on (key) key, doc from catalogue_entry
                    where kind = 'price' and scope = %(currency)s and starts_with(lower(key), lower(%(text)s)) order by key, version desc) p
             left join lateral (select doc from catalogue_entry where kind = 'product' and key = p.key order by version desc limit 1) n on true
            order by p.key <> %(text)s, p.key limit %(limit)s""",
        {"text": text, "currency": currency, "limit": limit},
    )
    return [Goods(*row) for row in cursor.fetchall()]


def codes(cursor: Cursor, text: str, currency: str, limit: int) -> list[Code]:
    """Return the active promotions of this currency whose code begins like this."""
    cursor.execute(
        """select key, label from (
             select distinct on (key, scope) key, coalesce(doc ->> 'label', '') as label, coalesce((doc ->> 'active')::bool, true) as active
               from catalogue_entry where kind = 'promotion' and scope in ('*', %s) and starts_with(lower(key), lower(%s))
              order by key, scope, version desc) p
            where active order by key limit %s""",
        (currency, text, limit),
    )
    return [Code(*row) for row in cursor.fetchall()]
