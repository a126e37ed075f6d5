"""The embedded inventory: what was counted where, and what of it is promised to which line.

New tables. The previous release writes orders without reserving anything, so counts are loaded (`ordermend catalogue load --kind stock`)
once every processor is of this release: the first count of a SKU reserves what the book's open orders want of it.
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE stock (
    sku TEXT NOT NULL,
    location TEXT NOT NULL,
    on_hand BIGINT NOT NULL,
    incoming BIGINT DEFAULT 0 NOT NULL,
    incoming_at TIMESTAMP WITH TIME ZONE,
    backorder BOOLEAN DEFAULT false NOT NULL,
    reserved BIGINT DEFAULT 0 NOT NULL,
    counted_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (sku, location)
) WITH (fillfactor = 50);

CREATE TABLE reservation (
    order_id UUID NOT NULL,
    line_id TEXT NOT NULL,
    reservation_id UUID NOT NULL,
    sku TEXT NOT NULL,
    location TEXT NOT NULL,
    units BIGINT NOT NULL,
    revision INTEGER NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (order_id, line_id)
) WITH (fillfactor = 70);
"""


def upgrade() -> None:
    """Create the tables; the application reads and writes them, and deletes nothing."""
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
    config = op.get_context().config
    app = config.attributes.get("app_role") if config else None
    if app:
        op.execute(f'grant select, insert, update on stock, reservation to "{app}"')


def downgrade() -> None:
    """Counts can be loaded again, and reservations follow from the orders."""
    for name in ("reservation", "stock"):
        op.execute(f"DROP TABLE {name}")
