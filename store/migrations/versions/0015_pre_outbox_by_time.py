"""The outbox by the time its rows were sent: what reconciling reads of it.

A block range index, which costs the relay next to nothing and leaves its updates where they are. The previous release goes on beside it.
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index."""
    op.execute("CREATE INDEX outbox_sent ON outbox USING brin (sent_at) WITH (pages_per_range = 32, autosummarize = on)")


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP INDEX outbox_sent")
