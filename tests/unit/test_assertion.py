"""Who sent it: a valid assertion is taken, and every way of bending one is refused with the rule's name."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from schemas.assertion import KeyRing, Signer, create_key, load_keyring, load_signer
from schemas.failures import AssertionInvalid

VALUE, NOW = b"the value", 1_790_000_000.0
WHOM = {"message_id": "m1", "order_id": "o1"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_key(tmp_path, "door", "RS256", roles=["Order_Modify"], messages=["ModificationTicket"])
    create_key(tmp_path, "intake", "EdDSA", roles=[], messages=["OrderStated"], channels=["shopify"])
    return tmp_path


@pytest.fixture
def ring(folder: Path) -> KeyRing:
    return load_keyring(folder)


@pytest.fixture
def door(folder: Path) -> Signer:
    return load_signer(folder, "door", "console")


def signed(door: Signer, **changes: Any) -> bytes:
    wanted: dict[str, Any] = {"sub": "ana", "roles": ["Order_Modify"], "now": NOW, **WHOM} | changes
    return door.sign(VALUE, **wanted)


def check(
    ring: KeyRing, token: bytes | None, value: bytes = VALUE, message: str = "ModificationTicket", at: float = NOW, **whom: str
) -> str:
    actor, _ = ring.verify(token, value, **(WHOM | whom), message=message, at=at)
    return actor.user_id


def test_a_valid_assertion_names_its_sender(ring: KeyRing, door: Signer, folder: Path) -> None:
    assert "ana" == check(ring, signed(door))
    own = load_signer(folder, "intake", "intake")
    token = own.sign(VALUE, sub="intake", now=NOW, **WHOM)
    assert "intake" == check(ring, token, message="OrderStated")


def forged(token: bytes, header: dict[str, Any]) -> bytes:
    _, payload, signature = token.split(b".")
    return base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=") + b"." + payload + b"." + signature


def test_every_bent_assertion_is_refused(ring: KeyRing, door: Signer, folder: Path) -> None:
    good = signed(door)
    header, payload, signature = good.split(b".")
    own = load_signer(folder, "intake", "intake")
    bent: dict[str, tuple[bytes | None, dict[str, Any]]] = {
        "assertion_present": (None, {}),
        "assertion_form": (b"not a token", {}),
        "assertion_key": (forged(good, {"alg": "RS256", "kid": "stranger"}), {}),
        "assertion_algorithm": (forged(good, {"alg": "none", "kid": "door"}), {}),
        "assertion_signature": (header + b"." + payload + b"." + signature[:-4] + b"AAAA", {}),
        "assertion_content": (good, {"value": b"another value"}),
        "assertion_subject": (good, {"order_id": "o2"}),
        "assertion_time": (good, {"at": NOW + 3600}),
        "assertion_message_type": (good, {"message": "OrderStated"}),
        "assertion_roles": (own.sign(VALUE, sub="x", roles=["Order_Modify"], now=NOW, **WHOM), {"message": "OrderStated"}),
    }
    for rule, (token, changes) in bent.items():
        with pytest.raises(AssertionInvalid) as refused:
            check(ring, token, **changes)
        assert rule == refused.value.rule


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "HS256", "kid": "door"},
        {"alg": "EdDSA", "kid": "door"},
        {"alg": "RS256", "kid": "intake"},
        {"alg": "RS256", "kid": "door", "jku": "https://example.com/keys"},
        {"alg": "RS256", "kid": "door", "jwk": {}},
        {"alg": "RS256", "kid": ["door"]},
        {"alg": "RS256"},
        [],
        {"kid": "../../door", "alg": "RS256"},
    ],
    ids=str,
)
def test_a_header_that_is_not_the_registered_keys_is_refused(ring: KeyRing, door: Signer, header: Any) -> None:
    with pytest.raises(AssertionInvalid):
        check(ring, forged(signed(door), header))


def test_a_token_of_another_message_or_time_is_refused(ring: KeyRing, door: Signer) -> None:
    for changes in ({"message_id": "m2"}, {"order_id": "o9"}, {"now": NOW - 86_400}, {"now": NOW + 86_400}):
        with pytest.raises(AssertionInvalid):
            check(ring, signed(door, **changes))
