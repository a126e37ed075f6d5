"""Dead letters as work: scored by parts, claimed, edited, approved, sent back one by one or many; repairs are kept.

Adds nullable columns and new tables, so the previous release goes on working beside it; the new index replaces one
that it was looked up by, and serves the same reads.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STEPS = (
    "ALTER TABLE dead_letter ADD COLUMN parts JSONB, ADD COLUMN scored_at TIMESTAMP WITH TIME ZONE",
    "CREATE INDEX dead_letter_triage ON dead_letter (status, score desc, first_failed_at, letter_id)",
    "CREATE INDEX dead_letter_group ON dead_letter (fingerprint, first_failed_at) WHERE status = 'unresolved'",
    "CREATE INDEX dead_letter_to_score ON dead_letter (scored_at nulls first) WHERE status = 'unresolved'",
    "DROP INDEX dead_letter_open",
    """CREATE TABLE edit_claim (
    order_id UUID NOT NULL,
    letter_id UUID NOT NULL,
    actor TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    claimed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    patch_sealed BYTEA,
    patch_sha256 TEXT,
    approved_by TEXT,
    approved_act TEXT,
    approved_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (order_id, letter_id)
)""",
    """CREATE TABLE repair (
    order_id UUID NOT NULL,
    repair_id UUID NOT NULL,
    letter_id UUID NOT NULL,
    attempts INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    message TEXT NOT NULL,
    channel TEXT,
    error_class TEXT NOT NULL,
    code TEXT NOT NULL,
    field TEXT,
    input_sealed BYTEA NOT NULL,
    patch_sealed BYTEA NOT NULL,
    actor TEXT NOT NULL,
    approved_by TEXT,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    target_order_id UUID NOT NULL,
    target_message_id TEXT NOT NULL,
    outcome TEXT NOT NULL,
    settled_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (order_id, repair_id)
)""",
    "CREATE INDEX repair_by_fingerprint ON repair (fingerprint, at)",
    "CREATE INDEX repair_pending ON repair (at) WHERE outcome = 'pending'",
    """CREATE TABLE bulk_replay (
    bulk_id UUID NOT NULL,
    actor TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    patch TEXT,
    state TEXT NOT NULL,
    reason TEXT,
    approved_by TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (bulk_id)
)""",
    """CREATE TABLE bulk_member (
    order_id UUID NOT NULL,
    letter_id UUID NOT NULL,
    bulk_id UUID NOT NULL,
    n INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    target_order_id UUID,
    target_message_id TEXT,
    state TEXT NOT NULL,
    detail TEXT,
    PRIMARY KEY (order_id, letter_id, bulk_id)
)""",
    "CREATE INDEX bulk_member_next ON bulk_member (bulk_id, state, n)",
)
TABLES = ("edit_claim", "repair", "bulk_replay", "bulk_member")


def upgrade() -> None:
    """Add columns, indexes and tables."""
    for step in STEPS:
        op.execute(step)
    config = op.get_context().config
    app = config.attributes.get("app_role") if config else None
    if app:
        for table in TABLES:
            op.execute(f'grant select, insert, update, delete on {table} to "{app}"')


def downgrade() -> None:
    """Repairs are what a later release learns from: they are not thrown away."""
    raise NotImplementedError
