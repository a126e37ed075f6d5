"""How often a channel said that it has no such order: a fetch is given up after some such answers, not after as many attempts.

A column with a default, so the previous release goes on working beside it; it counts attempts, as before.
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what was asked before counts from nothing."""
    op.execute("ALTER TABLE order_fetch ADD COLUMN not_found INTEGER DEFAULT '0' NOT NULL")


def downgrade() -> None:
    """Drop it."""
    op.execute("ALTER TABLE order_fetch DROP COLUMN not_found")
