"""Bulk jobs: one edit of many orders, and which orders with which ticket.

New tables only, so the previous release goes on working beside them.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = (
    """
CREATE TABLE bulk_job (
    job_id UUID NOT NULL PRIMARY KEY,
    state TEXT NOT NULL,
    operations TEXT NOT NULL,
    reason_code TEXT NOT NULL,
    comment TEXT,
    mode TEXT NOT NULL,
    stop_after INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    roles TEXT NOT NULL,
    undoes UUID,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE
)
""",
    """
CREATE TABLE bulk_item (
    job_id UUID NOT NULL,
    order_id UUID NOT NULL,
    version INTEGER,
    ticket_id UUID NOT NULL,
    state TEXT NOT NULL,
    code TEXT,
    PRIMARY KEY (job_id, order_id)
)
""",
)
INDEXES = (
    "CREATE INDEX bulk_job_open ON bulk_job (created_at) WHERE state in ('running', 'paused')",
    "CREATE INDEX bulk_item_planned ON bulk_item (job_id, order_id) WHERE state = 'planned'",
)


def upgrade() -> None:
    """Add the tables; the application fills them and moves their rows on, and deletes none."""
    for statement in (*TABLES, *INDEXES):
        op.execute(statement)
    config = op.get_context().config
    app = config.attributes.get("app_role") if config else None
    if app:
        op.execute(f'grant select, insert, update on bulk_job, bulk_item to "{app}"')


def downgrade() -> None:
    """Jobs under way would be forgotten half done."""
    raise NotImplementedError
