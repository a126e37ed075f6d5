"""Environment -> frozen settings: the one place that knows the names of our environment variables.

Input:   environment variables (an empty one counts as not set). There is no settings file.
Output:  `Settings`, frozen; paths are absolute, URLs start with `postgresql://`.
Fails:   SettingsInvalid, one error that lists every bad value; a password is never repeated in it.
"""

from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.failures import SettingsInvalid
from telemetry import failpoints

_SCHEMES: Final = frozenset({"postgresql", "postgres", "postgresql+psycopg"})


def _host_ports(text: str) -> str:
    for item in text.split(","):
        host, _, port = item.strip().rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65_536:
            raise ValueError("must be host:port, several separated by commas")
    return ",".join(item.strip() for item in text.split(","))


def _database_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in _SCHEMES or not parts.path.strip("/"):
        raise ValueError("must read postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    return "postgresql" + text[len(parts.scheme) :]


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http or https address")
    return text.rstrip("/")


def _failpoints(text: str) -> str:
    failpoints.parse(text)
    return text


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


class Settings(BaseSettings):
    """What a process of ours needs to know about where it runs.

    The two servers may be unset: `ordermend up` then starts local ones, and `ordermend.local.stack.connected`
    fills in the addresses of a running stack.
    """

    # Without the prefix the field `home` would be read from HOME.
    model_config = SettingsConfigDict(
        frozen=True, env_prefix="ORDERMEND_", env_ignore_empty=True, extra="ignore", validate_by_name=True, validate_by_alias=True
    )

    kafka_bootstrap_servers: Annotated[str, AfterValidator(_host_ports)] | None = Field(
        default=None, validation_alias="KAFKA_BOOTSTRAP_SERVERS", description="Brokers to use, host:port; unset: the local stack's."
    )
    database_url: DatabaseUrl | None = Field(
        default=None,
        validation_alias="DATABASE_URL",
        repr=False,
        description="Database under the application's role; unset: the local stack's.",
    )
    owner_database_url: DatabaseUrl | None = Field(
        default=None,
        validation_alias="ORDERMEND_OWNER_DATABASE_URL",
        repr=False,
        description="Database under the role that owns the tables, for migrations; unset: DATABASE_URL.",
    )
    issuer_url: Annotated[str, AfterValidator(_http_url)] | None = Field(
        default=None, validation_alias="ORDERMEND_ISSUER_URL", description="OpenID issuer whose tokens are taken; unset: the local stack's."
    )
    home: AbsolutePath = Field(
        default=Path(".ordermend"),
        validate_default=True,
        validation_alias="ORDERMEND_HOME",
        description="Folder of the local stack: state, data, logs, keys.",
    )
    cache: AbsolutePath | None = Field(
        default=None, validation_alias="ORDERMEND_CACHE", description="Folder for downloaded server programs; unset: ORDERMEND_HOME/cache."
    )
    keys: AbsolutePath | None = Field(
        default=None, validation_alias="ORDERMEND_KEYS_DIR", description="Folder of private keys; unset: ORDERMEND_HOME/keys."
    )
    topic_prefix: str = Field(
        default="",
        max_length=100,
        pattern=r"^[A-Za-z0-9._-]*$",
        validation_alias="ORDERMEND_TOPIC_PREFIX",
        description="Put before every topic's name, so that two installations share a broker.",
    )
    db_schema: str = Field(
        default="ordermend",
        pattern=r"^[a-z_][a-z0-9_]{0,62}$",
        validation_alias="ORDERMEND_DB_SCHEMA",
        description="Database schema of the order book.",
    )
    ports: str | None = Field(
        default=None,
        pattern=r"^(simulated|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$",
        validation_alias="ORDERMEND_PORTS",
        description="module:function that returns the gateway, channel, notifier, warehouse and inventory to ask after edits, or `simulated`; unset: simulated on a local stack.",
    )
    sources: str | None = Field(
        default=None,
        pattern=r"^(simulated|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$",
        validation_alias="ORDERMEND_SOURCES",
        description="module:function that returns, by channel, whom to ask for orders that were only named, or `simulated`; unset: nobody, simulated on a local stack.",
    )
    console_listen: Annotated[str, AfterValidator(_host_ports)] = Field(
        default="127.0.0.1:8080",
        validation_alias="ORDERMEND_CONSOLE_LISTEN",
        description="Where the console listens, host:port; before it stands whatever speaks TLS.",
    )
    console_url: Annotated[str, AfterValidator(_http_url)] | None = Field(
        default=None,
        validation_alias="ORDERMEND_CONSOLE_URL",
        description="Address at which people reach the console; unset: http://ORDERMEND_CONSOLE_LISTEN.",
    )
    webhooks_listen: Annotated[str, AfterValidator(_host_ports)] = Field(
        default="127.0.0.1:8081",
        validation_alias="ORDERMEND_WEBHOOKS_LISTEN",
        description="Where the webhook door listens, host:port; before it stands whatever speaks TLS.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", validation_alias="ORDERMEND_LOG_LEVEL", description="Least level that is logged."
    )

    failpoints: Annotated[str, AfterValidator(_failpoints)] = Field(
        default="",
        validation_alias="ORDERMEND_FAILPOINTS",
        description="For fault tests only: NAME=exit|segv|spin|hog|stop|raise|sleep:S[@N|%P], several separated by spaces; see telemetry/failpoints.py.",
    )

    @property
    def cache_dir(self) -> Path:
        """Return the folder for downloaded server programs."""
        return self.cache or self.home / "cache"

    @property
    def keys_dir(self) -> Path:
        """Return the folder of private keys."""
        return self.keys or self.home / "keys"

    @property
    def console_address(self) -> str:
        """Return where people reach the console."""
        return self.console_url or f"http://{self.console_listen}"

    @property
    def migration_url(self) -> str | None:
        """Return the address migrations use: the owner's, else the application's."""
        return self.owner_database_url or self.database_url


def load() -> Settings:
    """Read the environment.

    Raises:
        SettingsInvalid: names every variable that is not usable, with its value and the rule.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsInvalid(_one_line(error)) from None


def _one_line(error: ValidationError) -> str:
    problems = [_problem(str(each["loc"][0]), each["input"], each["msg"]) for each in error.errors()]
    count = "1 setting is" if len(problems) == 1 else f"{len(problems)} settings are"
    return f"{count} not usable: " + "; ".join(problems)


def _problem(name: str, value: object, message: str) -> str:
    shown = "" if name.endswith("DATABASE_URL") else f"={str(value)[:80]!r}"
    return f"{name}{shown}: {message.removeprefix('Value error, ')}"
