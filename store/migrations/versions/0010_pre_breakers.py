"""Breakers: which channel's or operation's messages wait because too many of them failed.

A new table and an index only, so the previous release goes on working beside it; lanes that this one pauses it leaves alone.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE breaker (
    key TEXT NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    probe_at TIMESTAMP WITH TIME ZONE NOT NULL,
    failures INTEGER NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    closed_by TEXT,
    PRIMARY KEY (key, opened_at)
);

CREATE UNIQUE INDEX breaker_open ON breaker (key) WHERE closed_at is null;

CREATE INDEX lane_paused ON lane (code, blocked_since) WHERE state = 'paused';
"""


def upgrade() -> None:
    """Create the table; the application opens and closes, and forgets nothing."""
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
    config = op.get_context().config
    app = config.attributes.get("app_role") if config else None
    if app:
        op.execute(f'grant select, insert, update on breaker to "{app}"')


def downgrade() -> None:
    """What was held up, and when, would be forgotten."""
    raise NotImplementedError
