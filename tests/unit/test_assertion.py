"""Who sent it: a valid assertion is taken, and every way of bending one is refused with the rule's name."""

import base64
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from schemas import merkle
from schemas.assertion import MAX_BATCH, KeyRing, Signer, Unsigned, create_key, load_keyring, load_signer
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


BATCH = [Unsigned(f"value {n}".encode(), f"m{n}", f"o{n}") for n in range(MAX_BATCH + 3)]


def of_batch(ring: KeyRing, token: bytes, n: int, **changes: Any) -> str:
    value, message_id, order_id = BATCH[n]
    wanted: dict[str, Any] = {"message_id": message_id, "order_id": order_id, "message": "OrderStated", "at": NOW} | changes
    return ring.verify(token, wanted.pop("value", value), **wanted)[0].user_id


@pytest.fixture
def tokens(folder: Path) -> list[bytes]:
    return load_signer(folder, "intake", "intake").sign_batch(BATCH, sub="intake", now=NOW)


def test_each_message_of_a_batch_is_vouched_for_by_one_signature(ring: KeyRing, tokens: list[bytes]) -> None:
    assert ["intake"] * len(BATCH) == [of_batch(ring, token, n) for n, token in enumerate(tokens)]
    assert 2 == len({token.split(b".")[3] for token in tokens})
    assert all(ring.vouches(token, BATCH[n].value, BATCH[n].order_id, NOW) for n, token in enumerate(tokens))
    assert max(map(len, tokens)) < 1000


def test_a_door_signs_a_batch_with_its_own_algorithm(ring: KeyRing, door: Signer) -> None:
    (token,) = door.sign_batch([Unsigned(VALUE, "m1", "o1")], sub="ana", roles=["Order_Modify"], now=NOW)
    assert "ana" == check(ring, token)


def test_every_bent_token_of_a_batch_is_refused(ring: KeyRing, tokens: list[bytes], folder: Path) -> None:
    header, payload, proof, signature = tokens[5].split(b".")
    single = load_signer(folder, "intake", "intake").sign(BATCH[5].value, message_id="m5", order_id="o5", sub="somebody", now=NOW)
    plain_header, plain_payload, plain_signature = single.split(b".")
    raw = bytearray(base64.urlsafe_b64decode(proof + b"=" * (-len(proof) % 4)))

    def proven(changed: bytes) -> bytes:
        return b".".join((header, payload, base64.urlsafe_b64encode(changed).rstrip(b"="), signature))

    for _ in range(2):  # also once the batch's root is known
        bent: dict[str, tuple[bytes, dict[str, Any]]] = {
            "another message's payload": (b".".join((header, tokens[6].split(b".")[1], proof, signature)), {}),
            "a payload of somebody's own": (b".".join((header, plain_payload, proof, signature)), {}),
            "another place": (proven(bytes([6]) + bytes(raw[1:])), {}),
            "another count": (proven(bytes([raw[0], raw[1] - 1]) + bytes(raw[2:])), {}),
            "no count": (proven(bytes([0, 0])), {}),
            "a count beyond a batch": (proven(bytes([0, 255]) + bytes(raw[2:])), {}),
            "a shorter proof": (proven(bytes(raw[:-32])), {}),
            "a longer proof": (proven(bytes(raw) + bytes(32)), {}),
            "an odd proof": (proven(bytes(raw) + b"x"), {}),
            "no proof": (proven(b""), {}),
            "the other batch's signature": (b".".join((header, payload, proof, tokens[-1].split(b".")[3])), {}),
            "the root's signature as a message's own": (b".".join((plain_header, payload, signature)), {}),
            "a batch's header on a message's own signature": (b".".join((header, plain_payload, plain_signature)), {}),
            "a message's own header on a proof": (b".".join((plain_header, payload, proof, signature)), {}),
            "two proofs": (b".".join((header, payload, proof, proof, signature)), {}),
            "another value": (tokens[5], {"value": b"another"}),
            "another order": (tokens[5], {"order_id": "o6"}),
            "another time": (tokens[5], {"at": NOW + 3600}),
            "another kind of message": (tokens[5], {"message": "ModificationTicket"}),
        }
        for name, (token, changes) in bent.items():
            with pytest.raises(AssertionInvalid):
                pytest.fail(f"{name} was taken: {of_batch(ring, token, 5, **changes)}")
            assert not ring.vouches(token, changes.get("value", BATCH[5].value), "o5", changes.get("at", NOW)) or name in {
                "another order",
                "another kind of message",
            }
        assert "intake" == of_batch(ring, tokens[5], 5)


def test_a_node_of_the_tree_is_no_message() -> None:
    leaves = [merkle.leaf_of(bytes([n])) for n in range(4)]
    root, _ = merkle.tree_of(leaves)
    node = leaves[0] + leaves[1]
    assert root != merkle.root_by(merkle.leaf_of(node), 0, 2, sha256(b"\x01" + leaves[2] + leaves[3]).digest())


@pytest.mark.parametrize("count", [1, 2, 3, 7, 33, MAX_BATCH])
def test_each_proof_leads_to_the_root_and_to_no_other(count: int) -> None:
    leaves = [merkle.leaf_of(bytes([n])) for n in range(count)]
    root, proofs = merkle.tree_of(leaves)
    for index, proof in enumerate(proofs):
        assert root == merkle.root_by(leaves[index], index, count, proof)
        assert root != merkle.root_by(merkle.leaf_of(b"other"), index, count, proof)
