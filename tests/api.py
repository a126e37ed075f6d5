"""Hands for tests of the API: an issuer's key in memory, tokens of any kind, a client that speaks for somebody."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.testclient import TestClient

from console.app import Console

ISSUER = "http://issuer.example"
KEY = RSAKey.generate_key(2048, private=True, parameters={"kid": "k1"})
OTHER_KEY = RSAKey.generate_key(2048, private=True, parameters={"kid": "k1"})


@dataclass
class Published:
    """The issuer's published keys, without an issuer."""

    keys: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {"k1": {**KEY.as_dict(private=False), "kid": "k1", "use": "sig", "alg": "RS256"}}
    )

    def find(self, kid: str) -> Mapping[str, Any] | None:
        """Return a key."""
        return self.keys.get(kid)


def claims(sub: str = "ana", roles: tuple[str, ...] = ("Order_Modify",), **changes: Any) -> dict[str, Any]:
    """Return good claims with changes; None takes a claim away."""
    now = int(time.time())
    good = {"iss": ISSUER, "sub": sub, "aud": "ordermend", "iat": now, "exp": now + 600, "roles": list(roles)}
    return {name: value for name, value in (good | changes).items() if value is not None}


def token(sub: str = "ana", roles: tuple[str, ...] = ("Order_Modify",), **changes: Any) -> str:
    """Return a good access token, with other claims where asked."""
    return jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": "k1"}, claims(sub, roles, **changes), KEY)


def client(console: Console, sub: str = "ana", roles: tuple[str, ...] = ("Order_Modify",)) -> TestClient:
    """Return a client that speaks for somebody."""
    headers = {"Authorization": f"Bearer {token(sub, roles)}"}
    return TestClient(console.asgi, "http://testserver", headers=headers, raise_server_exceptions=False)
