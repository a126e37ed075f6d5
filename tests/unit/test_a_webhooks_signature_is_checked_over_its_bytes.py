"""Every scheme: what the channel signs is taken; another body, key, address or time is not; an older key fits while keys change."""

import hmac
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import RSAKey

from intake.endpoints import Watched, load
from intake.signatures import SCHEMES, Request, SignatureRefused, check
from normalizers import discover
from schemas.failures import SettingsInvalid

NOW = 1_780_000_000.0
ADDRESS = "https://hooks.example.com/webhooks/square/L1"
WIX = RSAKey.generate_key(2048)


def digest(secret: str, signed: bytes) -> bytes:
    return hmac.new(secret.encode(), signed, sha256).digest()


def signed(scheme: str, body: bytes, secret: str, at: float = NOW) -> Request:
    """Sign as the channel does."""
    moment = str(int(at))
    made: dict[str, dict[str, str]] = {
        "shopify_hmac_sha256": {"x-shopify-hmac-sha256": b64encode(digest(secret, body)).decode()},
        "woocommerce_hmac_sha256": {"x-wc-webhook-signature": b64encode(digest(secret, body)).decode()},
        "square_hmac_sha256": {"x-square-hmacsha256-signature": b64encode(digest(secret, ADDRESS.encode() + body)).decode()},
        "stripe_signature": {"stripe-signature": f"t={moment},v1={digest(secret, f'{moment}.'.encode() + body).hex()},v0=00"},
        "bigcommerce_standard_webhooks": {
            "webhook-id": "msg_1",
            "webhook-timestamp": moment,
            "webhook-signature": f"v1,{b64encode(digest(secret, f'msg_1.{moment}.'.encode() + body)).decode()} v2,x",
        },
        "squarespace_hmac_sha256": {"squarespace-signature": digest(secret, body).hex()},
        "shopware_app_hmac_sha256": {"shopware-shop-signature": digest(secret, body).hex()},
    }
    if scheme == "wix_jwt":
        return Request(jws.serialize_compact({"alg": "RS256"}, body, WIX).encode(), {})
    return Request(body, made[scheme], ADDRESS)


def keys_of(scheme: str, *secrets: str) -> list[str]:
    return [*secrets] if scheme != "wix_jwt" else ["no key at all", WIX.as_pem(private=False).decode()]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_the_channel_signs_is_taken_also_by_the_older_of_two_keys(scheme: str) -> None:
    check(scheme, signed(scheme, b'{"id": 1}', "an-older-secret!"), keys_of(scheme, "the-new-secret!!", "an-older-secret!"), NOW)


@pytest.mark.parametrize("scheme", SCHEMES)
@given(body=st.binary(min_size=1, max_size=60), flip=st.integers(0, 7))
def test_another_body_or_key_is_refused(scheme: str, body: bytes, flip: int) -> None:
    request = signed(scheme, body, "secret-secret")
    changed = bytes([request.body[0] ^ (1 << flip), *request.body[1:]])
    with pytest.raises(SignatureRefused):
        check(scheme, Request(changed, request.headers, request.address), keys_of(scheme, "secret-secret"), NOW)
    other = [RSAKey.generate_key(2048).as_pem(private=False).decode()] if scheme == "wix_jwt" and flip == 0 else ["other-secret"]
    with pytest.raises(SignatureRefused):
        check(scheme, request, other, NOW)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_signature_or_a_strange_one_is_refused(scheme: str) -> None:
    request = signed(scheme, b"{}", "secret-secret")
    for wrong in ("", "é", "t=,v1=", "v1", "=" * 40, "0"):
        headers = dict.fromkeys(request.headers, wrong)
        with pytest.raises(SignatureRefused):
            check(scheme, Request(b"{}", headers, ADDRESS), ["secret-secret"], NOW)


@pytest.mark.parametrize("scheme", ["stripe_signature", "bigcommerce_standard_webhooks"])
@pytest.mark.parametrize(("seconds", "taken"), [(299, True), (-299, True), (301, False), (-301, False)])
def test_a_signed_time_outside_the_window_is_refused(scheme: str, seconds: int, taken: bool) -> None:
    request = signed(scheme, b"{}", "secret-secret", at=NOW + seconds)
    if taken:
        check(scheme, request, ["secret-secret"], NOW)
        return
    with pytest.raises(SignatureRefused) as refused:
        check(scheme, request, ["secret-secret"], NOW)
    assert refused.value.rule == "signature_window"


def test_a_refusal_tells_no_secret() -> None:
    with pytest.raises(SignatureRefused) as refused:
        check("shopify_hmac_sha256", signed("shopify_hmac_sha256", b"{}", "wrong-secret"), ["right-secret"], NOW)
    assert "secret" not in refused.value.message.replace("no known secret made this signature", "")


def test_every_scheme_a_channel_declares_is_known() -> None:
    assert {channel.signature for channel in discover().values()} - {"none"} == set(SCHEMES)


FILE = '[[endpoint]]\nchannel = "shopify"\naccount = "north"\nsecrets = ["{}"]\n'


def test_endpoints_change_without_a_restart_and_a_broken_file_keeps_what_was_known(tmp_path: Path) -> None:
    path = tmp_path / "webhooks.toml"
    path.write_text(FILE.format("first-secret"))
    watched = Watched(path)
    first = watched.find("shopify", "north")
    assert first is not None
    assert first.secrets == ("first-secret",)
    assert "first-secret" not in repr(first)
    path.write_text(FILE.format("other-secret") + " ")
    second = watched.find("shopify", "north")
    assert second is not None
    assert second.secrets == ("other-secret",)
    path.write_text("no toml [")
    assert watched.find("shopify", "north") == second
    assert watched.find("shopify", "south") is None


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("[", "cannot be read"),
        ('[[endpoint]]\nchannel = "shopify"', "texts that must be there"),
        ('[[endpoint]]\nchannel = "nobody"\naccount = "a"\nsecrets = ["12345678"]', "no channel 'nobody'"),
        ('[[endpoint]]\nchannel = "x12"\naccount = "a"\nsecrets = ["12345678"]', "signs no webhooks"),
        ('[[endpoint]]\nchannel = "shopify"\naccount = "a"\nsecrets = ["short"]', "at least 8"),
        ('[[endpoint]]\nchannel = "square"\naccount = "a"\nsecrets = ["12345678"]', "give it as address"),
        (FILE.format("12345678") * 2, "stands there already"),
    ],
)
def test_a_bad_entry_is_named_without_its_secret(text: str, rule: str, tmp_path: Path) -> None:
    path = tmp_path / "webhooks.toml"
    path.write_text(text)
    with pytest.raises(SettingsInvalid) as refused:
        load(path)
    assert rule in refused.value.message
    assert "12345678" not in refused.value.message
