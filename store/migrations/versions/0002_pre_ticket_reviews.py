"""Tickets that wait know what they wait with and until when; who approved them, and what they take back.

Adds nullable columns only, so the previous release goes on working beside it.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COLUMNS = """
ALTER TABLE ticket
    ADD COLUMN effects_hash TEXT,
    ADD COLUMN due_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN approved_by TEXT,
    ADD COLUMN undoes UUID
"""
INDEX = "CREATE INDEX ticket_due ON ticket (due_at) WHERE due_at is not null"


def upgrade() -> None:
    """Add the columns and the index of deadlines."""
    op.execute(COLUMNS)
    op.execute(INDEX)


def downgrade() -> None:
    """Nothing reads the columns before this step."""
    op.execute("DROP INDEX ticket_due")
    op.execute("ALTER TABLE ticket DROP COLUMN effects_hash, DROP COLUMN due_at, DROP COLUMN approved_by, DROP COLUMN undoes")
