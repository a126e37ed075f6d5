"""Where a demo run lives: topics and a database schema of its own, fresh each time, on the stack that runs.

Guarantee: one demo at a time in an ORDERMEND_HOME. What earlier runs left is dropped first, recognised by its name
           alone (`ordermend_demo_<time>`); the last run stays to be looked at.
"""

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from ordermend import bootstrap
from ordermend.local.demo.counted import COUNTED
from ordermend.local.demo.counted import stock as counted
from ordermend.local.demo.edits import AMOUNT_CODE, EXPIRED_CODE, PERCENT_CODE
from ordermend.local.processes import free_port, python_environment
from ordermend.local.stack import Stack
from ordermend.local.traffic.catalogue import PRODUCTS, prices_of
from ordermend.settings import Settings
from schemas.catalogue import PriceEntry, ProductEntry, Promotion
from schemas.failures import StackFailed
from schemas.money import to_text
from store import catalogue, stock
from store.database import connect, drop_schema

NAME: Final = "ordermend_demo_"
_OURS: Final = re.compile(NAME + r"\d{14}")
_CURRENCIES: Final = ("EUR", "GBP", "USD", "JPY")


@dataclass(frozen=True)
class Place:
    """A run's settings, and the environment that puts a child process in the same place."""

    settings: Settings
    environment: Mapping[str, str]
    folder: Path

    @property
    def hint(self) -> str:
        """The variables with which any command looks at this run."""
        return f"ORDERMEND_DB_SCHEMA={self.settings.db_schema} ORDERMEND_TOPIC_PREFIX={self.settings.topic_prefix}"


def fresh(stack: Stack, connected: Settings) -> Place:
    """Name a new place; nothing is made yet."""
    name = NAME + time.strftime("%Y%m%d%H%M%S", time.gmtime())
    host, _, port = connected.console_listen.rpartition(":")
    listen = f"{host}:{free_port(int(port))}"
    settings = connected.model_copy(update={"topic_prefix": f"{name}.", "db_schema": name, "console_listen": listen})
    environment = {
        **python_environment(),
        **stack.environment(),
        "ORDERMEND_PORTS": settings.ports or "simulated",
        "ORDERMEND_SOURCES": settings.sources or "simulated",
        "ORDERMEND_TOPIC_PREFIX": settings.topic_prefix,
        "ORDERMEND_DB_SCHEMA": settings.db_schema,
        "ORDERMEND_CONSOLE_LISTEN": listen,
    }
    return Place(settings, environment, connected.home / "demo")


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the demo's lock for the length of a `with` block."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackFailed(f"another demo runs in {folder.parent}: end it, or set ORDERMEND_HOME to another folder") from None
        yield
    finally:
        os.close(handle)


def drop_older(settings: Settings) -> None:
    """Drop schemas and topics of earlier runs. Topics go in the background of the broker."""
    url = settings.migration_url
    assert url is not None
    with psycopg.connect(url, autocommit=True) as connection:
        found = [row[0] for row in connection.execute("select nspname from pg_namespace where nspname like %s", (NAME + "%",))]
    for schema in found:
        if _OURS.fullmatch(schema) and schema != settings.db_schema:
            drop_schema(url, schema)
    admin = AdminClient({"bootstrap.servers": bootstrap.bootstrap_of(settings), "log_level": 4})
    old = [name for name in admin.list_topics(timeout=20).topics if _OURS.match(name) and not name.startswith(settings.topic_prefix)]
    for deleted in admin.delete_topics(old).values() if old else ():
        with contextlib.suppress(KafkaException):
            deleted.result(20)


def seed_catalogue(settings: Settings) -> None:
    """Store what operations look up: products, their prices in each currency, promotions, one of them expired, and the stock of some goods."""
    products = [
        *(ProductEntry(sku=product.sku, name=product.title) for product in PRODUCTS),
        *(ProductEntry(sku=one.sku, name=one.title, substitutes=one.instead) for one in COUNTED),
    ]
    prices = [
        PriceEntry(sku=sku, currency=currency, unit_price=to_text(minor, currency))
        for sku, each in (
            *((product.sku, product.prices) for product in PRODUCTS),
            *((one.sku, prices_of(one.eur_cents)) for one in COUNTED),
        )
        for currency, minor in each.items()
    ]
    with connect(bootstrap.database_of(settings), settings.db_schema, application="demo") as connection, connection.cursor() as cursor:
        now = connection.execute("select now()").fetchone()
        assert now is not None
        promotions = [
            Promotion(code=PERCENT_CODE, label="Goodwill 10 %", kind="percent", percent="10"),
            Promotion(code=EXPIRED_CODE, label="Last year's", kind="percent", percent="5", ends_at=now[0]),
            *(
                Promotion(code=AMOUNT_CODE, currency=currency, label="Goodwill", kind="amount", amount=to_text(500, currency))
                for currency in _CURRENCIES
            ),
        ]
        catalogue.save(cursor, [*products, *prices, *promotions], "demo")
        stock.save(cursor, counted(now[0]))
