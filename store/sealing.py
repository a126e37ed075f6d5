"""Personal data at rest: AES-256-GCM under a key per order, which itself lies wrapped by the master key.

Erasing a person is deleting the order's key: every ciphertext of it becomes noise, while the hash chain, which
is over ciphertext, still verifies. A sealed value is nonce (12 bytes) ‖ ciphertext ‖ tag; what it belongs to
(order and place) is bound in as associated data, so ciphertexts cannot be swapped.

Source: NIST SP 800-38D section 8.2.2 (random 96-bit nonces; 2^32 messages a key are far away), read 2026-11-23.
"""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.failures import KeysMissing

NONCE_BYTES = 12


class Unsealable(Exception):
    """The value cannot be opened: its key was erased, or it was tampered with."""


class _Nonces(threading.local):
    """Random nonces from the system, fetched a few thousand at a time: a call each would cost more than sealing."""

    def __init__(self) -> None:
        self._pool = b""
        self._place = 0

    def forget(self) -> None:
        """Drop what was fetched."""
        self._pool, self._place = b"", 0

    def take(self) -> bytes:
        """Return the next nonce; none is ever returned twice."""
        if self._place >= len(self._pool):
            self._pool, self._place = os.urandom(4096 * NONCE_BYTES), 0
        self._place += NONCE_BYTES
        return self._pool[self._place - NONCE_BYTES : self._place]


_nonces = _Nonces()
# A forked child must not repeat its parent's nonces.
os.register_at_fork(after_in_child=_nonces.forget)


@dataclass(frozen=True)
class OrderKey:
    """An order's key, open; `wrapped` is what the database keeps."""

    order_id: UUID
    cipher: AESGCM
    wrapped: bytes

    def seal(self, plain: bytes, place: str) -> bytes:
        """Encrypt what lies at `place` (a path, a table's name with a row's id)."""
        nonce = _nonces.take()
        return nonce + self.cipher.encrypt(nonce, plain, self.order_id.bytes + place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """Decrypt; raise `Unsealable` where key, place or bytes do not match."""
        try:
            return self.cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], self.order_id.bytes + place.encode())
        except InvalidTag:
            raise Unsealable(place) from None


class KeyVault:
    """Makes and unwraps order keys under the master key (32 bytes)."""

    def __init__(self, master: bytes) -> None:
        self._master = AESGCM(master)

    @classmethod
    def load(cls, folder: Path) -> "KeyVault":
        """Read `master.key`. A missing one is an error, never made anew: what it sealed would be lost in silence."""
        try:
            return cls((folder / "master.key").read_bytes())
        except FileNotFoundError:
            raise KeysMissing(f"{folder}/master.key is not there: restore it, or run `ordermend keys` for a new installation") from None

    @staticmethod
    def make(folder: Path) -> None:
        """Make `master.key` (mode 600) for a new installation; an existing one is kept."""
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(folder / "master.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return
        os.write(handle, os.urandom(32))
        os.close(handle)

    def seal(self, plain: bytes, place: str) -> bytes:
        """Encrypt what belongs to no order, such as a session, under the master key itself."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._master.encrypt(nonce, plain, _no_order(place))

    def open(self, sealed: bytes, place: str) -> bytes:
        """Decrypt what `seal` made for this place; raise `Unsealable` where key, place or bytes do not match."""
        try:
            return self._master.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _no_order(place))
        except (InvalidTag, ValueError):
            raise Unsealable(place) from None

    def create(self, order_id: UUID) -> OrderKey:
        """Make a key for an order."""
        data_key, nonce = os.urandom(32), os.urandom(NONCE_BYTES)
        wrapped = nonce + self._master.encrypt(nonce, data_key, order_id.bytes)
        return OrderKey(order_id, AESGCM(data_key), wrapped)

    def unwrap(self, order_id: UUID, wrapped: bytes) -> OrderKey:
        """Open a stored key."""
        try:
            data_key = self._master.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], order_id.bytes)
        except (InvalidTag, ValueError):  # ValueError: no key at all, once it was erased
            raise Unsealable(f"key of {order_id}") from None
        return OrderKey(order_id, AESGCM(data_key), wrapped)


def _no_order(place: str) -> bytes:
    """Return what is bound in; longer than an order's id, so that no wrapped key can stand for it."""
    return b"belongs to no order: " + place.encode()
