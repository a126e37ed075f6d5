"""The catalogue keeps its versions, and the uses of promotions with a limit are counted.

New tables only, so the previous release goes on working beside it, with the tables `product` and `promotion` that only
it still reads. Fill the new ones with `ordermend catalogue load`.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE catalogue_load (
    load_id UUID NOT NULL,
    name TEXT NOT NULL,
    sha256 BYTEA NOT NULL,
    entries INTEGER NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (load_id)
);

CREATE TABLE catalogue_entry (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    scope TEXT NOT NULL,
    version INTEGER NOT NULL,
    doc JSON NOT NULL,
    load_id UUID NOT NULL,
    PRIMARY KEY (kind, key, scope, version)
);

CREATE TABLE promotion_usage (
    code TEXT NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (code)
) WITH (fillfactor = 50);
"""


def upgrade() -> None:
    """Add the tables. Versions and loads are added and never rewritten; uses are counted up and down."""
    op.execute(TABLES)
    config = op.get_context().config
    app = config.attributes.get("app_role") if config else None
    if app:
        op.execute(f'grant select, insert on catalogue_load, catalogue_entry to "{app}"')
        op.execute(f'grant select, insert, update on promotion_usage to "{app}"')


def downgrade() -> None:
    """Orders name versions that would be gone."""
    raise NotImplementedError
