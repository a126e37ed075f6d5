"""Every metric, once, with its help text. Labels have few values: never an id, never a person.

Names end in their unit; counters in `_total`. The reference table in the docs is generated from here, and the alert
rules in `deploy/` are checked against it.
"""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

INTAKE_RECORDS = Counter("ordermend_intake_records_total", "Channel documents handled, by channel and verdict.", ("channel", "verdict"))
RULE_FINDINGS = Counter(
    "ordermend_rule_findings_total",
    "Orders an intake rule had something to say of, by rule, mode and channel.",
    ("rule", "mode", "channel"),
)
RULES_VERSION = Gauge("ordermend_rules_version", "Version of the intake rules' tuning in force; 0 is as shipped.")
WEBHOOKS = Counter(
    "ordermend_webhooks_total",
    "Requests at the webhook door, by channel and outcome (`taken`, or the problem's code).",
    ("channel", "outcome"),
)
PROCESSOR_MESSAGES = Counter(
    "ordermend_processor_messages_total", "Messages handled by the processor, by record and outcome.", ("message", "outcome")
)
BATCH_SECONDS = Histogram("ordermend_processor_batch_seconds", "Time of one processor batch, polled to committed.", buckets=_SECONDS)
BATCH_MESSAGES = Histogram(
    "ordermend_processor_batch_messages", "Messages in a processor batch.", buckets=(1, 5, 10, 25, 50, 100, 200, 300, 400, 500)
)
STAGE_SECONDS = Histogram(
    "ordermend_processor_stage_seconds", "Time of one stage of a batch (read, load, decide, write, commit).", ("stage",), buckets=_SECONDS
)
FENCE_REJECTS = Counter("ordermend_processor_fence_rejects_total", "Commits refused because another process owns the partition now.")
INFRA_FAULTS = Counter("ordermend_infra_faults_total", "Infrastructure faults that paused a process, by dependency.", ("dependency",))
PARTITIONS_HALTED = Gauge("ordermend_partitions_halted", "Partitions that are not read because log and stored offset disagree.")
LANES_CLOSED = Gauge("ordermend_lanes_closed", "Lanes in which messages wait, by state.", ("state",))
LANE_OLDEST_SECONDS = Gauge("ordermend_lane_oldest_seconds", "Age of the oldest closed lane.")
BREAKERS_OPEN = Gauge("ordermend_breakers_open", "Channels and operations whose messages wait because too many of them failed.")
LETTERS_OPEN = Gauge("ordermend_dead_letters_open", "Unresolved dead letters, by error class.", ("error_class",))
RETRIES = Counter("ordermend_retries_total", "Messages that left a lane through the retry worker.")
LANES_POSTPONED = Counter(
    "ordermend_lanes_postponed_total", "Lanes put off by the retry worker: neither their head nor its dead letter could be written."
)
RETRY_BUDGET_RATIO = Gauge(
    "ordermend_retry_budget_used_ratio", "Share of the retry budget that is used up; at 1 lanes that are due wait for their turn."
)
LANES_DUE = Gauge("ordermend_lanes_due", "Lanes whose next attempt is due; many for long: the retry budget is spent.")
RELAY_SENT = Counter("ordermend_relay_sent_total", "Outbox rows whose delivery Kafka confirmed.")
RELAY_STUCK = Gauge(
    "ordermend_relay_stuck_orders", "Orders whose next event Kafka does not take for its size; nothing else waits for them."
)
OUTBOX_OLDEST_SECONDS = Gauge("ordermend_outbox_oldest_seconds", "Age of the oldest unsent outbox row.")
ACTIONS = Counter(
    "ordermend_actions_total",
    "Requests to gateways, channels and notifiers after an edit, by port, kind and outcome.",
    ("port", "kind", "outcome"),
)
FETCHES = Counter(
    "ordermend_fetches_total", "Orders that channels only named and were asked for, by channel and what came of it.", ("channel", "outcome")
)
FETCH_OLDEST_SECONDS = Gauge("ordermend_fetch_oldest_seconds", "Age of the oldest order that a channel named and that is not fetched yet.")
DEPENDENCY_CALLS = Counter(
    "ordermend_dependency_calls_total",
    "Calls to gateways, channels, the notifier and the warehouse, by dependency and outcome (`answered`, `no_answer`, `held` back).",
    ("dependency", "outcome"),
)
DEPENDENCIES_OPEN = Gauge(
    "ordermend_dependencies_open", "1 while a dependency is left alone because its calls were not answered, by dependency.", ("dependency",)
)
LAG_RECORDS = Gauge("ordermend_lag_records", "Records behind the log's end, from the offsets stored in PostgreSQL.", ("topic", "partition"))
LOOP_TICK_SECONDS = Gauge(
    "ordermend_loop_tick_timestamp_seconds", "When a loop of the process last went round, unix time; `main` where it has one.", ("loop",)
)
RULES_OVERTURNED = Gauge(
    "ordermend_rules_overturned", "Refusals of a rule that people overturned, beyond the bound at which it is demoted.", ("rule", "channel")
)
INTEGRITY_FINDINGS = Gauge("ordermend_integrity_findings", "Findings of the integrity check that stand; anything but 0 pages.")
INTEGRITY_CHECKED = Counter("ordermend_integrity_checked_total", "Orders that the continuous integrity check looked at.")
RECONCILE_FINDINGS = Gauge(
    "ordermend_reconcile_findings", "Events sent that are lost, changed, foreign or out of order on the topic; anything but 0 pages."
)
RECONCILE_EVENTS = Counter("ordermend_reconcile_events_total", "Events of the topic that were compared with what the book sent.")
RECONCILE_TIMESTAMP_SECONDS = Gauge(
    "ordermend_reconcile_timestamp_seconds", "When the book and the events topic were last compared, unix time."
)

FAILURES_IN_WINDOW = Gauge(
    "ordermend_failures_in_window",
    "Dead letters of the newest five minutes that had any, by channel and class.",
    ("channel", "error_class"),
)
ORDERS_MODIFIED_RATIO = Gauge("ordermend_orders_modified_ratio", "Orders with at least one applied edit, of all accepted ones.")
EDIT_RESOLUTION_SECONDS = Gauge("ordermend_edit_resolution_seconds", "From a ticket's arrival to its decision, by quantile.", ("quantile",))
MONITOR_UNREADABLE = Counter("ordermend_monitor_unreadable_total", "Records the monitor could not read, by kind.", ("kind",))


def registered() -> dict[str, str]:
    """Return every metric's name and help text, for the reference and for checking alerts."""
    return {
        name: metric._documentation  # noqa: SLF001 -- the client offers no public way
        for value in globals().values()
        if isinstance(value, Counter | Gauge | Histogram)
        for metric in [value]
        for name in [metric._name + ("_total" if isinstance(value, Counter) else "")]  # noqa: SLF001 -- the same
    }
