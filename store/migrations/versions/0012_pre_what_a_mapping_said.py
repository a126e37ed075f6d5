"""What the mapping of its time made of a restatement, so that another mapping can be compared with it.

A new column without a rule: the previous release goes on working beside it, and what it keeps has nothing in it.
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.execute("ALTER TABLE statement ADD COLUMN said_sealed BYTEA")


def downgrade() -> None:
    """What the mappings said would be forgotten."""
    raise NotImplementedError
