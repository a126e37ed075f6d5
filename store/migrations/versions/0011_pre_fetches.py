"""Orders that channels only named: what is to be fetched; and why a work item is closed, or still open.

A new table and new columns without a rule, so the previous release goes on working beside it; the work items it opened are a
person's, as before.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE order_fetch (
    order_id UUID NOT NULL,
    fetch_id UUID NOT NULL,
    item_id UUID NOT NULL,
    channel TEXT NOT NULL,
    account TEXT NOT NULL,
    channel_order_id TEXT NOT NULL,
    missing TEXT NOT NULL,
    depth INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    next_attempt_at TIMESTAMP WITH TIME ZONE,
    reason TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (order_id, fetch_id)
) WITH (fillfactor = 70);

CREATE INDEX order_fetch_due ON order_fetch (next_attempt_at) WHERE state in ('planned', 'asked', 'sent');

ALTER TABLE work_item ADD COLUMN closed_at TIMESTAMP WITH TIME ZONE;

ALTER TABLE work_item ADD COLUMN reason TEXT;
"""


def upgrade() -> None:
    """Create the table; the application plans, asks and ends, and forgets nothing."""
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
    config = op.get_context().config
    app = config.attributes.get("app_role") if config else None
    if app:
        op.execute(f'grant select, insert, update on order_fetch to "{app}"')


def downgrade() -> None:
    """What was fetched, and what could not be, would be forgotten."""
    raise NotImplementedError
