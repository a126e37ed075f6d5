"""Who sent a webhook: each channel's signature over the bytes as they came. Pure; the clock is an argument.

Input:   the raw body, the request's headers (lower case), the endpoint's own address, its secrets (the newest first, older ones while a key
         is being changed), and the time.
Output:  nothing where one of the secrets fits; every comparison takes the same time whatever is wrong.
Fails:   SignatureRefused, with the rule that was broken and never a value that was expected.
Source:  shopify.dev "Deliver webhooks through HTTPS"; WooCommerce REST docs "Webhooks"; developer.squareup.com "Verify and validate an event
         notification"; docs.stripe.com "Verify webhook signatures"; standardwebhooks.com specification 1.0 (BigCommerce); Squarespace "Webhook
         Subscriptions: signature"; Shopware "App signing"; dev.wix.com "Process webhooks"; read 2026-11-24.
"""

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from schemas.failures import OrdermendError

WINDOW_SECONDS: Final = 300
"""How far a signed time may lie from ours: older ones may be played back."""


class SignatureRefused(OrdermendError):
    """The request is not from whom the endpoint takes documents."""

    code = "signature_refused"
    error_class = "AUTHZ"


@dataclass(frozen=True)
class Request:
    """What was signed, and by what it is known."""

    body: bytes
    headers: Mapping[str, str]
    address: str = ""
    """Where the channel sends it, as it knows it: Square signs that too."""


def check(scheme: str, request: Request, secrets: Sequence[str], now: float) -> None:
    """Raise `SignatureRefused` unless one of `secrets` made the signature, within the window where the scheme signs a time."""
    SCHEMES[scheme](request, secrets, now)


def _stated(request: Request, name: str) -> str:
    value = request.headers.get(name, "").strip()
    if not value:
        raise SignatureRefused(f"the header {name} is missing", field=name, rule="signature_present")
    return value


def _fits(stated: Sequence[str], made: Sequence[str]) -> None:
    # Every pair is compared, so that the time says nothing of which one was near.
    found = [hmac.compare_digest(one.encode("utf-8", "replace"), other.encode()) for one in stated for other in made]
    if not any(found):
        raise SignatureRefused("no known secret made this signature", rule="signature_fits")


def _digests(secrets: Sequence[str], signed: bytes, key_of: Callable[[str], bytes] = str.encode) -> list[bytes]:
    return [hmac.new(key_of(secret), signed, sha256).digest() for secret in secrets]


def _base64(header: str) -> Callable[[Request, Sequence[str], float], None]:
    def checked(request: Request, secrets: Sequence[str], _now: float) -> None:
        _fits([_stated(request, header)], [b64encode(one).decode() for one in _digests(secrets, request.body)])

    return checked


def _square(request: Request, secrets: Sequence[str], _now: float) -> None:
    made = _digests(secrets, request.address.encode() + request.body)
    _fits([_stated(request, "x-square-hmacsha256-signature")], [b64encode(one).decode() for one in made])


def _in_window(stated: str, now: float) -> int:
    if not (stated.isascii() and stated.isdigit() and len(stated) < 16):
        raise SignatureRefused("the signed time is no number of seconds", rule="signature_time")
    if abs(int(stated) - now) > WINDOW_SECONDS:
        raise SignatureRefused(f"the signed time is more than {WINDOW_SECONDS} s from ours", rule="signature_window")
    return int(stated)


def _stripe(request: Request, secrets: Sequence[str], now: float) -> None:
    pairs = [part.strip().partition("=") for part in _stated(request, "stripe-signature").split(",")]
    moment = _in_window(next((value for name, _, value in pairs if name == "t"), ""), now)
    made = _digests(secrets, f"{moment}.".encode() + request.body)
    _fits([value for name, _, value in pairs if name == "v1"], [one.hex() for one in made])


def _standard(request: Request, secrets: Sequence[str], now: float) -> None:
    name, stated = _stated(request, "webhook-id"), _stated(request, "webhook-timestamp")
    _in_window(stated, now)
    signatures = [part.partition(",") for part in _stated(request, "webhook-signature").split()]
    made = _digests(secrets, f"{name}.{stated}.".encode() + request.body, _standard_key)
    _fits([value for version, _, value in signatures if version == "v1"], [b64encode(one).decode() for one in made])


def _standard_key(secret: str) -> bytes:
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return b64decode(secret.removeprefix("whsec_"))
    except binascii.Error:
        return secret.encode()


def _hex_keyed(request: Request, secrets: Sequence[str], _now: float) -> None:
    made = _digests(secrets, request.body, lambda secret: bytes.fromhex(secret) if _is_hex(secret) else secret.encode())
    _fits([_stated(request, "squarespace-signature").lower()], [one.hex() for one in made])


def _is_hex(text: str) -> bool:
    try:
        bytes.fromhex(text)
    except ValueError:
        return False
    return True


def _hex(header: str) -> Callable[[Request, Sequence[str], float], None]:
    def checked(request: Request, secrets: Sequence[str], _now: float) -> None:
        _fits([_stated(request, header).lower()], [one.hex() for one in _digests(secrets, request.body)])

    return checked


def _wix(request: Request, secrets: Sequence[str], _now: float) -> None:
    """The body itself is a token, signed with the app's key; the secrets are public keys in PEM."""
    token = request.body.strip().strip(b'"')
    for secret in secrets:
        try:
            jws.deserialize_compact(token, RSAKey.import_key(secret), algorithms=["RS256"])
        except (JoseError, ValueError):
            continue
        return
    raise SignatureRefused("no known key made this token's signature", rule="signature_fits")


SCHEMES: Final[Mapping[str, Callable[[Request, Sequence[str], float], None]]] = {
    "shopify_hmac_sha256": _base64("x-shopify-hmac-sha256"),
    "woocommerce_hmac_sha256": _base64("x-wc-webhook-signature"),
    "square_hmac_sha256": _square,
    "stripe_signature": _stripe,
    "bigcommerce_standard_webhooks": _standard,
    "squarespace_hmac_sha256": _hex_keyed,
    "shopware_app_hmac_sha256": _hex("shopware-shop-signature"),
    "wix_jwt": _wix,
}
"""Every scheme a channel may declare, but `none`: such a channel has no webhook that could be told from a forged one."""
