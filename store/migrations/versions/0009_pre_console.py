"""What the console needs: terms to find orders by, what its door took in, and orders in the order they came.

An order that the previous release stores while it still runs beside this one has no terms until it changes. Nothing that
exists changes its meaning.
"""

from alembic import op

from schemas.order import Order
from store.search import terms_of

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

CHUNK = 1000

TABLES = """
CREATE TABLE order_search (
    order_id UUID NOT NULL,
    terms TEXT[] NOT NULL,
    PRIMARY KEY (order_id)
);

CREATE INDEX order_search_terms ON order_search USING gin (terms);

CREATE TABLE submission (
    order_id UUID NOT NULL,
    message_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    sha256 BYTEA NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (order_id, message_id)
);

CREATE INDEX orders_by_arrival ON orders (created_at, order_id);
"""


def upgrade() -> None:
    """Create the tables, give the application its rights, and work out the terms of orders that are there."""
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
    config = op.get_context().config
    app = config.attributes.get("app_role") if config else None
    if app:
        op.execute(f'grant select, insert, update, delete on order_search to "{app}"')
        op.execute(f'grant select, insert on submission to "{app}"')
    _fill()


def _fill() -> None:
    bind = op.get_bind()
    last = "00000000-0000-0000-0000-000000000000"
    while rows := bind.exec_driver_sql(
        "select order_id::text, doc::text from orders where order_id > %(last)s::uuid order by order_id limit %(limit)s",
        {"last": last, "limit": CHUNK},
    ).fetchall():
        bind.exec_driver_sql(
            "insert into order_search (order_id, terms) values (%s, %s)",
            [(order_id, terms_of(Order.model_validate_json(doc))) for order_id, doc in rows],
        )
        last = rows[-1][0]


def downgrade() -> None:
    """What finds orders can be made again at any time."""
    op.execute("DROP INDEX orders_by_arrival")
    op.execute("DROP TABLE submission")
    op.execute("DROP TABLE order_search")
