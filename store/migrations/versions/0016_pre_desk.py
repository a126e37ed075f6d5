"""What people at the console leave behind for themselves and each other: saved searches, and who has a form open.

New tables, and indexes for lists by channel, state and time. None on what an edit changes (`version`, `edits`): an edit goes on touching
no index. The previous release goes on working beside them.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE edit_presence (
    order_id UUID NOT NULL,
    form_id UUID NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (order_id, form_id)
);

CREATE TABLE saved_view (
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    filters JSONB NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (user_id, name)
);

CREATE INDEX orders_by_channel_arrival ON orders (channel, created_at, order_id);

CREATE INDEX orders_by_lifecycle_arrival ON orders (lifecycle, created_at, order_id);

CREATE INDEX ticket_by_time ON ticket (submitted_at, ticket_id);
"""


def upgrade() -> None:
    """Create the tables; the application reads, writes and clears them."""
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
    config = op.get_context().config
    app = config.attributes.get("app_role") if config else None
    if app:
        op.execute(f'grant select, insert, update, delete on edit_presence, saved_view to "{app}"')


def downgrade() -> None:
    """Hints end by themselves, and searches can be kept again."""
    for what in (
        "INDEX ticket_by_time",
        "INDEX orders_by_lifecycle_arrival",
        "INDEX orders_by_channel_arrival",
        "TABLE saved_view",
        "TABLE edit_presence",
    ):
        op.execute(f"DROP {what}")
