"""Lists that look at no order they do not show; orders chosen for a bulk edit, in the book; when a bulk replay was last alive.

Terms are kept beside when their order arrived and on which channel, so a list finds the newest of many hits without reading each order.

The table is written anew in the order of arrival, which is also how lists walk it: orders are not stored meanwhile (about a minute for a
million of them). The previous release goes on working beside it: what it stores has the moment of its own transaction, and no channel,
which a list then asks of the order itself.

A replay that the previous release runs says nothing of being alive, and is left alone.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

NEW = """
LOCK TABLE order_search IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE order_search RENAME TO order_search_before;

ALTER INDEX order_search_pkey RENAME TO order_search_before_pkey;

ALTER INDEX order_search_terms RENAME TO order_search_before_terms;

CREATE TABLE order_search (
    order_id UUID NOT NULL,
    terms TEXT[] NOT NULL,
    arrived_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    channel TEXT
);

INSERT INTO order_search (order_id, terms, arrived_at, channel)
    SELECT s.order_id, s.terms, o.created_at, o.channel FROM order_search_before s JOIN orders o USING (order_id) ORDER BY o.created_at, o.order_id;

ALTER TABLE order_search ADD PRIMARY KEY (order_id);

CREATE INDEX order_search_terms ON order_search USING gin (terms) WITH (gin_pending_list_limit = 256);

CREATE INDEX order_search_by_arrival ON order_search (arrived_at, order_id);

DROP TABLE order_search_before;

CREATE TABLE selection (
    selection_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    order_ids UUID[] NOT NULL,
    filters JSONB,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (selection_id)
);

CREATE INDEX selection_by_user ON selection (user_id, at);

ALTER TABLE bulk_replay ADD COLUMN alive_at TIMESTAMP WITH TIME ZONE;
"""


def upgrade() -> None:
    """Write the table of terms anew, make the new one, and give the application its rights."""
    for statement in NEW.split(";"):
        if statement.strip():
            op.execute(statement)
    config = op.get_context().config
    app = config.attributes.get("app_role") if config else None
    if app:
        op.execute(f'grant select, insert, update, delete on order_search, selection to "{app}"')


def downgrade() -> None:
    """The columns say nothing that the order does not, and what was chosen can be chosen again."""
    op.execute("ALTER TABLE bulk_replay DROP COLUMN alive_at")
    op.execute("DROP TABLE selection")
    op.execute("DROP INDEX order_search_by_arrival")
    op.execute("ALTER TABLE order_search DROP COLUMN arrived_at, DROP COLUMN channel")
