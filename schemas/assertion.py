"""Who sends a message: a signed assertion in header `actor`, checked once by the processor.

A compact JWS (RFC 7515) over the sender, the roles the door verified, the message's id, its order and the
SHA-256 of its value. Doors and tools sign with registered keys; each key may speak only for named roles,
message types and channels. `alg` comes from the registered key, never from the token: the token's own header
must merely agree with it. Times are judged by the broker's append time, so a replayed backlog stays valid and
a wrong clock at the sender is caught.

Two algorithms, chosen by who does the work (measured on 2 cores: RS256 verify 17 µs, sign 236 µs; EdDSA
verify 67 µs, sign 22 µs): doors for people sign RS256, because the one writer verifies every ticket; intake
and fact sources sign EdDSA, because they sign every record they forward.

A batch is signed once (`sign_batch`): the one signature is over the root of a Merkle tree of the batch's payloads, and each token carries
its payload's proof. What a payload claims, and what is checked of it, is the same; a root that was verified is known again, so a batch costs
the reader one verification as well.

Source: RFC 7515 sections 3.1, 5.2; RFC 8037 (EdDSA), RFC 7518 section 3.3 (RS256), read 2026-11-23.
"""

import base64
import binascii
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Literal, NamedTuple

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from schemas import merkle
from schemas.failures import AssertionInvalid, KeysMissing

HEADER = "actor"
SKEW_SECONDS = 120
MAX_BYTES = 4096
MAX_BATCH = 64
"""Messages under one signature: six hashes a message, and a sixty-fourth of a signature."""
_BATCH = b"ordermend.batch.v1\x00"
"""Stands before what is signed for a batch; no compact JWS begins so, and no payload can pass for a root."""
_KNOWN_ROOTS = 4096
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

    _batch_header: bytes = field(init=False)

    def __post_init__(self) -> None:
        algorithm: Algorithm = "RS256" if isinstance(self.private_key, rsa.RSAPrivateKey) else "EdDSA"
        self._header = _encode(orjson.dumps({"alg": algorithm, "kid": self.kid}))
        self._batch_header = _encode(orjson.dumps({"alg": algorithm, "kid": self.kid, "typ": "batch"}))

    def sign(self, value: bytes, *, message_id: str, order_id: str, sub: str, roles: Iterable[str] = (), now: float | None = None) -> bytes:
        """Return the header value for a message of these bytes."""
        payload = self._payload(Unsigned(value, message_id, order_id), sub, roles, int(time.time() if now is None else now))
        signed = self._header + b"." + payload
        return signed + b"." + _encode(self._signature(signed))

    def sign_batch(self, messages: "Sequence[Unsigned]", *, sub: str, roles: Iterable[str] = (), now: float | None = None) -> list[bytes]:
        """Return the header value for each message, with one signature for every `MAX_BATCH` of them."""
        issued, tokens, shared = int(time.time() if now is None else now), [], list(roles)
        for start in range(0, len(messages), MAX_BATCH):
            payloads = [self._payload(message, sub, shared, issued) for message in messages[start : start + MAX_BATCH]]
            root, proofs = merkle.tree_of([merkle.leaf_of(payload) for payload in payloads])
            count = len(payloads)
            signature = _encode(self._signature(_batch_text(self._batch_header, count, root)))
            tokens += [
                b".".join((self._batch_header, payload, _encode(bytes((index, count)) + proof), signature))
                for index, (payload, proof) in enumerate(zip(payloads, proofs, strict=True))
            ]
        return tokens

    def _payload(self, message: "Unsigned", sub: str, roles: Iterable[str], issued: int) -> bytes:
        claims = {
            "sub": sub,
            "roles": list(roles),
            "door": self.door,
            "mid": message.message_id,
            "oid": message.order_id,
            "sha": sha256(message.value).hexdigest(),
            "iat": issued,
            "exp": issued + self.lifetime_seconds,
        }
        return _encode(orjson.dumps(claims))

    def _signature(self, signed: bytes) -> bytes:
        if isinstance(self.private_key, rsa.RSAPrivateKey):
            return self.private_key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return self.private_key.sign(signed)


class Unsigned(NamedTuple):
    """A message to be signed with others: its bytes, its id, its order."""

    value: bytes
    message_id: str
    order_id: str


def _batch_text(header: bytes, count: int, root: bytes) -> bytes:
    """Return what is signed for a batch: key, algorithm, how many messages, and the root over them."""
    return _BATCH + header + b"." + bytes((count,)) + root


class KeyRing:
    """The registered keys by id, and the check of an assertion against them."""

    def __init__(self, keys: Iterable[RegisteredKey]) -> None:
        self._keys = {key.kid: key for key in keys}
        self._headers: dict[tuple[bytes, bool], RegisteredKey] = {}
        self._roots: set[tuple[bytes, bytes]] = set()
        """(what was signed, signature) of batches whose signature was found right."""

    def verify(
        self, token: bytes | None, value: bytes, *, message_id: str, order_id: str, message: str, at: float
    ) -> tuple[Actor, RegisteredKey]:
        """Return who sent `value`; raise `AssertionInvalid` naming the rule that failed.

        `at` is the broker's append time in seconds. The claims must name this message, this order and these
        bytes: an assertion cannot be moved to another message.
        """
        if token is None:
            raise AssertionInvalid("the message carries no actor assertion", field=HEADER, rule="assertion_present")
        if len(token) > MAX_BYTES or token.count(b".") not in {2, 3}:
            raise AssertionInvalid("the actor assertion is no compact JWS", field=HEADER, rule="assertion_form")
        key, payload = self._signed_by(token)
        claims = _claims(payload)
        self._check_claims(claims, value, message_id, order_id, at)
        return self._authorise(key, claims, message), key

    def vouches(self, token: bytes | None, value: bytes, order_id: str, at: float) -> bool:
        """Whether a registered key signed exactly these bytes for this order, whatever they say."""
        try:
            _, payload = self._signed_by(token or b"")
            claims = _claims(payload)
            self._check_claims(claims, value, str(claims.get("mid")), order_id, at)
        except (AssertionInvalid, ValueError):
            return False
        return True

    def _signed_by(self, token: bytes) -> tuple[RegisteredKey, bytes]:
        """Return (key, payload) of a token whose signature is right: its own, or that of the batch it is proven to be of."""
        header, payload, *between, signature = token.split(b".")
        if len(between) > 1:
            raise AssertionInvalid("the actor assertion is no compact JWS", field=HEADER, rule="assertion_form")
        key = self._headers.get((header, bool(between))) or self._key_of(header, batch=bool(between))
        if not between:
            _check_signature(key, header + b"." + payload, signature)
            return key, payload
        signed = _batch_text(header, *_root_of(payload, between[0]))
        if (signed, signature) not in self._roots:
            _check_signature(key, signed, signature)
            if len(self._roots) >= _KNOWN_ROOTS:
                self._roots.clear()
            self._roots.add((signed, signature))
        return key, payload

    def _key_of(self, header: bytes, *, batch: bool) -> RegisteredKey:
        try:
            parsed = json.loads(_decode(header))
            key = self._keys[parsed["kid"]]
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise AssertionInvalid("the actor assertion names no registered key", field=HEADER, rule="assertion_key") from None
        if parsed != {"alg": key.algorithm, "kid": key.kid} | ({"typ": "batch"} if batch else {}):
            raise AssertionInvalid("the actor assertion's header is not the registered key's", field=HEADER, rule="assertion_algorithm")
        if len(self._headers) < 1024:
            self._headers[header, batch] = key
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


def _root_of(payload: bytes, stated: bytes) -> tuple[int, bytes]:
    """Return (how many messages, root) that a token's proof leads to."""
    try:
        proof = _decode(stated)
        index, count = proof[0], proof[1]
    except (binascii.Error, ValueError, IndexError):
        raise AssertionInvalid("the actor assertion's proof cannot be read", field=HEADER, rule="assertion_form") from None
    root = merkle.root_by(merkle.leaf_of(payload), index, count, proof[2:]) if 0 < count <= MAX_BATCH else None
    if root is None:
        raise AssertionInvalid("the actor assertion's proof leads to no root", field=HEADER, rule="assertion_form")
    return count, root


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
