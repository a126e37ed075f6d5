"""A token issuer for one machine: demo users, no passwords. NEVER FOR PRODUCTION.

Input:   `POST /token`, JSON or form, with `username`: agent, approver, operator or auditor.
         `GET /authorize` lets a person choose one of them (`login.py`); `POST /token` then takes the code.
Output:  an RS256 token (audience `ordermend`, claim `roles`), and what a door needs to verify it: discovery document and JWKS.
Guarantee: listens on 127.0.0.1 only and answers only to that name; its key is its own and lies in a file of mode 0600.
Fails:   400 with OAuth's `invalid_request` for an unknown user.
Source:  OpenID Connect Discovery 1.0 section 3; RFC 6749 sections 5.1 and 5.2; RFC 9068; read 2026-11-23.
"""

import argparse
import json
import sys
import time
import uuid
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.middleware.trustedhost import TrustedHostMiddleware

from ordermend.local.login import Login
from ordermend.local.state import write_private
from ordermend.local.users import USERS

AUDIENCE: Final = "ordermend"
LIFETIME_SECONDS: Final = 3_600
WARNING: Final = "WARNING: this token issuer hands out tokens without a password. It is for this machine only; never use it in production."


def signing_key(keys: Path) -> RSAKey:
    """Return the issuer's key, made the first time."""
    file = keys / "issuer.pem"
    if not file.exists():
        keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(file, RSAKey.generate_key(2048, private=True).as_pem(private=True).decode())
    key = RSAKey.import_key(file.read_bytes())
    key.ensure_kid()
    return key


def token(key: RSAKey, issuer: str, user: str, now: int) -> str:
    """Return a signed token for a demo user; `now` is Unix time in seconds."""
    claims = {
        "iss": issuer,
        "sub": user,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + LIFETIME_SECONDS,
        "jti": uuid.uuid4().hex,
        "name": user.capitalize(),
        "roles": list(USERS[user]),
    }
    return jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": key.kid}, claims, key)


def create_app(key: RSAKey, issuer: str) -> FastAPI:
    """Return the web application; `issuer` is the address it is reached at."""
    app = FastAPI(title="Ordermend's local token issuer", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    login = Login(key, issuer, USERS)
    login.install(app)

    @app.get("/.well-known/openid-configuration")
    def discovery() -> dict[str, object]:
        return {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/jwks.json",
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "code_challenge_methods_supported": ["S256"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "for_local_use_only": True,
        }

    @app.get("/jwks.json")
    def jwks() -> dict[str, object]:
        return {"keys": [{**key.as_dict(private=False), "use": "sig", "alg": "RS256"}]}

    @app.post("/token")
    async def grant(request: Request) -> JSONResponse:
        body = await request.body()
        form = _form(body)
        if form.get("grant_type") == "authorization_code":
            return _redeemed(login.redeem(form), key, issuer)
        user = _username(body, request.headers.get("content-type", ""))
        if user not in USERS:
            problem = {"error": "invalid_request", "error_description": f"username must be one of {', '.join(USERS)}"}
            return JSONResponse(problem, status_code=400)
        answer = {"access_token": token(key, issuer, user, int(time.time())), "token_type": "Bearer", "expires_in": LIFETIME_SECONDS}
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    return app


def _redeemed(found: tuple[str, str] | None, key: RSAKey, issuer: str) -> JSONResponse:
    if found is None:
        return JSONResponse({"error": "invalid_grant", "error_description": "the code does not hold"}, status_code=400)
    access = token(key, issuer, found[0], int(time.time()))
    answer = {"access_token": access, "id_token": found[1], "token_type": "Bearer", "expires_in": LIFETIME_SECONDS}
    return JSONResponse(answer, headers={"Cache-Control": "no-store"})


def _form(body: bytes) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


def _username(body: bytes, content_type: str) -> str:
    try:
        fields: Any = json.loads(body) if "json" in content_type else {k: v[0] for k, v in parse_qs(body.decode()).items()}
    except ValueError:
        return ""
    return str(fields.get("username", "")) if isinstance(fields, dict) else ""


def _main() -> None:
    parser = argparse.ArgumentParser(
        description=WARNING, epilog="Example: python -m ordermend.local.issuer --port 8089 --keys .ordermend/keys"
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--keys", type=Path, required=True)
    arguments = parser.parse_args()
    print(WARNING, file=sys.stderr, flush=True)  # noqa: T201 - whoever starts it must see this
    app = create_app(signing_key(arguments.keys), f"http://127.0.0.1:{arguments.port}")
    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning")


if __name__ == "__main__":
    _main()
