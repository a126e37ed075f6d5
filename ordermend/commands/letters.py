"""`ordermend letters …`: dead letters as work, those that cost most first. The acts are those of the console."""

import json
from typing import Annotated
from uuid import UUID

import typer

LetterId = Annotated[UUID, typer.Argument(help="The letter's id.")]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    from ordermend import letter_acts as acts  # noqa: PLC0415 - the acts are part of this group, in a file of their own

    group = typer.Typer(no_args_is_help=True, help="Work on dead letters and send them back.", epilog="Example: ordermend letters list")
    one = "6f1d0a5e-8c3b-5e57-9c0e-0d6a2b7f4c11"
    group.command("list", epilog="Example: ordermend letters list --class SEMANTIC --channel shopify --limit 20")(listing)
    group.command(epilog="Example: ordermend letters groups --limit 10")(groups)
    group.command(epilog=f"Example: ordermend letters show {one}")(show)
    for name, act, options in (
        ("claim", acts.claim, "--actor olga"),
        ("release", acts.release, "--actor olga"),
        ("edit", acts.edit, "--actor olga --role DLQ_Operate --role Order_Modify --patch fix.json"),
        ("dry-run", acts.dry_run, "--actor olga"),
        ("replay", acts.replay, "--actor olga"),
        ("approve", acts.approve, "--actor otto --role DLQ_Operate --role Order_Approve"),
        ("discard", acts.discard, "--actor olga --reason 'sent twice'"),
    ):
        group.command(name, epilog=f"Example: ordermend letters {name} {one} {options}")(act)
    group.command("bulk-replay", epilog="Example: ordermend letters bulk-replay v2-0c4f6a2b7f4c11e0d6a2 --actor olga")(acts.bulk_replay)
    app.add_typer(group, name="letters")


def listing(
    status: Annotated[str, typer.Option(help="unresolved, replaying, resolved, resent, superseded, discarded or all.")] = "unresolved",
    error_class: Annotated[str | None, typer.Option("--class", help="Only this error class.")] = None,
    code: Annotated[str | None, typer.Option(help="Only this reason code.")] = None,
    fingerprint: Annotated[str | None, typer.Option(help="Only this cause.")] = None,
    channel: Annotated[str | None, typer.Option(help="Only this sales channel.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many.", min=1, max=10_000)] = 50,
    after: Annotated[UUID | None, typer.Option(help="Go on after this letter, the last one of the page before.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List dead letters by impact. Payloads are not shown."""
    from ordermend import bootstrap, settings  # noqa: PLC0415 - keeps --help fast
    from ordermend.letter_view import print_table  # noqa: PLC0415
    from ordermend.local import stack  # noqa: PLC0415
    from store import triage  # noqa: PLC0415

    wanted = triage.Filter(status, error_class, code, fingerprint, channel)
    with bootstrap.connector(stack.connected(settings.load()), "letters")() as connection, connection.cursor() as cursor:
        found = triage.page(cursor, wanted, limit, after)
    if as_json:
        typer.echo(json.dumps([letter._asdict() for letter in found], default=str, indent=1))
        return
    print_table(
        ("score", "letter", "class", "code", "field", "record", "attempts", "since", "status", "claimed by"),
        [
            (
                letter.score, letter.letter_id, letter.error_class, letter.code, letter.field, letter.message, letter.attempts,
                f"{letter.first_failed_at:%Y-%m-%d %H:%M:%S}", letter.status, letter.claimed_by,
            )
            for letter in found
        ],
    )  # fmt: skip


def groups(
    limit: Annotated[int, typer.Option(help="At most this many.", min=1, max=1000)] = 50,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List the causes of unresolved letters, the one with the worst letter first."""
    from ordermend import bootstrap, settings  # noqa: PLC0415 - keeps --help fast
    from ordermend.letter_view import print_table  # noqa: PLC0415
    from ordermend.local import stack  # noqa: PLC0415
    from store import triage  # noqa: PLC0415

    with bootstrap.connector(stack.connected(settings.load()), "letters")() as connection, connection.cursor() as cursor:
        found = triage.groups(cursor, limit)
    if as_json:
        typer.echo(json.dumps([group._asdict() for group in found], default=str, indent=1))
        return
    print_table(
        ("score", "letters", "last hour", "fingerprint", "class", "code", "stage", "field", "channels", "repaired"),
        [
            (
                group.score, group.letters, group.last_hour, group.fingerprint, group.error_class, group.code, group.stage, group.field,
                ", ".join(group.channels), group.repairs,
            )
            for group in found
        ],
    )  # fmt: skip


def show(
    letter_id: LetterId,
    *,
    payload: Annotated[
        bool, typer.Option("--payload", help="Show the original bytes too; they may be personal, and the view is audited.")
    ] = False,
    actor: Annotated[str, typer.Option(help="Who looks, for the audit log.")] = "operator",
) -> None:
    """Show one letter: cause, place, impact by part, attempts, and what waits behind it. Exit code 1: there is none of that id."""
    from ordermend import bootstrap, settings  # noqa: PLC0415 - keeps --help fast
    from ordermend.letter_view import describe  # noqa: PLC0415
    from ordermend.local import stack  # noqa: PLC0415
    from store.sealing import KeyVault  # noqa: PLC0415

    here = stack.connected(settings.load())
    with bootstrap.connector(here, "letters")() as connection:
        text = describe(connection, KeyVault.load(here.keys_dir), letter_id, actor if payload else None)
    if text is None:
        typer.echo(f"error: there is no letter {letter_id}; see `ordermend letters list --status all`", err=True)
        raise typer.Exit(1)
    typer.echo(text)
