"""The tables of the order book. Every key carries `order_id`, so the book can be distributed by it.

Ciphertext columns end in `_sealed`: AES-GCM under the order's own key (`order_key`), so that erasing a person is
deleting a key. Rows that are updated in place leave room in their page (`fillfactor`), so that an update touches no
index. `orders.doc` is `json`, not `jsonb`: it is read and written whole, and the text is what was written. Migrations are written by hand in `store/migrations/`; a test holds them against this file.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB

metadata = MetaData()
NOW = text("now()")


def _at(name: str, *, nullable: bool = True, default: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=NOW if default else None)


partition_owner = Table(
    "partition_owner",
    metadata,
    Column("grp", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("topic_id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("next_offset", BigInteger),
    Column("starts", Integer, nullable=False, server_default="0"),
    Column("released", Boolean, nullable=False, server_default="false"),
    _at("updated_at", nullable=False, default=True),
)

order_head = Table(
    "order_head",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("event_seq", BigInteger, nullable=False, server_default="0"),
    Column("history_seq", BigInteger, nullable=False, server_default="0"),
    Column("chain", LargeBinary, nullable=False, server_default=text("''::bytea")),
    Column("depth", Integer, nullable=False, server_default="0"),
    Column("parked_seq", BigInteger, nullable=False, server_default="0"),
    postgresql_with={"fillfactor": "70"},
)

order_key = Table(
    "order_key",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    _at("created_at", nullable=False, default=True),
)

orders = Table(
    "orders",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("channel", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("channel_order_id", Text, nullable=False),
    Column("order_number", Text, nullable=False),
    Column("lifecycle", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("grand_total_minor", BigInteger, nullable=False),
    _at("placed_at"),
    _at("channel_updated_at"),
    Column("statement_id", Text, nullable=False),
    Column("edits", Integer, nullable=False, server_default="0"),
    Column("doc", JSON, nullable=False),
    _at("created_at", nullable=False, default=True),
    _at("updated_at", nullable=False, default=True),
    Index("orders_by_channel_order", "channel", "account", "channel_order_id"),
    Index("orders_by_number", "order_number"),
    Index("orders_by_arrival", "created_at", "order_id"),
    Index("orders_by_channel_arrival", "channel", "created_at", "order_id"),
    Index("orders_by_lifecycle_arrival", "lifecycle", "created_at", "order_id"),
    postgresql_with={"fillfactor": "50"},
)

order_origin = Table(
    "order_origin",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("doc_sealed", LargeBinary, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    _at("accepted_at", nullable=False),
    Column("doc", Text),
)

erasure = Table(
    "erasure",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("history_seq", BigInteger, primary_key=True),
    _at("at", nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

statement = Table(
    "statement",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("message_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("event", Text),
    Column("outcome", Text, nullable=False),
    Column("channel", Text, nullable=False),
    _at("stated_at"),
    Column("raw_sealed", LargeBinary, nullable=False),
    Column("raw_sha256", Text, nullable=False),
    Column("raw_topic", Text, nullable=False),
    Column("raw_part", Integer, nullable=False),
    Column("raw_offset", BigInteger, nullable=False),
    Column("mapping_version", Integer, nullable=False, server_default="0"),
    _at("received_at", nullable=False, default=True),
    Column("said_sealed", LargeBinary),
)

inbox = Table(
    "inbox",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("message_id", Text, primary_key=True),
    Column("sha256", LargeBinary, nullable=False),
    Column("topic", Text, nullable=False),
    Column("part", Integer, nullable=False),
    Column("off", BigInteger, nullable=False),
    Column("message", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    _at("at", nullable=False),
)

repeat = Table(
    "repeat",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("off", BigInteger, primary_key=True),
    Column("message_id", Text, nullable=False),
    Column("message", Text, nullable=False),
    _at("at", nullable=False),
)

ticket = Table(
    "ticket",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("ticket_id", Uuid, primary_key=True),
    Column("state", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("door", Text, nullable=False),
    Column("on_behalf_of", Text),
    Column("reason_code", Text, nullable=False),
    Column("base_version", Integer),
    Column("new_version", Integer),
    Column("operations", Text, nullable=False),
    Column("request_sealed", LargeBinary, nullable=False),
    Column("money_delta_minor", BigInteger),
    Column("code", Text),
    Column("rule_id", Text),
    Column("path", Text),
    Column("message", Text),
    _at("opened_at", nullable=False),
    _at("submitted_at", nullable=False),
    _at("decided_at"),
    Column("effects_hash", Text),
    _at("due_at"),
    Column("approved_by", Text),
    Column("undoes", Uuid),
    Index("ticket_open", "state", "submitted_at", postgresql_where=text("state in ('waiting', 'awaiting_approval', 'dead')")),
    Index("ticket_by_time", "submitted_at", "ticket_id"),
    Index("ticket_due", "due_at", postgresql_where=text("due_at is not null")),
)

history = Table(
    "history",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("cause_kind", Text, nullable=False),
    Column("cause_id", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("old", LargeBinary),
    Column("new", LargeBinary),
    Column("sealed", Boolean, nullable=False),
    Column("derived", Boolean, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("on_behalf_of", Text),
    Column("reason_code", Text),
    _at("at", nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

lane = Table(
    "lane",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("next_seq", BigInteger, nullable=False),
    Column("depth", Integer, nullable=False),
    Column("attempt", Integer, nullable=False, server_default="0"),
    _at("next_attempt_at"),
    Column("crash_suspect", Integer, nullable=False, server_default="0"),
    Column("error_class", Text, nullable=False),
    Column("code", Text, nullable=False),
    _at("blocked_since", nullable=False),
    Index("lane_due", "next_attempt_at", postgresql_where=text("state in ('retrying', 'ordering')")),
    Index("lane_paused", "code", "blocked_since", postgresql_where=text("state = 'paused'")),
)

breaker = Table(
    "breaker",
    metadata,
    Column("key", Text, primary_key=True),
    Column("opened_at", DateTime(timezone=True), primary_key=True),
    _at("probe_at", nullable=False),
    Column("failures", Integer, nullable=False),
    _at("closed_at"),
    Column("closed_by", Text),
    Index("breaker_open", "key", unique=True, postgresql_where=text("closed_at is null")),
)

parked = Table(
    "parked",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("message_id", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("key", LargeBinary),
    Column("value_sealed", LargeBinary, nullable=False),
    Column("actor", JSONB),
    Column("part", Integer, nullable=False),
    Column("off", BigInteger, nullable=False),
    _at("appended_at", nullable=False),
    Column("status", Text, nullable=False),
    _at("parked_at", nullable=False),
)

dead_letter = Table(
    "dead_letter",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("letter_id", Uuid, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("part", Integer, nullable=False),
    Column("off", BigInteger, nullable=False),
    Column("seq", BigInteger),
    Column("message_id", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("channel", Text),
    Column("error_class", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("field", Text),
    Column("rule", Text),
    Column("detail", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("score", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("key", LargeBinary),
    Column("value_sealed", LargeBinary, nullable=False),
    _at("first_failed_at", nullable=False),
    _at("last_failed_at", nullable=False),
    _at("resolved_at"),
    Column("parts", JSONB),
    _at("scored_at"),
    Index("dead_letter_triage", "status", text("score desc"), "first_failed_at", "letter_id"),
    Index("dead_letter_group", "fingerprint", "first_failed_at", postgresql_where=text("status = 'unresolved'")),
    Index("dead_letter_to_score", text("scored_at nulls first"), postgresql_where=text("status = 'unresolved'")),
    Index("dead_letter_by_id", "letter_id"),
)

edit_claim = Table(
    "edit_claim",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("letter_id", Uuid, primary_key=True),
    Column("actor", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    _at("claimed_at", nullable=False),
    _at("expires_at", nullable=False),
    Column("patch_sealed", LargeBinary),
    Column("patch_sha256", Text),
    Column("approved_by", Text),
    Column("approved_act", Text),
    _at("approved_at"),
)

repair = Table(
    "repair",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("repair_id", Uuid, primary_key=True),
    Column("letter_id", Uuid, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("channel", Text),
    Column("error_class", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("field", Text),
    Column("input_sealed", LargeBinary, nullable=False),
    Column("patch_sealed", LargeBinary, nullable=False),
    Column("actor", Text, nullable=False),
    Column("approved_by", Text),
    _at("at", nullable=False),
    Column("target_order_id", Uuid, nullable=False),
    Column("target_message_id", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    _at("settled_at"),
    Index("repair_by_fingerprint", "fingerprint", "at"),
    Index("repair_pending", "at", postgresql_where=text("outcome = 'pending'")),
)

bulk_replay = Table(
    "bulk_replay",
    metadata,
    Column("bulk_id", Uuid, primary_key=True),
    Column("actor", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("patch", Text),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("approved_by", Text),
    _at("created_at", nullable=False),
    _at("updated_at", nullable=False),
    _at("alive_at"),
)

bulk_member = Table(
    "bulk_member",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("letter_id", Uuid, primary_key=True),
    Column("bulk_id", Uuid, primary_key=True),
    Column("n", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("target_order_id", Uuid),
    Column("target_message_id", Text),
    Column("state", Text, nullable=False),
    Column("detail", Text),
    Index("bulk_member_next", "bulk_id", "state", "n"),
)

failure_attempt = Table(
    "failure_attempt",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("n", Integer, primary_key=True),
    _at("at", nullable=False),
    Column("error_class", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
)

work_item = Table(
    "work_item",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("item_id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("status", Text, nullable=False),
    _at("opened_at", nullable=False),
    _at("closed_at"),
    Column("reason", Text),
)

order_fetch = Table(
    "order_fetch",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("fetch_id", Uuid, primary_key=True),
    Column("item_id", Uuid, nullable=False),
    Column("channel", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("channel_order_id", Text, nullable=False),
    Column("missing", Text, nullable=False),
    Column("depth", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    _at("next_attempt_at"),
    Column("reason", Text),
    _at("created_at", nullable=False),
    Column("not_found", Integer, nullable=False, server_default="0"),
    _at("ended_at"),
    Index("order_fetch_due", "next_attempt_at", postgresql_where=text("state in ('planned', 'asked', 'sent')")),
    postgresql_with={"fillfactor": "70"},
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("order_id", Uuid, primary_key=True, autoincrement=False),
    Column("event_seq", BigInteger),
    Column("event_id", Uuid, nullable=False),
    Column("topic", Text, nullable=False),
    Column("key", LargeBinary),
    Column("value", LargeBinary, nullable=False),
    Column("headers", JSONB, nullable=False),
    _at("created_at", nullable=False, default=True),
    _at("sent_at"),
    Index("outbox_unsent", "id", postgresql_where=text("sent_at is null")),
    Index("outbox_unsent_messages", "id", postgresql_where=text("sent_at is null and event_seq is null")),
    Index("outbox_sent", "sent_at", postgresql_using="brin", postgresql_with={"pages_per_range": "32", "autosummarize": "on"}),
)

audit = Table(
    "audit",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("audit_id", Uuid, primary_key=True),
    _at("at", nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
)

action = Table(
    "action",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("action_id", Uuid, primary_key=True),
    Column("ticket_id", Uuid, nullable=False),
    Column("step", Integer, nullable=False),
    Column("port", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("transaction", Text, nullable=False),
    Column("method", Text),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("after_id", Uuid),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    _at("next_attempt_at"),
    _at("due_at", nullable=False),
    Column("result", Text),
    _at("created_at", nullable=False),
    _at("ended_at"),
    Index("action_pending", "order_id", postgresql_where=text("state in ('planned', 'sent')")),
    Index("action_created", "created_at"),
    Index("action_due", "next_attempt_at", postgresql_where=text("state in ('planned', 'sent')")),
    postgresql_with={"fillfactor": "70"},
)

rule_set = Table(
    "rule_set",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("text", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    _at("at", nullable=False, default=True),
)

bulk_job = Table(
    "bulk_job",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    Column("state", Text, nullable=False),
    Column("operations", Text, nullable=False),
    Column("reason_code", Text, nullable=False),
    Column("comment", Text),
    Column("mode", Text, nullable=False),
    Column("stop_after", Integer, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("undoes", Uuid),
    _at("created_at", nullable=False),
    _at("ended_at"),
    Index("bulk_job_open", "created_at", postgresql_where=text("state in ('running', 'paused')")),
)

bulk_item = Table(
    "bulk_item",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    Column("order_id", Uuid, primary_key=True),
    Column("version", Integer),
    Column("ticket_id", Uuid, nullable=False),
    Column("state", Text, nullable=False),
    Column("code", Text),
    Index("bulk_item_planned", "job_id", "order_id", postgresql_where=text("state = 'planned'")),
)

# Read by the previous release only; `catalogue_entry` has taken their place.
product = Table(
    "product",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("price_amount", BigInteger, nullable=False),
    Column("price_exponent", Integer, nullable=False),
)

promotion = Table(
    "promotion",
    metadata,
    Column("code", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("label", Text, nullable=False),
    Column("percent_bp", Integer),
    Column("amount_minor", BigInteger),
    _at("starts_at"),
    _at("ends_at"),
    Column("active", Boolean, nullable=False, server_default="true"),
)

catalogue_load = Table(
    "catalogue_load",
    metadata,
    Column("load_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("entries", Integer, nullable=False),
    _at("at", nullable=False, default=True),
)

catalogue_entry = Table(
    "catalogue_entry",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("doc", JSON, nullable=False),
    Column("load_id", Uuid, nullable=False),
)

promotion_usage = Table(
    "promotion_usage",
    metadata,
    Column("code", Text, primary_key=True),
    Column("used", BigInteger, nullable=False),
    postgresql_with={"fillfactor": "50"},
)

stock = Table(
    "stock",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("location", Text, primary_key=True),
    Column("on_hand", BigInteger, nullable=False),
    Column("incoming", BigInteger, nullable=False, server_default="0"),
    _at("incoming_at"),
    Column("backorder", Boolean, nullable=False, server_default="false"),
    Column("reserved", BigInteger, nullable=False, server_default="0"),
    _at("counted_at"),
    postgresql_with={"fillfactor": "50"},
)

reservation = Table(
    "reservation",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("line_id", Text, primary_key=True),
    Column("reservation_id", Uuid, nullable=False),
    Column("sku", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("units", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    _at("changed_at", nullable=False),
    Index("reservation_by_sku", "sku"),
    postgresql_with={"fillfactor": "70"},
)

order_search = Table(
    "order_search",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("terms", ARRAY(Text), nullable=False),
    _at("arrived_at", nullable=False, default=True),
    Column("channel", Text),
    Index("order_search_by_arrival", "arrived_at", "order_id"),
    Index("order_search_terms", "terms", postgresql_using="gin", postgresql_with={"gin_pending_list_limit": 256}),
)

submission = Table(
    "submission",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("message_id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    _at("at", nullable=False),
)

edit_presence = Table(
    "edit_presence",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("form_id", Uuid, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    _at("since", nullable=False),
    _at("expires_at", nullable=False),
)

saved_view = Table(
    "saved_view",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("filters", JSONB, nullable=False),
    _at("at", nullable=False),
)

selection = Table(
    "selection",
    metadata,
    Column("selection_id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("order_ids", ARRAY(Uuid), nullable=False),
    Column("filters", JSONB),
    _at("at", nullable=False),
    Index("selection_by_user", "user_id", "at"),
)

session = Table(
    "session",
    metadata,
    Column("id_hash", LargeBinary, primary_key=True),
    Column("sub", Text, nullable=False),
    Column("user_sealed", LargeBinary, nullable=False),
    _at("opened_at", nullable=False),
    _at("used_at", nullable=False),
    _at("ends_at", nullable=False),
    Column("dark", Boolean),
    Index("session_by_sub", "sub"),
    Index("session_by_end", "ends_at"),
)

login = Table(
    "login",
    metadata,
    Column("state_hash", LargeBinary, primary_key=True),
    Column("login_sealed", LargeBinary, nullable=False),
    _at("ends_at", nullable=False),
    Index("login_by_end", "ends_at"),
)

revocation = Table(
    "revocation",
    metadata,
    Column("sub", Text, primary_key=True),
    _at("at", nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

APPEND_ONLY = ("history", "order_origin", "erasure", "statement", "audit", "failure_attempt", "repeat", "rule_set", "submission")
"""The application's role may read and insert here, and nothing else."""
