"""Who is signed in at the pages, logins under way, and whom the door no longer takes: shared by every process of the console.

New tables only, so the previous release goes on working beside it; whoever is signed in there signs in once more here.
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE session (
    id_hash BYTEA NOT NULL,
    sub TEXT NOT NULL,
    user_sealed BYTEA NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    dark BOOLEAN,
    PRIMARY KEY (id_hash)
);

CREATE INDEX session_by_sub ON session (sub);

CREATE INDEX session_by_end ON session (ends_at);

CREATE TABLE login (
    state_hash BYTEA NOT NULL,
    login_sealed BYTEA NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (state_hash)
);

CREATE INDEX login_by_end ON login (ends_at);

CREATE TABLE revocation (
    sub TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    author TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (sub)
);
"""


def upgrade() -> None:
    """Create the tables and give the application its rights."""
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
    config = op.get_context().config
    app = config.attributes.get("app_role") if config else None
    if app:
        op.execute(f'grant select, insert, update, delete on session to "{app}"')
        op.execute(f'grant select, insert, delete on login to "{app}"')
        op.execute(f'grant select, insert, update on revocation to "{app}"')


def downgrade() -> None:
    """Whoever is signed in signs in once more; whom the door no longer took would be taken again."""
    raise NotImplementedError
