"""Hands for browser tests that need somebody at the pages, and not the way they signed in: a session in the book, its id in a cookie."""

import time
from concurrent.futures import ThreadPoolExecutor

from playwright.sync_api import BrowserContext

from console.access import ROLES, User
from console.book import Book
from console.sessions import Sessions
from ordermend import bootstrap
from store.sealing import KeyVault
from tests.line import Line


def session_of(line: Line, sub: str = "vera", roles: tuple[str, ...] = ROLES, name: str = "") -> str:
    """Open a session for somebody; return its id. In a thread: the browser's driver has an event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_session_of, line, sub, roles, name).result()


def _session_of(line: Line, sub: str, roles: tuple[str, ...], name: str) -> str:
    book = Book(bootstrap.connector(line.settings, "test-session"))
    now = int(time.time())
    try:
        return Sessions(book, KeyVault.load(line.settings.keys_dir)).open(User(sub, frozenset(roles), name, now + 3600, now))
    finally:
        book.close()


def seat(line: Line, context: BrowserContext, address: str, sub: str = "vera", roles: tuple[str, ...] = ROLES, name: str = "") -> None:
    """Sign somebody in at a browser."""
    context.add_cookies([{"name": "ordermend_session", "value": session_of(line, sub, roles, name), "url": address}])
