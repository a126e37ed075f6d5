"""What is not personal of the first version is kept in clear, and every erasure is remembered.

An erased order's key is deleted; its history still folds from the part in clear. The column is nullable and the table
new, so the previous release goes on working beside it.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE erasure (
    order_id UUID NOT NULL,
    history_seq BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (order_id, history_seq)
)
"""


def upgrade() -> None:
    """Add the column and the table, which the application may fill and not rewrite."""
    op.execute("ALTER TABLE order_origin ADD COLUMN doc TEXT")
    op.execute(TABLE)
    config = op.get_context().config
    app = config.attributes.get("app_role") if config else None
    if app:
        op.execute(f'grant select, insert on erasure to "{app}"')


def downgrade() -> None:
    """An erasure that nobody remembers would look like tampering."""
    raise NotImplementedError
