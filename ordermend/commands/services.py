"""`ordermend keys`, `migrate`, `topics`, `run`: what a deployment calls."""

from typing import Annotated

import typer

SERVICES = ("intake", "processor", "relay", "retrier", "settlement", "fetcher", "bulk", "verifier", "monitor", "console", "webhooks")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: ORDERMEND_KEYS_DIR=keys ordermend keys")(keys)
    app.command(epilog="Example: ordermend migrate")(migrate)
    app.command(epilog="Example: ordermend topics --check")(topics)
    app.command(epilog="Example: ordermend run processor --instance processor-0 --health-port 8081")(run)


def keys() -> None:
    """Make the signing keys and the master key of a new installation; what exists is kept."""
    from ordermend import bootstrap, settings  # noqa: PLC0415 - keeps --help fast

    folder = settings.load().keys_dir
    bootstrap.ensure_keys(folder)
    typer.echo(f"the keys are in {folder}; keep master.key safe: without it personal data cannot be read")


def migrate() -> None:
    """Bring the order book's tables up to date; safe to run again. Exit code 3: the database does not answer."""
    from ordermend import bootstrap, settings  # noqa: PLC0415 - keeps --help fast
    from ordermend.local import stack  # noqa: PLC0415
    from store.database import role_of  # noqa: PLC0415
    from store.migrating import migrate as run_steps  # noqa: PLC0415

    here = stack.connected(settings.load())
    url = bootstrap.database_of(here)
    typer.echo(f"the book is at revision {run_steps(here.migration_url or url, here.db_schema, role_of(url))}")


def topics(*, check: Annotated[bool, typer.Option("--check", help="Only compare; change nothing.")] = False) -> None:
    """Create the topics that are missing and compare all with what this version needs. Exit code 3: one differs."""
    from ordermend import bootstrap, settings  # noqa: PLC0415
    from ordermend.local import stack  # noqa: PLC0415
    from streaming.admin import check_topics, create_topics  # noqa: PLC0415

    here = stack.connected(settings.load())
    wanted = bootstrap.all_topics(here.topic_prefix)
    created = [] if check else create_topics(bootstrap.bootstrap_of(here), wanted)
    check_topics(bootstrap.bootstrap_of(here), wanted)
    typer.echo(f"{len(wanted)} topics are as they should be, {len(created)} of them new")


def run(
    service: Annotated[str, typer.Argument(help=f"One of {', '.join(SERVICES)}, or all (but the last three).")],
    instance: Annotated[
        str | None,
        typer.Option(
            help="A name of its own that stays the same over restarts: the pod's ordinal. The processor's is processor-0 by default."
        ),
    ] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Intake only: this channel (several times for several).")] = None,
    health_host: Annotated[str, typer.Option(help="Where /livez, /readyz and /metrics are served.")] = "127.0.0.1",
    health_port: Annotated[int, typer.Option(help="0 chooses a free port and logs it.")] = 0,
) -> None:
    """Run one service until SIGTERM or Ctrl-C; it finishes its transaction and leaves its group.

    Exit code 3: a dependency failed for good, or Kafka's log and the book disagree at start.
    """
    from ordermend import serving  # noqa: PLC0415

    if service not in (*SERVICES, "all"):
        raise typer.BadParameter(f"{service} is none of {', '.join(SERVICES)}, all")
    serving.serve_until_stopped(service, instance, channel or (), health_host, health_port)
