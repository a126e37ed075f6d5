"""The book's migrations: Alembic runs the numbered steps under the owner's role.

Apart from `store.database`, so that only who migrates loads Alembic and SQLAlchemy: they are a fifth of what starting a service costs.
"""

from importlib.resources import as_file, files

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from store.database import plain


def migrate(owner_url: str, schema: str, app_role: str | None) -> str:
    """Run the steps that are missing; return the revision reached. Safe to run again and from two places at once."""
    engine = create_engine(make_url(plain(owner_url)).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection, as_file(files("store").joinpath("migrations")) as folder:
        # One migrator at a time, whoever they are.
        connection.exec_driver_sql("select pg_advisory_xact_lock(hashtext(%(schema)s))", {"schema": f"ordermend:{schema}"})
        connection.exec_driver_sql(f'create schema if not exists "{schema}"')
        connection.exec_driver_sql(f'set local search_path to "{schema}"')
        config = Config()
        config.set_main_option("script_location", str(folder))
        config.set_main_option("path_separator", "os")
        config.attributes |= {"connection": connection, "schema": schema, "app_role": app_role}
        command.upgrade(config, "head")
        revision = connection.exec_driver_sql(f'select version_num from "{schema}".schema_version').scalar_one()
    engine.dispose()
    return str(revision)
