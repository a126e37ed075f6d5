"""Who sends a message: a signed assertion in header `actor`, checked once by the processor.

A compact JWS (RFC 7515) over the sender, the roles the door verified, the message's id, its order and the
SHA-256 of its value. Doors and tools sign with registered keys; each key may speak only for named roles,
message types and channels. `alg` comes from the registered key, never from the token: the token's own header
must merely agree with it. Times are judged by the broker's append time, so a replayed backlog stays valid and
a wrong clock at the sender is caught.

Two algorithms, chosen by who does the work (measured on 2 cores: RS256 verify 17 µs, sign 236 µs; EdDSA
verify 67 µs, sign 22 µs): doors for people sign RS256, because the one writer verifies every ticket; intake
and fact sources sign EdDSA, because they sign every record they forward.

Source: RFC 7515 sections 3.1, 5.2; RFC 8037 (EdDSA), RFC 7518 section 3.3 (RS256), read 2026-11-23.
"""

import base64
import binascii
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Literal

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from schemas.failures import AssertionInvalid, KeysMissing

HEADER = "actor"
SKEW_SECONDS = 120
MAX_BYTES = 4096
Algorithm = Literal["RS256", "EdDSA"]


@dataclass(frozen=True)
class Actor:
    """A verified sender: what history and tickets record."""

    user_id: str
    roles: frozenset[str]
    door: str
    on_behalf_of: str | None = None
    """Who sent it first, where somebody repaired and sends it now."""


@dataclass(frozen=True)
class RegisteredKey:
    """A public key and what it may speak for. `channels` empty: any channel."""

    kid: str
    algorithm: Algorithm
    public_key: rsa.RSAPublicKey | ed25519.Ed25519PublicKey
    roles: frozenset[str]
    messages: frozenset[str]
    channels: frozenset[str] = frozenset()


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


@dataclass
class Signer:
    """Signs messages with one private key. `sub` and roles are given per message: a door speaks for many users."""

    kid: str
    private_key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
    door: str
    lifetime_seconds: int = 600
    _header: bytes = field(init=False)

    def __post_init__(self) -> None:
        algorithm: Algorithm = "RS256" if isinstance(self.private_key, rsa.RSAPrivateKey) else "EdDSA"
        self._header = _encode(orjson.dumps({"alg": algorithm, "kid": self.kid}))

    def sign(self, value: bytes, *, message_id: str, order_id: str, sub: str, roles: Iterable[str] = (), now: float | None = None) -> bytes:
        """Return the header value for a message of these bytes."""
        issued = int(time.time() if now is None else now)
        claims = {
            "sub": sub,
            "roles": list(roles),
            "door": self.door,
            "mid": message_id,
            "oid": order_id,
            "sha": sha256(value).hexdigest(),
            "iat": issued,
            "exp": issued + self.lifetime_seconds,
        }
        signed = self._header + b"." + _encode(orjson.dumps(claims))
        if isinstance(self.private_key, rsa.RSAPrivateKey):
            signature = self.private_key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        else:
            signature = self.private_key.sign(signed)
        return signed + b"." + _encode(signature)


class KeyRing:
    """The registered keys by id, and the check of an assertion against them."""

    def __init__(self, keys: Iterable[RegisteredKey]) -> None:
        self._keys = {key.kid: key for key in keys}
        self._headers: dict[bytes, RegisteredKey] = {}

    def verify(
        self, token: bytes | None, value: bytes, *, message_id: str, order_id: str, message: str, at: float
    ) -> tuple[Actor, RegisteredKey]:
        """Return who sent `value`; raise `AssertionInvalid` naming the rule that failed.

        `at` is the broker's append time in seconds. The claims must name this message, this order and these
        bytes: an assertion cannot be moved to another message.
        """
        if token is None:
            raise AssertionInvalid("the message carries no actor assertion", field=HEADER, rule="assertion_present")
        if len(token) > MAX_BYTES or token.count(b".") != 2:
            raise AssertionInvalid("the actor assertion is no compact JWS", field=HEADER, rule="assertion_form")
        header, payload, signature = token.split(b".")
        key = self._headers.get(header) or self._key_of(header)
        _check_signature(key, header + b"." + payload, signature)
        claims = _claims(payload)
        self._check_claims(claims, value, message_id, order_id, at)
        return self._authorise(key, claims, message), key

    def vouches(self, token: bytes | None, value: bytes, order_id: str, at: float) -> bool:
        """Whether a registered key signed exactly these bytes for this order, whatever they say."""
        try:
            header, payload, signature = (token or b"").split(b".")
            _check_signature(self._headers.get(header) or self._key_of(header), header + b"." + payload, signature)
            claims = _claims(payload)
            self._check_claims(claims, value, str(claims.get("mid")), order_id, at)
        except (AssertionInvalid, ValueError):
            return False
        return True

    def _key_of(self, header: bytes) -> RegisteredKey:
        try:
            parsed = json.loads(_decode(header))
            key = self._keys[parsed["kid"]]
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise AssertionInvalid("the actor assertion names no registered key", field=HEADER, rule="assertion_key") from None
        if parsed != {"alg": key.algorithm, "kid": key.kid}:
            raise AssertionInvalid("the actor assertion's header is not the registered key's", field=HEADER, rule="assertion_algorithm")
        if len(self._headers) < 1024:
            self._headers[header] = key
        return key

    @staticmethod
    def _check_claims(claims: dict[str, object], value: bytes, message_id: str, order_id: str, at: float) -> None:
        if claims.get("sha") != sha256(value).hexdigest():
            raise AssertionInvalid("the actor assertion is over other bytes", field=HEADER, rule="assertion_content")
        if claims.get("mid") != message_id or claims.get("oid") != order_id:
            raise AssertionInvalid("the actor assertion is for another message or order", field=HEADER, rule="assertion_subject")
        issued, expires = claims.get("iat"), claims.get("exp")
        if not isinstance(issued, int) or not isinstance(expires, int) or not issued - SKEW_SECONDS <= at <= expires + SKEW_SECONDS:
            raise AssertionInvalid(
                "the actor assertion was not valid when the broker took the message", field=HEADER, rule="assertion_time"
            )

    @staticmethod
    def _authorise(key: RegisteredKey, claims: dict[str, object], message: str) -> Actor:
        subject, roles, door = claims.get("sub"), claims.get("roles"), claims.get("door")
        if not isinstance(subject, str) or not subject or not isinstance(door, str) or not isinstance(roles, list):
            raise AssertionInvalid("the actor assertion names no sender", field=HEADER, rule="assertion_form")
        if message not in key.messages:
            raise AssertionInvalid(f"key {key.kid} may not send {message}", field=HEADER, rule="assertion_message_type")
        if not key.roles.issuperset(roles):
            raise AssertionInvalid(f"key {key.kid} may not speak for these roles", field=HEADER, rule="assertion_roles")
        return Actor(subject, frozenset(roles), door)


def _check_signature(key: RegisteredKey, signed: bytes, signature: bytes) -> None:
    try:
        raw = _decode(signature)
        if isinstance(key.public_key, rsa.RSAPublicKey):
            key.public_key.verify(raw, signed, padding.PKCS1v15(), hashes.SHA256())
        else:
            key.public_key.verify(raw, signed)
    except (InvalidSignature, binascii.Error, ValueError):
        raise AssertionInvalid("the actor assertion's signature is wrong", field=HEADER, rule="assertion_signature") from None


def _claims(payload: bytes) -> dict[str, object]:
    try:
        claims = orjson.loads(_decode(payload))
    except (binascii.Error, ValueError):
        claims = None
    if not isinstance(claims, dict):
        raise AssertionInvalid("the actor assertion's claims are no object", field=HEADER, rule="assertion_form")
    return claims


def load_keyring(folder: Path) -> KeyRing:
    """Read `<kid>.json` files: {"kid", "algorithm", "public_pem", "roles", "messages", "channels"}."""
    keys = []
    for path in sorted(folder.glob("*.json")):
        entry = json.loads(path.read_text("utf-8"))
        public = serialization.load_pem_public_key(entry["public_pem"].encode())
        assert isinstance(public, rsa.RSAPublicKey | ed25519.Ed25519PublicKey)
        keys.append(
            RegisteredKey(
                kid=entry["kid"],
                algorithm=entry["algorithm"],
                public_key=public,
                roles=frozenset(entry["roles"]),
                messages=frozenset(entry["messages"]),
                channels=frozenset(entry["channels"]),
            )
        )
    return KeyRing(keys)


def load_signer(folder: Path, kid: str, door: str) -> Signer:
    """Read the private key `<kid>.key` (PEM)."""
    try:
        pem = (folder / f"{kid}.key").read_bytes()
    except FileNotFoundError:
        raise KeysMissing(f"{folder}/{kid}.key is not there: restore it, or run `ordermend keys` for a new installation") from None
    private = serialization.load_pem_private_key(pem, password=None)
    assert isinstance(private, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey)
    return Signer(kid, private, door)


def create_key(
    folder: Path, kid: str, algorithm: Algorithm, *, roles: Iterable[str], messages: Iterable[str], channels: Iterable[str] = ()
) -> None:
    """Make a key pair: private `<kid>.key` (mode 600) and its registration `<kid>.json`. Keeps an existing one."""
    target = folder / f"{kid}.key"
    if target.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey = (
        rsa.generate_private_key(65537, 2048) if algorithm == "RS256" else ed25519.Ed25519PrivateKey.generate()
    )
    public = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    entry = {
        "kid": kid,
        "algorithm": algorithm,
        "public_pem": public.decode(),
        "roles": sorted(roles),
        "messages": sorted(messages),
        "channels": sorted(channels),
    }
    (folder / f"{kid}.json").write_text(json.dumps(entry, indent=1), "utf-8")
    target.touch(mode=0o600)
    target.write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
