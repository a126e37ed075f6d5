"""Every known way to forge, move, stretch or confuse a token is refused, each by the rule that is meant for it."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from console.tokens import TokenRefused, Verifier
from tests.api import ISSUER, KEY, OTHER_KEY, Published, claims, token

GOOD = {"alg": "RS256", "typ": "at+jwt", "kid": "k1"}
NOW = int(time.time())
EC_KEY = ECKey.generate_key("P-256", private=True, parameters={"kid": "ec"})
PUBLISHED = Published()
PUBLISHED.keys["enc"] = {**PUBLISHED.keys["k1"], "kid": "enc", "use": "enc"}
PUBLISHED.keys["secret"] = {"kty": "oct", "kid": "secret", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}
PUBLISHED.keys["ec"] = {**EC_KEY.as_dict(private=False), "kid": "ec"}
VERIFIER = Verifier(ISSUER, "ordermend", PUBLISHED)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header: dict[str, Any], content: Any = None, key: Any = KEY) -> str:
    """A real signature over any header and any claims, which the library itself would not write."""
    payload = json.dumps(claims() if content is None else content)
    body = f"{b64(json.dumps(header).encode())}.{b64(payload.encode())}"
    good = jws.serialize_compact({"alg": "RS256"}, b"", key)
    assert good
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 -- beside its one use
    from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415

    signature = key.private_key.sign(body.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{body}.{b64(signature)}"


def hs256(secret: bytes, header: dict[str, Any]) -> str:
    body = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims()).encode())}"
    return f"{body}.{b64(hmac.new(secret, body.encode(), hashlib.sha256).digest())}"


def unsigned(algorithm: str) -> str:
    return f"{b64(json.dumps(GOOD | {'alg': algorithm}).encode())}.{b64(json.dumps(claims()).encode())}."


def tampered(part: int) -> str:
    parts = token().split(".")
    text = parts[part]
    parts[part] = ("A" if text[10] != "A" else "B").join((text[:10], text[11:]))
    return ".".join(parts)


def with_claim(name: str, value: Any) -> str:
    parts = token().split(".")
    return ".".join((parts[0], b64(json.dumps(claims() | {name: value}).encode()), parts[2]))


ATTACKS: dict[str, tuple[Callable[[], str], str]] = {
    "no algorithm": (lambda: unsigned("none"), "alg"),
    "no algorithm, other case": (lambda: unsigned("nOnE"), "alg"),
    "empty algorithm": (lambda: unsigned(""), "alg"),
    "signature cut off": (lambda: token().rpartition(".")[0] + ".", "signature"),
    "signature of another token": (lambda: token().rpartition(".")[0] + "." + token(sub="ben").rpartition(".")[2], "signature"),
    "public key as shared secret, PEM": (lambda: hs256(KEY.as_pem(private=False), GOOD | {"alg": "HS256"}), "alg"),
    "public key as shared secret, DER": (lambda: hs256(KEY.as_der(private=False), GOOD | {"alg": "HS256"}), "alg"),
    "shared secret, said to be RS256": (lambda: hs256(KEY.as_pem(private=False), GOOD), "signature"),
    "a shared secret that is published": (
        lambda: hs256(b"secret-secret-secret-secret-secret", GOOD | {"kid": "secret"}), "signature",
    ),
    "another key of the same id": (lambda: signed(GOOD, key=OTHER_KEY), "signature"),
    "key in the header": (lambda: signed(GOOD | {"jwk": OTHER_KEY.as_dict(private=False)}, key=OTHER_KEY), "header_members"),
    "address of keys in the header": (lambda: signed(GOOD | {"jku": "http://evil.example/jwks"}), "header_members"),
    "address of a certificate": (lambda: signed(GOOD | {"x5u": "http://evil.example/cert"}), "header_members"),
    "certificate in the header": (lambda: signed(GOOD | {"x5c": ["MIIB"]}), "header_members"),
    "critical extension": (lambda: signed(GOOD | {"crit": ["exp"], "exp": 1}), "header_members"),
    "unencoded payload": (lambda: signed(GOOD | {"b64": False}), "header_members"),
    "unknown key id": (lambda: signed(GOOD | {"kid": "k2"}), "kid"),
    "no key id": (lambda: signed({"alg": "RS256", "typ": "at+jwt"}), "kid"),
    "empty key id": (lambda: signed(GOOD | {"kid": ""}), "kid"),
    "path as key id": (lambda: signed(GOOD | {"kid": "../../dev/null"}), "kid"),
    "statement as key id": (lambda: signed(GOOD | {"kid": "k1' or '1'='1"}), "kid"),
    "list as key id": (lambda: signed(GOOD | {"kid": ["k1"]}), "kid"),
    "key that is for encryption": (lambda: signed(GOOD | {"kid": "enc"}), "alg"),
    "algorithm of another key type": (lambda: signed(GOOD | {"alg": "ES256"}), "alg"),
    "key of another type": (lambda: signed(GOOD | {"kid": "ec"}), "signature"),
    "weaker padding": (lambda: signed(GOOD | {"alg": "RS1"}), "alg"),
    "longer hash, not listed": (lambda: signed(GOOD | {"alg": "RS512"}), "alg"),
    "identity token as access token": (lambda: signed(GOOD | {"typ": "JWT"}), "typ"),
    "no type": (lambda: signed({"alg": "RS256", "kid": "k1"}), "typ"),
    "another audience": (lambda: token(aud="billing"), "aud"),
    "no audience": (lambda: token(aud=None), "aud"),
    "audience that begins like ours": (lambda: token(aud="ordermend.evil"), "aud"),
    "another issuer": (lambda: token(iss="http://evil.example"), "iss"),
    "issuer with a slash": (lambda: token(iss=f"{ISSUER}/"), "iss"),
    "no issuer": (lambda: token(iss=None), "iss"),
    "over": (lambda: token(iat=NOW - 900, exp=NOW - 61), "exp"),
    "no end": (lambda: token(exp=None), "times_form"),
    "end as text": (lambda: signed(GOOD, claims() | {"exp": str(NOW + 600)}), "times_form"),
    "end that is true": (lambda: signed(GOOD, claims() | {"exp": True}), "times_form"),
    "end beyond all numbers": (lambda: signed(GOOD, claims() | {"exp": 10**400}), "times_form"),
    "end as float": (lambda: signed(GOOD, claims() | {"exp": 1e300}), "times_form"),
    "lives for a year": (lambda: token(exp=NOW + 365 * 86400), "lifetime"),
    "made in the future": (lambda: token(iat=NOW + 3600, exp=NOW + 7200), "iat"),
    "not valid yet": (lambda: signed(GOOD, claims() | {"nbf": NOW + 3600}), "iat"),
    "no time": (lambda: token(iat=None), "times_form"),
    "nobody": (lambda: token(sub=""), "sub"),
    "subject of control characters": (lambda: signed(GOOD, claims(sub="ana\nroot")), "sub"),
    "subject is a number": (lambda: signed(GOOD, claims() | {"sub": 1}), "sub"),
    "roles as text": (lambda: signed(GOOD, claims() | {"roles": "Order_Modify"}), "roles_form"),
    "header changed": (lambda: tampered(0), "header"),
    "claims changed": (lambda: tampered(1), "signature"),
    "signature changed": (lambda: tampered(2), "signature"),
    "roles added": (lambda: with_claim("roles", ["Order_Approve"]), "signature"),
    "claims that are a list": (lambda: signed(GOOD, [1]), "claims_form"),
    "five parts": (lambda: token() + ".a.b", "form"),
    "one part": (lambda: "token", "form"),
    "not ASCII": (lambda: token().replace(".", ".é", 1), "form"),
    "a megabyte": (lambda: token() + "A" * 1_000_000, "form"),
    "header is no JSON": (lambda: f"{b64(b'{')}.a.b", "header_form"),
    "header is a list": (lambda: f"{b64(b'[]')}.a.b", "header_members"),
    "header nested without end": (lambda: f"{b64(b'[' * 5000)}.a.b", "header"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_is_refused_by_its_rule(attack: str) -> None:
    make, rule = ATTACKS[attack]
    with pytest.raises(TokenRefused) as refused:
        VERIFIER.user(make())
    assert str(refused.value.rule).startswith(f"token.{rule}")


def test_a_good_token_says_who_and_keeps_only_known_roles() -> None:
    user = VERIFIER.user(token("ana", ("Order_Modify", "root"), name="Ana"))
    assert ("ana", frozenset({"Order_Modify"}), "Ana") == (user.sub, user.roles, user.name)


def test_a_key_that_is_published_for_it_may_be_elliptic() -> None:
    made = jws.serialize_compact({"alg": "ES256", "typ": "at+jwt", "kid": "ec"}, json.dumps(claims()), EC_KEY, algorithms=["ES256"])
    assert "ana" == VERIFIER.user(made).sub


def test_a_clock_a_little_off_is_no_attack() -> None:
    now = int(time.time())  # NOW is when the file was read, which may be a while ago
    assert "ana" == VERIFIER.user(token(iat=now + 30, exp=now + 600)).sub
    assert "ana" == VERIFIER.user(token(iat=now - 600, exp=now - 30)).sub


def test_another_installations_key_is_nobodys() -> None:
    stranger = RSAKey.generate_key(2048, private=True, parameters={"kid": "k1"})
    with pytest.raises(TokenRefused):
        VERIFIER.user(signed(GOOD, key=stranger))
