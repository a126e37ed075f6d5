"""The web services' part of the composition root; apart from `bootstrap`, so that no other service loads a web framework."""

from collections.abc import Callable
from threading import Event

from console.app import Console, Parts, create
from console.book import Book
from console.issuer import Issuer
from console.serving import loop, serve
from console.tokens import Keys, Verifier
from intake.endpoints import FILE, Watched
from intake.webhooks import Door, KafkaOutlet
from ordermend import bootstrap
from ordermend.rulebook import Rulebook
from ordermend.settings import Settings
from schemas.failures import SettingsInvalid
from store.sealing import KeyVault
from streaming.ends import ends
from streaming.producer import ReportingProducer
from telemetry.health import Health

AUDIENCE = "ordermend"
"""Whom access tokens have to be for."""


def console(settings: Settings, base_url: str = "", *, keys: Keys | None = None) -> Console:
    """Return the API, and the pages where `base_url` says at which address. `keys` stands in for the issuer's published ones."""
    if settings.issuer_url is None:
        raise SettingsInvalid("ORDERMEND_ISSUER_URL is not set and no local stack runs; run `ordermend up`")
    issuer = Issuer(settings.issuer_url)
    topics = bootstrap.topics_of(settings)
    dry_runs = bootstrap.dry_runs(settings)
    return create(
        Parts(
            book=Book(bootstrap.connector(settings, "console")),
            vault=KeyVault.load(settings.keys_dir),
            signer=bootstrap.signer(settings, "door-console", "console"),
            topic=topics.modifications,
            verifier=Verifier(settings.issuer_url, AUDIENCE, keys or issuer),
            issuer=issuer if base_url else None,
            base_url=base_url,
            desk=lambda: bootstrap.desk(settings, dry_runs.check),
            read_topics=(topics.canonical, topics.modifications, topics.fulfillment),
            ends=lambda wanted: ends(bootstrap.bootstrap_of(settings), wanted),
            rulebook=Rulebook(bootstrap.connector(settings, "rules"), settings.topic_prefix),
        )
    )


def console_loop(settings: Settings, health: Health) -> Callable[[Event], None]:
    """Return the loop that serves the console until it is told to stop."""
    host, _, port = settings.console_listen.rpartition(":")
    url = settings.console_address
    return loop(lambda: console(settings, url), host.strip("[]"), int(port), url, health)


def webhooks_loop(settings: Settings, health: Health) -> Callable[[Event], None]:
    """Return the loop that serves the webhook door until it is told to stop."""
    host, _, port = settings.webhooks_listen.rpartition(":")
    endpoints = Watched(settings.keys_dir / FILE)

    def run(stop: Event) -> None:
        producer = ReportingProducer(bootstrap.bootstrap_of(settings))
        door = Door(endpoints.find, KafkaOutlet(producer.enqueue), settings.topic_prefix)
        try:
            serve(door.app(), host.strip("[]"), int(port), f"http://{settings.webhooks_listen}", health, "webhooks")(stop)
        finally:
            producer.close()

    return run
