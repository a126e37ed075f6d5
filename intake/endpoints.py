"""Which webhooks are taken, and by which secrets: the file `webhooks.toml` in the folder of keys.

    [[endpoint]]
    channel = "shopify"
    account = "north-shop"
    secrets = ["the new one", "the old one, until the shop has changed"]

    [[endpoint]]
    channel = "square"
    account = "LOC1"
    secrets = ["…"]
    address = "https://hooks.example.com/webhooks/square/LOC1"   # as Square knows it, for Square signs it

The file is read again when it changes, so that a key is changed without a restart; a file that cannot be read leaves what was known.
Fails:   SettingsInvalid at start, naming entry and rule, never a secret.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from normalizers import discover
from schemas.failures import SettingsInvalid
from telemetry.logs import logger

FILE = "webhooks.toml"


@dataclass(frozen=True)
class Endpoint:
    """One channel's account."""

    channel: str
    account: str
    secrets: tuple[str, ...] = field(repr=False)
    address: str = ""


Endpoints = Mapping[tuple[str, str], Endpoint]


def load(path: Path) -> Endpoints:
    """Read the file; none is no endpoint."""
    if not path.exists():
        return {}
    try:
        rows = tomllib.loads(path.read_text()).get("endpoint", [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsInvalid(f"{path.name} cannot be read: {error}") from None
    found: dict[tuple[str, str], Endpoint] = {}
    for index, row in enumerate(rows if isinstance(rows, list) else [rows]):
        endpoint = _endpoint(row, f"{path.name}, endpoint {index + 1}")
        key = (endpoint.channel, endpoint.account)
        if key in found:
            raise SettingsInvalid(f"{path.name}, endpoint {index + 1}: {endpoint.channel}/{endpoint.account} stands there already")
        found[key] = endpoint
    return found


def _endpoint(row: object, where: str) -> Endpoint:
    if not isinstance(row, dict) or not all(isinstance(row.get(key), str) and row[key] for key in ("channel", "account")):
        raise SettingsInvalid(f"{where}: channel and account are texts that must be there")
    channel, account, secrets, address = row["channel"], row["account"], row.get("secrets"), row.get("address", "")
    known = discover().get(channel)
    if known is None:
        raise SettingsInvalid(f"{where}: there is no channel {channel[:40]!r}")
    if known.signature == "none":
        raise SettingsInvalid(f"{where}: channel {channel} signs no webhooks, so none can be taken")
    if not isinstance(secrets, list) or not secrets or not all(isinstance(one, str) and len(one) >= 8 for one in secrets):
        raise SettingsInvalid(f"{where}: secrets is a list of one or more texts of at least 8 characters")
    if not isinstance(address, str) or (known.signature == "square_hmac_sha256" and not address):
        raise SettingsInvalid(f"{where}: {channel} signs the address it sends to: give it as address")
    return Endpoint(channel, account, tuple(secrets), address)


class Watched:
    """The endpoints as the file has them now. Looks at the file's time on each use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = self._time()
        self._found = load(path)

    def _time(self) -> int:
        try:
            return self._path.stat().st_mtime_ns
        except OSError:
            return 0

    def find(self, channel: str, account: str) -> Endpoint | None:
        """Return the endpoint, or None."""
        changed = self._time()
        if changed != self._changed:
            self._changed = changed
            try:
                self._found = load(self._path)
            except SettingsInvalid as error:
                logger("webhooks").error("endpoints_unreadable", error=error.message)
        return self._found.get((channel, account))
