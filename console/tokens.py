"""Tokens at the door: a signed JWT in, a `User` out, or the one rule it breaks.

Only asymmetric signatures of the issuer's published keys count: the algorithm is the key's, never the token's to choose;
a header that brings a key, an address of one, or a critical extension is refused unread. A token is for us (`aud`), from
our issuer (`iss`), of the expected kind (`typ`), not yet over and not from the future.

Source: RFC 8725 sections 2.1-3.12; RFC 9068 sections 2.1, 2.2, 4; RFC 7515 section 4.1.11; OpenID Connect Core 1.0 section 3.1.3.7; read
2026-11-24.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.util import urlsafe_b64decode

from console.access import ROLES, User
from schemas.failures import OrdermendError

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
MAX_BYTES: Final = 8192
SKEW_SECONDS: Final = 60
MAX_LIFETIME_SECONDS: Final = 24 * 3600
ACCESS: Final = "at+jwt"
IDENTITY: Final = "JWT"
_HEADER: Final = frozenset({"alg", "typ", "kid"})
_KEY_TYPES: Final[Mapping[str, type[Any]]] = {"RS256": RSAKey, "ES256": ECKey, "EdDSA": OKPKey}

Key = RSAKey | ECKey | OKPKey


class TokenRefused(OrdermendError):
    """The token is not one that we take."""

    code = "token_refused"
    error_class = "AUTHZ"


class Keys(Protocol):
    """The issuer's published keys."""

    def find(self, kid: str) -> Mapping[str, Any] | None:
        """Return the public key of that id, as JWK; None where the issuer publishes none."""


@dataclass(frozen=True)
class Verifier:
    """Checks tokens of one issuer. `clock` gives Unix time in seconds."""

    issuer: str
    audience: str
    keys: Keys
    clock: Callable[[], float] = time.time

    def user(self, token: str, kind: str = ACCESS, audience: str | None = None) -> User:
        """Return who the token speaks for; raise `TokenRefused` naming the rule."""
        claims = self.claims(token, kind, audience)
        roles = claims.get("roles", [])
        if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
            raise _refused("roles_form", "claim roles is no list of texts")
        name = claims.get("name")
        roles_here = frozenset(roles) & frozenset(ROLES)
        return User(claims["sub"], roles_here, name if isinstance(name, str) else "", claims["exp"], claims["iat"])

    def claims(self, token: str, kind: str, audience: str | None = None) -> dict[str, Any]:
        """Return the claims of a token that holds."""
        header = _header(token)
        if str(header.get("typ", "")).casefold() != kind.casefold():
            raise _refused("typ", f"this is no {kind} token")
        claims = self._signed(token, header)
        self._check(claims, audience or self.audience)
        return claims

    def _signed(self, token: str, header: Mapping[str, Any]) -> dict[str, Any]:
        published = self.keys.find(header["kid"])
        if published is None:
            raise _refused("kid", "the issuer publishes no such key")
        if published.get("alg", header["alg"]) != header["alg"] or published.get("use", "sig") != "sig":
            raise _refused("alg", "the token's algorithm is not its key's")
        try:
            key = _KEY_TYPES[header["alg"]].import_key({name: value for name, value in published.items() if name != "d"})
            content = jws.deserialize_compact(token.encode(), key, algorithms=[header["alg"]])
            claims = json.loads(content.payload)
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            raise _refused("signature", "the signature does not hold") from None
        if not isinstance(claims, dict):
            raise _refused("claims_form", "the claims are no object")
        return claims

    def _check(self, claims: Mapping[str, Any], audience: str) -> None:
        if claims.get("iss") != self.issuer:
            raise _refused("iss", "another issuer's token")
        meant = claims.get("aud")
        if audience not in (meant if isinstance(meant, list) else [meant]):
            raise _refused("aud", "the token is for somebody else")
        if not isinstance(claims.get("sub"), str) or not 0 < len(claims["sub"]) <= 200 or not claims["sub"].isprintable():
            raise _refused("sub", "the token names nobody")
        now, issued, expires, begins = self.clock(), claims.get("iat"), claims.get("exp"), claims.get("nbf", 0)
        if not _is_time(issued) or not _is_time(expires) or not _is_time(begins):
            raise _refused("times_form", "iat, exp and nbf are whole seconds, and iat and exp are given")
        assert isinstance(issued, int)
        assert isinstance(expires, int)
        if now >= expires + SKEW_SECONDS:
            raise _refused("exp", "the token is over")
        if issued > now + SKEW_SECONDS or begins > now + SKEW_SECONDS:
            raise _refused("iat", "the token is from the future")
        if expires - issued > MAX_LIFETIME_SECONDS:
            raise _refused("lifetime", "the token lives longer than a day")


def _header(token: str) -> dict[str, Any]:
    """Return the header of a compact JWS that has nothing in it but `alg`, `typ` and `kid`."""
    if len(token) > MAX_BYTES or token.count(".") != 2 or not token.isascii():
        raise _refused("form", "no compact JWS of at most 8 KiB")
    try:
        header = json.loads(urlsafe_b64decode(token.partition(".")[0].encode()))
    except (ValueError, RecursionError):
        raise _refused("header_form", "the header cannot be read") from None
    if not isinstance(header, dict) or not _HEADER.issuperset(header):
        raise _refused("header_members", "the header has more than alg, typ and kid")
    if header.get("alg") not in ALGORITHMS:
        raise _refused("alg", "the algorithm is not one that we take")
    if not isinstance(header.get("kid"), str) or not 0 < len(header["kid"]) <= 200:
        raise _refused("kid", "the header names no key")
    return header


def _is_time(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _refused(rule: str, message: str) -> TokenRefused:
    return TokenRefused(message, field="authorization", rule=f"token.{rule}")
