"""The console's part of the composition root; apart from `bootstrap`, so that no other service loads a web framework."""

from console.app import Console, Parts, create
from console.book import Book
from console.issuer import Issuer
from console.tokens import Keys, Verifier
from ordermend import bootstrap
from ordermend.settings import Settings
from schemas.failures import SettingsInvalid
from store.sealing import KeyVault

AUDIENCE = "ordermend"
"""Whom access tokens have to be for."""


def console(settings: Settings, *, pages: bool = True, keys: Keys | None = None) -> Console:
    """Return the API and the pages; `pages` False leaves the API alone. `keys` stands in for the issuer's published ones."""
    if settings.issuer_url is None:
        raise SettingsInvalid("ORDERMEND_ISSUER_URL is not set and no local stack runs; run `ordermend up`")
    issuer = Issuer(settings.issuer_url)
    return create(
        Parts(
            book=Book(bootstrap.connector(settings, "console")),
            vault=KeyVault.load(settings.keys_dir),
            signer=bootstrap.signer(settings, "door-console", "console"),
            topic=bootstrap.topics_of(settings).modifications,
            verifier=Verifier(settings.issuer_url, AUDIENCE, keys or issuer),
            issuer=issuer if pages else None,
        )
    )
