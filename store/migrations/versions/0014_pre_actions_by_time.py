"""Requests by the time they were made: how fast they come, which bounds how fast a dependency is taken up again after an outage.

An index only, so the previous release goes on working beside it.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index."""
    op.execute("CREATE INDEX action_created ON action (created_at)")


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP INDEX action_created")
