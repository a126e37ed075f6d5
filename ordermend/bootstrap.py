"""The composition root: the only place that chooses the parts and puts them together."""

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from confluent_kafka import Message

from dlq_handler.desk import Desk, Handler
from dlq_handler.retrier import Retrier
from intake import rules as intake_rules
from intake.accept import RawRecord, statements
from intake.app import IntakeLoop, channel_transform
from intake.fetching import PATIENCE, Fetcher, Patience
from intake.rules.keeping import Bounds
from intake.rules.live import LiveTuning
from intake.rules.tuning import KIND as TUNING
from intake.rules.tuning import SHIPPED, Tuning
from intake.rules.tuning import parse as parse_tuning
from intake.sources import Sources
from modification_processor.app import AppConfig, ProcessorApp
from modification_processor.bulk import BulkRunner, BulkService
from modification_processor.dependencies import Gates
from modification_processor.edit import BULK_DOOR, MAPPING_DOOR
from modification_processor.incoming import Incoming, read
from modification_processor.reconcile import Heard, Reconciled, reconcile
from modification_processor.reconciler import Reconciler
from modification_processor.relay import Relay
from modification_processor.replay import send_back
from modification_processor.retrying import PoisonOf
from modification_processor.sampler import Sampler
from modification_processor.service import Processor
from modification_processor.settle import Topics
from modification_processor.settlement import Ports, Settlement
from modification_processor.snapshot import context_of
from modification_processor.transaction import Faultpoint
from modification_processor.trial import DryRun, DryRuns, Trial, Tried, answer
from modification_processor.workbench import Workbench
from normalizers import discover
from ordermend.local.simulated import Behaviour, SimulatedWorld
from ordermend.local.simulated_source import SimulatedSource
from ordermend.remapping import Remapping
from ordermend.rule_keeper import EVERY_SECONDS, RuleKeeper
from ordermend.settings import Settings
from schemas import topics as topic_list
from schemas.assertion import KeyRing, Signer, create_key, load_keyring, load_signer
from schemas.failures import NormalizationFailed, SettingsInvalid
from schemas.repair import Rehearsed, Repaired
from schemas.statement import RawDocument, Statement
from schemas.topics import Topic
from store import rulesets
from store.database import Connection, connect, role_of
from store.letters import Letter
from store.sealing import KeyVault
from streaming.admin import check_topics, create_topics
from streaming.producer import BatchProducer
from streaming.reading import Follower, Reader
from telemetry import failpoints
from telemetry.health import Health

if TYPE_CHECKING:
    from dlq_handler.monitor import Monitor

STATEMENTS = ("OrderStated", "ChangeStated", "FetchNeeded", "IntakeFailed")
TICKETS = ("ModificationTicket", "TicketCancelled", "TicketReviewed")
ROLES = ("Order_Modify", "Order_Approve", "Order_Approve_Senior", "Order_Bulk", "DLQ_Operate", "Rules_Tune", "Audit_Read")
GROUP = "modification-processor"
REPORT_LIFETIME_SECONDS = 7 * 86_400
DEMO_BEHAVIOUR = Behaviour(latency_seconds=0.02, declined=0.02, lost=0.05)


def prepare(settings: Settings, channels: Iterable[str] = ()) -> None:
    """Migrate the book, create and check the topics, make missing keys: what `ordermend migrate` and `topics` do.

    Topics are those of every channel, or of `channels` alone.
    """
    from store.migrating import migrate  # noqa: PLC0415 - Alembic is loaded by who migrates, and by no service that starts

    migrate(settings.migration_url or database_of(settings), settings.db_schema, role_of(database_of(settings)))
    wanted = all_topics(settings.topic_prefix, channels)
    create_topics(bootstrap_of(settings), wanted)
    check_topics(bootstrap_of(settings), wanted)
    ensure_keys(settings.keys_dir)


def all_topics(prefix: str = "", channels: Iterable[str] = ()) -> list[Topic]:
    """Return every topic this version reads or writes, dead-letter topics included; of `channels`, where some are named."""
    raw = [topic_list.raw_topic(name) for name in (tuple(channels) or discover())]
    sources = [*topic_list.SOURCES, *raw]
    every = [*sources, topic_list.EVENTS, topic_list.RULES, *(topic_list.dead_letter_topic(source) for source in sources)]
    return [topic_list.prefixed(topic, prefix) for topic in every]


def topics_of(settings: Settings) -> Topics:
    """Return the topic names as they are under the settings' prefix."""
    prefix = settings.topic_prefix
    return Topics(
        canonical=prefix + topic_list.CANONICAL.name,
        modifications=prefix + topic_list.MODIFICATIONS.name,
        fulfillment=prefix + topic_list.FULFILLMENT.name,
        events=prefix + topic_list.EVENTS.name,
        prefix=prefix,
    )


def bootstrap_of(settings: Settings) -> str:
    """Return the brokers; settings that went through `connected` have them."""
    if settings.kafka_bootstrap_servers is None:
        raise SettingsInvalid("KAFKA_BOOTSTRAP_SERVERS is not set and no local stack runs; run `ordermend up`")
    return settings.kafka_bootstrap_servers


def database_of(settings: Settings) -> str:
    """Return the book's address under the application's role."""
    if settings.database_url is None:
        raise SettingsInvalid("DATABASE_URL is not set and no local stack runs; run `ordermend up`")
    return settings.database_url


def ensure_keys(folder: Path) -> None:
    """Make the signing keys of a stack of our own where they are missing: a door's, intake's and the warehouse's."""
    create_key(folder, "door-console", "RS256", roles=ROLES, messages=TICKETS)
    create_key(folder, "door-bulk", "RS256", roles=ROLES, messages=("ModificationTicket",))
    create_key(folder, "intake", "EdDSA", roles=(), messages=STATEMENTS)
    create_key(folder, "warehouse", "EdDSA", roles=(), messages=("FulfillmentFact", "ReleaseRequested"))
    create_key(folder, "door-mapping", "RS256", roles=("Order_Modify",), messages=("ModificationTicket",))
    create_key(folder, "settlement", "EdDSA", roles=(), messages=("ActionReported",))
    KeyVault.make(folder)


def signer(settings: Settings, kid: str, door: str) -> Signer:
    """Return the signer of a registered key."""
    return load_signer(settings.keys_dir, kid, door)


def keyring(settings: Settings) -> KeyRing:
    """Return the registered keys."""
    return load_keyring(settings.keys_dir)


def connector(settings: Settings, application: str) -> Callable[[], Connection]:
    """Return a function that opens connections to the book."""

    def open_connection() -> Connection:
        return connect(database_of(settings), settings.db_schema, application=application)

    return open_connection


def processor(
    settings: Settings,
    application: str = "processor",
    faultpoint: Faultpoint = failpoints.hit,
    group: str | None = None,
    poison_of: PoisonOf = lambda _order, _topic: None,
) -> Processor:
    """Return the one writer of orders. `faultpoint` is called at named steps, for fault tests and the bench."""
    vault = KeyVault.load(settings.keys_dir)
    return Processor(
        connector(settings, application),
        group or settings.topic_prefix + GROUP,
        vault,
        topics_of(settings),
        faultpoint,
        poison_of=poison_of,
    )


def processor_app(
    settings: Settings, health: Health, instance: str = "processor-0", faultpoint: Faultpoint = failpoints.hit
) -> ProcessorApp:
    """Return the processor as a process."""
    group = settings.topic_prefix + GROUP
    config = AppConfig(bootstrap_of(settings), group, instance, topics_of(settings))
    trial: Trial[Tried] = Trial(partial(serve_trials, settings))
    return ProcessorApp(config, processor(settings, faultpoint=faultpoint), keyring(settings), connector(settings, "claims"), health, trial)


def serve_trials(settings: Settings, pipe: Pipe) -> None:
    """Try messages in this process, a child of the processor's or the retrier's, which one of them may kill."""
    failpoints.arm_in_child(settings.failpoints)
    names, keys = topics_of(settings), keyring(settings)
    logical = {names.canonical: topic_list.CANONICAL.name, names.modifications: topic_list.MODIFICATIONS.name}
    logical[names.fulfillment] = topic_list.FULFILLMENT.name
    worker = processor(settings, "trial")

    def attempt(tried: Tried) -> None:
        if isinstance(tried, Incoming):
            worker.attempt(read(tried, logical[tried.topic], keys))
        else:
            worker.attempt_lane(*tried)

    answer(pipe, attempt)


def serve_dry_runs(settings: Settings, pipe: Pipe) -> None:
    """Try dry runs in this process, a child of the console's, which one of them may kill."""
    failpoints.arm_in_child(settings.failpoints)
    bench = Workbench(connector(settings, "dry-run"), KeyVault.load(settings.keys_dir), topics_of(settings))

    def attempt(tried: DryRun) -> None:
        bench.rehearse(tried.letter, tried.repaired, tried.statements, followers=tried.followers)

    answer(pipe, attempt)


def relay(settings: Settings, health: Health) -> Relay:
    """Return the outbox relay."""
    return Relay(connector(settings, "relay"), BatchProducer(bootstrap_of(settings)), health)


def retrier(settings: Settings, health: Health) -> Retrier:
    """Return the retry worker, with the processor's own way of handling a lane."""
    trial: Trial[Tried] = Trial(partial(serve_trials, settings))
    worker = processor(settings, "retrier-work", poison_of=lambda order_id, topic: trial.poison((order_id, topic)))

    def close() -> None:
        worker.close()
        trial.close()

    return Retrier(connector(settings, "retrier"), worker.retry_lanes, worker.expire, close, health)


def ports(settings: Settings) -> Ports:
    """Return whom the settlement worker asks: what the settings name; simulated ones keep a file of their own."""
    if settings.ports is None:
        raise SettingsInvalid(
            "ORDERMEND_PORTS is not set: name the module:function that returns your gateway, channel, notifier, warehouse and inventory"
        )
    if settings.ports == "simulated":
        return SimulatedWorld(settings.home / f"simulated-{settings.db_schema}.sqlite", DEMO_BEHAVIOUR).ports()
    module, _, name = settings.ports.partition(":")
    try:
        made = getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError) as error:
        raise SettingsInvalid(f"ORDERMEND_PORTS={settings.ports!r}: {error}") from error
    if not isinstance(made, Ports):
        raise SettingsInvalid(f"ORDERMEND_PORTS={settings.ports!r}: it returned {type(made).__name__}, not Ports")
    return made


def sources(settings: Settings) -> Sources:
    """Return whom the fetcher asks, by channel: what the settings name; simulated ones keep a file of their own."""
    if settings.sources is None:
        return {}
    if settings.sources == "simulated":
        return SimulatedSource(simulated_source_file(settings)).sources()
    module, _, name = settings.sources.partition(":")
    try:
        made: Sources = getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError) as error:
        raise SettingsInvalid(f"ORDERMEND_SOURCES={settings.sources!r}: {error}") from error
    unknown = sorted(set(made) - set(discover())) if isinstance(made, Mapping) else [type(made).__name__]
    if unknown:
        raise SettingsInvalid(f"ORDERMEND_SOURCES={settings.sources!r}: it returned sources for {', '.join(unknown)}, no channels of ours")
    return made


def simulated_source_file(settings: Settings) -> Path:
    """Return where the simulated channels keep their orders."""
    return settings.home / f"simulated-source-{settings.db_schema}.sqlite"


def fetcher(settings: Settings, health: Health, asked: Sources | None = None, patience: Patience = PATIENCE) -> Fetcher:
    """Return the service that fetches orders which channels only named. `asked` replaces the settings' sources."""
    found = sources(settings) if asked is None else asked
    publisher = BatchProducer(bootstrap_of(settings))
    return Fetcher(connector(settings, "fetcher"), found, publisher, settings.topic_prefix, health, patience)


def settlement(settings: Settings, health: Health, asked: Ports | None = None, gates: Gates | None = None) -> Settlement:
    """Return the worker that carries out what follows edits. `asked` replaces the settings' ports, `gates` the limits shipped."""
    # A report may lie in the outbox for as long as Kafka is away.
    own = replace(signer(settings, "settlement", "settlement"), lifetime_seconds=REPORT_LIFETIME_SECONDS)
    return Settlement(connector(settings, "settlement"), asked or ports(settings), own, topics_of(settings).fulfillment, health, gates)


def bulk_runner(settings: Settings) -> BulkRunner:
    """Return what carries bulk jobs on, with the processor's own way of loading facts and of applying all or nothing."""
    worker = processor(settings, "bulk-work")
    # A ticket of a job may lie in the outbox for as long as Kafka is away.
    own = replace(signer(settings, "door-bulk", BULK_DOOR), lifetime_seconds=REPORT_LIFETIME_SECONDS)
    topic = topics_of(settings).modifications
    return BulkRunner(KeyVault.load(settings.keys_dir), own, topic, context_of, worker.together, worker.close)


def bulk_service(settings: Settings, health: Health) -> BulkService:
    """Return the service that carries jobs on which nobody watches."""
    return BulkService(connector(settings, "bulk"), bulk_runner(settings), health)


def sampler(settings: Settings, health: Health) -> Sampler:
    """Return the integrity check that never stops."""
    return Sampler(connector(settings, "verifier"), KeyVault.load(settings.keys_dir), health)


def rule_keeper(settings: Settings, health: Health, bounds: Bounds | None = None, every_seconds: float = EVERY_SECONDS) -> RuleKeeper:
    """Return what demotes rules that people keep overturning; other bounds than the package's for a trial."""
    return RuleKeeper(connector(settings, "rule-keeper"), settings.topic_prefix, health, bounds, every_seconds)


def reconciled(settings: Settings, told: Callable[[int], None] | None = None) -> Reconciled:
    """Compare what the book sent with what lies on the events topic."""
    reader = Reader(bootstrap_of(settings), topics_of(settings).events)
    with connector(settings, "reconcile")() as connection:
        return reconcile(connection, lambda: map(_heard, reader.messages()), whole=reader.whole, told=told)


class _Followed:
    """The events topic, read on."""

    def __init__(self, settings: Settings) -> None:
        self._follower = Follower(bootstrap_of(settings), topics_of(settings).events)
        self.since, self.close = self._follower.since, self._follower.close

    def news(self) -> Iterable[Heard]:
        return map(_heard, self._follower.messages())


def reconciler(settings: Settings, health: Health) -> Reconciler:
    """Return the comparison of what was sent and what arrived that never stops."""
    return Reconciler(
        connector(settings, "reconciler"), lambda: reconciled(settings, lambda _: health.tick()), lambda: _Followed(settings), health
    )


def _heard(message: Message) -> Heard:
    """Return a record as what it says of itself; one that says nothing we know is foreign."""
    headers = dict(message.headers() or ())
    stated, key = headers.get("event_seq"), message.key()
    try:
        order_id = UUID((key if isinstance(key, bytes) else str(key or "").encode()).decode())
        event_seq = int(stated or b"")
    except ValueError:
        order_id, event_seq = None, None
    _, stamp = message.timestamp()
    where = f"{message.topic()}[{message.partition()}]@{message.offset()}"
    value = message.value() or b""
    return Heard(
        order_id, event_seq, value if isinstance(value, bytes) else value.encode(), where, datetime.fromtimestamp(stamp / 1000, UTC)
    )


def monitor(settings: Settings, health: Health) -> "Monitor":
    """Return the monitor over this installation's topics."""
    from dlq_handler.monitor import Monitor  # noqa: PLC0415 - Faust is loaded by the process that uses it, and by no other

    names = topics_of(settings)
    copies = [topic.name for topic in all_topics(settings.topic_prefix) if topic.name.endswith(".dlt")]
    return Monitor(bootstrap_of(settings), f"{settings.topic_prefix}monitor", names.events, names.modifications, copies, health)


def dry_runs(settings: Settings) -> DryRuns:
    """Return where a console tries dry runs before it does them itself."""
    return DryRuns(partial(serve_dry_runs, settings))


def desk(settings: Settings, check: Callable[[DryRun], None] = lambda _: None) -> Desk:
    """Return the desk where dead letters are worked on, with the processor's own way of handling them. `check` looks at dry runs first."""
    failpoints.arm(settings.failpoints)
    vault, topics = KeyVault.load(settings.keys_dir), topics_of(settings)
    bench = Workbench(connector(settings, "workbench"), vault, topics)

    def rehearse(
        letter: Letter, repaired: Repaired | None, statements: Sequence[tuple[str, Statement]], *, followers: bool = True
    ) -> Rehearsed:
        check(DryRun(letter, repaired, statements, followers))
        return bench.rehearse(letter, repaired, statements, followers=followers)

    handler = Handler(
        send_back=lambda cursor, letter, repaired: send_back(cursor, vault, topics, letter, repaired),
        rehearse=rehearse,
        discard=bench.discard,
        normalise=lambda channel, raw: _normalise(channel, raw, tuning_in(settings)),
        close=bench.close,
    )
    return Desk(connector(settings, "desk"), vault, handler)


def tuning_in(settings: Settings) -> Tuning:
    """Return the tuning of intake's rules that the book has in force."""
    with connector(settings, "rules")() as connection, connection.cursor() as cursor:
        _, version = rulesets.moment(cursor, TUNING)
        text = rulesets.text_of(cursor, TUNING, version) if version else ""
    return parse_tuning(text, intake_rules.discover(), version) if version else SHIPPED


def _normalise(channel: str, raw: RawDocument, tuning: Tuning) -> list[tuple[str, Statement]]:
    """Normalise a document as intake would, from its kept bytes and headers."""
    known = discover().get(channel)
    if known is None:
        raise NormalizationFailed(f"there is no channel {channel[:40]!r}", field="channel", rule="channel_known")
    record = RawRecord(raw.topic, raw.partition, raw.offset, raw.key, raw.body, raw.headers)
    return statements(record, known, intake_rules.discover(), tuning)


def remapping(settings: Settings, channel: str) -> Remapping:
    """Return what reads a channel's stored documents again with today's mapping, as intake would."""
    # A correction may lie in the outbox for as long as Kafka is away.
    own = replace(signer(settings, "door-mapping", MAPPING_DOOR), lifetime_seconds=REPORT_LIFETIME_SECONDS)
    tuning = tuning_in(settings)
    return Remapping(
        connector(settings, "remap"), KeyVault.load(settings.keys_dir), lambda name, raw: _normalise(name, raw, tuning), channel,
        discover()[channel].mapping_version, own, topics_of(settings).modifications,
    )  # fmt: skip


def intake_loops(settings: Settings, health: Health, channels: Iterable[str] = (), instance: str | None = None) -> dict[str, IntakeLoop]:
    """Return one loop for each discovered channel (or for those named); `instance` makes each a static member of its group."""
    wanted = set(channels)
    own = signer(settings, "intake", "intake")
    canonical = topics_of(settings).canonical
    tuning = LiveTuning(bootstrap_of(settings), settings.topic_prefix + topic_list.RULES.name)
    return {
        name: IntakeLoop(
            bootstrap_of(settings),
            f"{settings.topic_prefix}intake.{name}",
            settings.topic_prefix + channel.topic.name,
            channel_transform(channel, canonical, own, tuning),
            health.loop(name),
            instance,
        )
        for name, channel in discover().items()
        if not wanted or name in wanted
    }
