"""Two indexes: what is promised of one SKU, for who looks at stock; and unsent messages that are no events, which the relay sends first.

Orders are stored while the first is built, their reservations wait for it; and everything waits for the second, which reads the outbox once. Neither is on
anything that an edit of quantities changes.
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the indexes."""
    op.execute("CREATE INDEX reservation_by_sku ON reservation (sku)")
    op.execute("CREATE INDEX outbox_unsent_messages ON outbox (id) WHERE sent_at is null and event_seq is null")


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP INDEX outbox_unsent_messages")
    op.execute("DROP INDEX reservation_by_sku")
