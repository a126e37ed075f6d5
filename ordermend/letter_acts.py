"""What `ordermend letters` does with a letter: each command opens the desk, acts once, and says what was done.

The command line takes the word of whoever runs it for who they are and which roles they hold: it has the database's
password anyway. Exit codes: 0 done, 1 refused (the line says why), 2 a patch or file that
cannot be read.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID, uuid4

import typer

from ordermend.textfile import TextFileUnreadable
from ordermend.textfile import read as text_of

if TYPE_CHECKING:
    from dlq_handler.bulk import Progress
    from dlq_handler.desk import Desk
    from schemas.assertion import Actor
    from schemas.repair import Rehearsed

LetterId = Annotated[UUID, typer.Argument(help="The letter's id.")]
Who = Annotated[str, typer.Option("--actor", help="Who acts, for the audit log.")]
Roles = Annotated[list[str] | None, typer.Option("--role", help="A role of whoever acts; several allowed. Unset: DLQ_Operate.")]


def claim(letter_id: LetterId, actor: Who, role: Roles = None) -> None:
    """Claim a letter: nobody else edits or sends it meanwhile. It expires by itself."""
    with _desk() as desk:
        made = desk.claim(letter_id, _actor(actor, role))
    typer.echo(f"letter {letter_id}: claimed by {made.actor} until {made.expires_at:%Y-%m-%d %H:%M:%S %Z}")


def release(letter_id: LetterId, actor: Who, role: Roles = None) -> None:
    """Give an own claim back; its patch is dropped."""
    with _desk() as desk:
        typer.echo(f"letter {letter_id}: {desk.release(letter_id, _actor(actor, role))}")


def edit(
    letter_id: LetterId,
    actor: Who,
    patch: Annotated[Path | None, typer.Option("--patch", help="File with a JSON Patch (RFC 6902).", exists=True, dir_okay=False)] = None,
    role: Roles = None,
) -> None:
    """Keep a JSON Patch on the letter; nothing is sent. Without --patch: print what may be edited and what is proposed, which takes the role DLQ_Payload and is audited."""
    with _desk() as desk:
        if patch is None:
            view = desk.view(letter_id, _actor(actor, role))
            from dlq_handler.patch import dumps  # noqa: PLC0415 - keeps --help fast

            typer.echo(dumps({"document": view.document, "locked": list(view.locked), "patch": view.patch, "said": list(view.said)}))
            return
        made = desk.edit(letter_id, _actor(actor, role), _text(patch))
    typer.echo(f"letter {letter_id}: patch kept until {made.expires_at:%Y-%m-%d %H:%M:%S %Z}; see `ordermend letters dry-run {letter_id}`")


def dry_run(
    letter_id: LetterId,
    actor: Who,
    role: Roles = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a replay would do now, with the patch proposed and every follower. Nothing is changed."""
    with _desk() as desk:
        _print_steps(desk.dry_run(letter_id, _actor(actor, role)), as_json=as_json)


def replay(letter_id: LetterId, actor: Who, role: Roles = None) -> None:
    """Send a letter back, once, in its place, with the own patch if there is one."""
    with _desk() as desk:
        typer.echo(f"letter {letter_id}: {desk.replay(letter_id, _actor(actor, role))}")


def approve(
    letter_id: LetterId,
    actor: Who,
    act: Annotated[str, typer.Option("--act", help="replay or discard.")] = "replay",
    role: Roles = None,
) -> None:
    """Approve what somebody else has claimed a letter for, with its patch as it is now."""
    with _desk() as desk:
        typer.echo(f"letter {letter_id}: {desk.approve(letter_id, _actor(actor, role), act)}")


def discard(
    letter_id: LetterId, actor: Who, reason: Annotated[str, typer.Option(help="Why, without personal data.")], role: Roles = None
) -> None:
    """End a letter without effect; its followers go on."""
    with _desk() as desk:
        typer.echo(f"letter {letter_id}: {desk.discard(letter_id, _actor(actor, role), reason)}")


def bulk_replay(
    fingerprint: Annotated[str | None, typer.Argument(help="The cause, as `ordermend letters groups` shows it.")] = None,
    actor: Annotated[str, typer.Option(help="Who acts, for the audit log.")] = "operator",
    role: Roles = None,
    patch: Annotated[
        Path | None, typer.Option("--patch", help="File with a JSON Patch for every letter.", exists=True, dir_okay=False)
    ] = None,
    limit: Annotated[int, typer.Option(help="At most this many letters.", min=1, max=10_000)] = 10_000,
    resume: Annotated[UUID | None, typer.Option(help="Go on with this bulk replay instead.")] = None,
    approved: Annotated[UUID | None, typer.Option("--approve", help="Approve this bulk replay of somebody else's instead.")] = None,
) -> None:
    """Send back every letter of one cause: one, then ten, then more, stopped above one failure in ten.

    Exit code 1: it stopped, or awaits a second person's approval; what it printed goes on with --resume.
    """
    from threading import Event  # noqa: PLC0415 - keeps --help fast

    from dlq_handler import bulk  # noqa: PLC0415

    if fingerprint is None and resume is None and approved is None:
        typer.echo("error: name a FINGERPRINT (see `ordermend letters groups`), --resume BULK or --approve BULK", err=True)
        raise typer.Exit(2)

    who = _actor(actor, role)
    with _desk() as desk:
        if approved is not None:
            _print_progress(bulk.approve(desk, approved, who))
            return
        text = _text(patch) if patch is not None else None
        found = bulk.progress(desk, resume) if resume else bulk.prepare(desk, uuid4(), fingerprint or "", who, text, limit)
        _print_progress(found)
        if found.state in {"running", "paused"}:
            found = bulk.run(desk, found.bulk_id, who, Event(), _print_progress)
    if found.state != "done":
        raise typer.Exit(1)


@contextmanager
def _desk() -> "Iterator[Desk]":
    from ordermend import bootstrap, settings  # noqa: PLC0415 - keeps --help fast
    from ordermend.local import stack  # noqa: PLC0415

    desk = bootstrap.desk(stack.connected(settings.load()))
    try:
        yield desk
    finally:
        desk.close()


def _actor(name: str, roles: list[str] | None) -> "Actor":
    from schemas.assertion import Actor  # noqa: PLC0415 - keeps --help fast

    return Actor(name, frozenset(roles or ["DLQ_Operate"]), "cli")


def _text(file: Path) -> str:
    from dlq_handler.patch import PatchRefused  # noqa: PLC0415 - keeps --help fast

    try:
        return text_of(file)
    except TextFileUnreadable as error:
        raise PatchRefused(error.message) from None


def _print_steps(rehearsed: "Rehearsed", *, as_json: bool) -> None:
    from schemas.money import to_text  # noqa: PLC0415 - keeps --help fast

    if as_json:
        steps = [
            {**{name: getattr(step, name) for name in ("message_id", "message", "order_id", "outcome", "code", "detail", "version")},
             "money_delta": to_text(step.money_delta_minor, step.currency) if step.currency else None, "currency": step.currency,
             "changes": [change.model_dump() for change in step.changes]}
            for step in rehearsed.steps
        ]  # fmt: skip
        typer.echo(json.dumps({"steps": steps, "waiting": rehearsed.waiting}, default=str, indent=1))
        return
    for step in rehearsed.steps:
        money = f"  {to_text(step.money_delta_minor, step.currency)} {step.currency}" if step.currency and step.money_delta_minor else ""
        typer.echo(f"{step.message_id}  {step.outcome}{money}  {step.code or ''} {step.detail or ''}".rstrip())
        for change in step.changes:
            typer.echo(f"  {change.path}: {'(personal)' if change.sealed else f'{change.old} -> {change.new}'}")
    if rehearsed.waiting:
        typer.echo(f"{rehearsed.waiting} messages would go on waiting")


def _print_progress(found: "Progress") -> None:
    counted = ", ".join(f"{count} {name}" for name, count in asdict(found).items() if name not in ("bulk_id", "state", "reason") and count)
    typer.echo(f"bulk {found.bulk_id}: {found.state}: {counted}{f' ({found.reason})' if found.reason else ''}")
