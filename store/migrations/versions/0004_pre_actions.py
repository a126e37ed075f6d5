"""What is asked of gateways, channels and notifiers after an edit, and where each request stands.

A new table only, so the previous release goes on working beside it.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE action (
    order_id UUID NOT NULL,
    action_id UUID NOT NULL,
    ticket_id UUID NOT NULL,
    step INTEGER NOT NULL,
    port TEXT NOT NULL,
    kind TEXT NOT NULL,
    provider TEXT NOT NULL,
    transaction TEXT NOT NULL,
    method TEXT,
    amount_minor BIGINT NOT NULL,
    currency TEXT NOT NULL,
    after_id UUID,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at TIMESTAMP WITH TIME ZONE,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    result TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (order_id, action_id)
) WITH (fillfactor = 70)
"""
INDEXES = (
    "CREATE INDEX action_pending ON action (order_id) WHERE state in ('planned', 'sent')",
    "CREATE INDEX action_due ON action (next_attempt_at) WHERE state in ('planned', 'sent')",
)


def upgrade() -> None:
    """Add the table; the application fills it and moves its rows on, and deletes none."""
    op.execute(TABLE)
    for statement in INDEXES:
        op.execute(statement)
    config = op.get_context().config
    app = config.attributes.get("app_role") if config else None
    if app:
        op.execute(f'grant select, insert, update on action to "{app}"')


def downgrade() -> None:
    """Requests that were sent and forgotten would be sent again."""
    raise NotImplementedError
