"""Servers that are not ours: named by the environment, used instead of our own, checked before they are used."""

import psycopg

from ordermend.local.processes import accepts
from ordermend.settings import Settings
from schemas.failures import StackFailed


def addresses(settings: Settings) -> dict[str, str]:
    """Return part name -> address, without passwords, of each server the environment names."""
    named = {
        "kafka": settings.kafka_bootstrap_servers,
        "postgres": settings.database_url and settings.database_url.rpartition("@")[2],
        "issuer": settings.issuer_url,
    }
    return {name: address for name, address in named.items() if address}


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables that hand these servers on to a child process."""
    named = {
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "DATABASE_URL": settings.database_url,
        "ORDERMEND_OWNER_DATABASE_URL": settings.migration_url,
        "ORDERMEND_ISSUER_URL": settings.issuer_url,
    }
    return {name: value for name, value in named.items() if value}


def check(settings: Settings) -> None:
    """Raise StackFailed if a named server does not answer."""
    if settings.kafka_bootstrap_servers and not any(_listens(broker) for broker in settings.kafka_bootstrap_servers.split(",")):
        raise StackFailed(
            f"no broker answers at KAFKA_BOOTSTRAP_SERVERS={settings.kafka_bootstrap_servers}: start it, or unset the variable"
        )
    for name, url in (("DATABASE_URL", settings.database_url), ("ORDERMEND_OWNER_DATABASE_URL", settings.owner_database_url)):
        if url:
            _check_database(name, url)


def _listens(broker: str) -> bool:
    host, _, port = broker.rpartition(":")
    return accepts(int(port), host.strip("[]"))


def _check_database(name: str, url: str) -> None:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError as error:
        cause = str(error).splitlines()[0]
        raise StackFailed(f"the database of {name} does not answer ({cause}): start it, or unset the variable") from None
