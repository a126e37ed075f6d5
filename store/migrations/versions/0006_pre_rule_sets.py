"""Rule sets: what people change while everything runs, every version kept.

A new table only, so the previous release goes on working beside it.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE rule_set (
    kind TEXT NOT NULL,
    version INTEGER NOT NULL,
    text TEXT NOT NULL,
    author TEXT NOT NULL,
    reason TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (kind, version)
)
"""


def upgrade() -> None:
    """Add the table, which the application may fill and not rewrite."""
    op.execute(TABLE)
    config = op.get_context().config
    app = config.attributes.get("app_role") if config else None
    if app:
        op.execute(f'grant select, insert on rule_set to "{app}"')


def downgrade() -> None:
    """What was in force when, and who put it there, would be forgotten."""
    raise NotImplementedError
