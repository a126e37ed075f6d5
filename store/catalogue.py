"""Products and promotions: what operations may look up, loaded once per batch."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from store.database import Cursor


class ProductRow(NamedTuple):
    """A product's price in one currency: `price_amount × 10^-price_exponent` major units."""

    sku: str
    currency: str
    name: str
    price_amount: int
    price_exponent: int


class PromotionRow(NamedTuple):
    """A promotion in one currency: percent in basis points, or an amount."""

    code: str
    currency: str
    version: int
    label: str
    percent_bp: int | None
    amount_minor: int | None
    starts_at: datetime | None
    ends_at: datetime | None
    active: bool


def products(cursor: Cursor, skus: Sequence[str]) -> list[ProductRow]:
    """Return the prices of these SKUs, in every currency."""
    cursor.execute(f"select {', '.join(ProductRow._fields)} from product where sku = any(%b)", (list(skus),))
    return [ProductRow(*row) for row in cursor.fetchall()]


def promotions(cursor: Cursor, codes: Sequence[str]) -> list[PromotionRow]:
    """Return these promotions, in every currency."""
    cursor.execute(f"select {', '.join(PromotionRow._fields)} from promotion where code = any(%b)", (list(codes),))
    return [PromotionRow(*row) for row in cursor.fetchall()]


def save(cursor: Cursor, product_rows: Sequence[ProductRow], promotion_rows: Sequence[PromotionRow]) -> None:
    """Store or replace catalogue entries."""
    cursor.executemany(
        """insert into product (sku, currency, name, price_amount, price_exponent) values (%s, %s, %s, %s, %s)
           on conflict (sku, currency) do update set name = excluded.name, price_amount = excluded.price_amount,
              price_exponent = excluded.price_exponent""",
        product_rows,
    )
    cursor.executemany(
        """insert into promotion (code, currency, version, label, percent_bp, amount_minor, starts_at, ends_at, active)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
           on conflict (code, currency) do update set version = excluded.version, label = excluded.label, percent_bp = excluded.percent_bp,
              amount_minor = excluded.amount_minor, starts_at = excluded.starts_at, ends_at = excluded.ends_at, active = excluded.active""",
        promotion_rows,
    )
