"""What the door knows of its issuer: discovery document and published keys, fetched and kept for a while.

A key id nobody has heard of makes it look once more, at most every half minute: a token cannot make the door hammer its
issuer. An issuer that does not answer leaves the keys that are known in force.
"""

import json
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from schemas.failures import DependencyUnavailable

KEEP_SECONDS: Final = 600.0
AGAIN_SECONDS: Final = 30.0
TIMEOUT_SECONDS: Final = 5.0
MAX_BYTES: Final = 256 * 1024


@dataclass
class Issuer:
    """An OpenID issuer by its address."""

    url: str
    _keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    _discovered: dict[str, Any] = field(default_factory=dict)
    _fetched: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, kid: str) -> Mapping[str, Any] | None:
        """Return the published key of that id; raise `DependencyUnavailable` where nothing was ever fetched."""
        with self._lock:
            age = time.monotonic() - self._fetched
            if age > KEEP_SECONDS or (kid not in self._keys and age > AGAIN_SECONDS):
                self._fetch_keys()
            return self._keys.get(kid)

    def endpoint(self, name: str) -> str:
        """Return an address from the discovery document, such as `authorization_endpoint`."""
        with self._lock:
            return str(self._discovery()[name])

    def redeem(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Exchange an authorisation code; raise `DependencyUnavailable` where the issuer gives no tokens for it."""
        return _json(self.endpoint("token_endpoint"), urllib.parse.urlencode(form).encode())

    def _discovery(self) -> dict[str, Any]:
        if not self._discovered:
            found = _json(f"{self.url}/.well-known/openid-configuration")
            if found.get("issuer") != self.url:
                raise DependencyUnavailable(f"the discovery document of {self.url} names another issuer")
            self._discovered = found
        return self._discovered

    def _fetch_keys(self) -> None:
        try:
            keys = _json(str(self._discovery()["jwks_uri"])).get("keys", [])
            self._keys = {key["kid"]: key for key in keys if isinstance(key, dict) and isinstance(key.get("kid"), str)}
        except DependencyUnavailable:
            if not self._keys:
                raise
        self._fetched = time.monotonic()


def _json(address: str, body: bytes | None = None) -> dict[str, Any]:
    if urllib.parse.urlsplit(address).scheme not in {"http", "https"}:
        raise DependencyUnavailable(f"{address[:80]} is no web address")
    request = urllib.request.Request(address, body, {"Accept": "application/json"})  # noqa: S310 -- the scheme was checked
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 -- the scheme was checked
            found = json.loads(answer.read(MAX_BYTES))
    except (OSError, ValueError) as error:
        raise DependencyUnavailable(f"the token issuer does not answer: {type(error).__name__}", field="issuer") from None
    if not isinstance(found, dict):
        raise DependencyUnavailable("the token issuer's answer is no object", field="issuer")
    return found
