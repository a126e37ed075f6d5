"""`ordermend normalize`: a channel's document, read as the running system would read it."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

WRONG_INPUT = 2
REFUSED = frozenset({"quarantine", "reject", "dead_letter"})


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: ordermend normalize --channel shopify --summary order.json")(normalize)


def normalize(
    files: Annotated[list[Path], typer.Argument(help="The document; with --parts, the parts of one order.", exists=True, dir_okay=False)],
    channel: Annotated[str, typer.Option(help="The sales channel, as `docs/reference/channels.md` lists them.")],
    *,
    summary: Annotated[bool, typer.Option("--summary", help="Print the summary instead of the canonical order.")] = False,
    parts: Annotated[bool, typer.Option("--parts", help="The files are the parts of one order.")] = False,
) -> None:
    """Print the canonical order (or its summary) as JSON.

    Exit code 0: taken, with whatever warnings. 2: refused, or not readable; one line per problem on standard error.
    """
    from normalizers import discover  # noqa: PLC0415 - keeps --help fast
    from normalizers.channel import Document  # noqa: PLC0415

    known = discover()
    if channel not in known:
        raise typer.BadParameter(f"{channel} is none of {', '.join(known)}", param_hint="--channel")
    documents = tuple(Document(_begun(file)) for file in files)
    groups = (documents,) if parts else tuple((document,) for document in documents)
    codes = [_one(known[channel], group, summary=summary) for group in groups]
    raise typer.Exit(max(codes))


def _begun(file: Path) -> bytes:
    """Return the file, or of one that is too large a byte more than is allowed: what it is refused for."""
    from normalizers.wire import MAX_BYTES  # noqa: PLC0415 - keeps --help fast

    with file.open("rb") as opened:
        return opened.read(MAX_BYTES + 1)


def _one(channel: Any, documents: tuple[Any, ...], *, summary: bool) -> int:
    from intake.accept import NAMES_NO_ORDER  # noqa: PLC0415
    from normalizers.channel import Unreadable  # noqa: PLC0415 - keeps --help fast
    from normalizers.summary import summarize  # noqa: PLC0415
    from schemas.failures import OrdermendError  # noqa: PLC0415
    from schemas.statement import Finding  # noqa: PLC0415

    try:
        results = judged(channel.normalize(documents) or (NAMES_NO_ORDER,))
    except OrdermendError as error:
        finding = Finding(path=error.field or "", rule=error.rule or error.code, message=error.message, value=error.value)
        results = (Unreadable(None, "dead_letter", error.code, (finding,), error_class=error.error_class),)
    summed = summarize(results)
    typer.echo(json.dumps(summed if summary else [_canonical(result) for result in results], indent=1, ensure_ascii=False, default=str))
    if summed["verdict"] not in REFUSED:
        return 0
    for problem in summed.get("problems", ()):
        typer.echo(f"{channel.name}: {problem['path'] or '(document)'}: {problem['rule']}: {problem['message']}", err=True)
    return WRONG_INPUT


def judged(results: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the results as intake's rules leave them."""
    from dataclasses import replace  # noqa: PLC0415 - keeps --help fast

    from intake.accept import ERROR_OF_VERDICT, REFUSING  # noqa: PLC0415
    from intake.rules import discover  # noqa: PLC0415
    from intake.rules.rule import judge, with_holds  # noqa: PLC0415
    from normalizers.channel import StatedOrder, Unreadable  # noqa: PLC0415

    found = []
    for result in results:
        if not isinstance(result, StatedOrder):
            found.append(result)
            continue
        verdict, findings, spoke = judge(result, discover())
        if verdict in REFUSING:
            error_class, code = ERROR_OF_VERDICT[verdict]
            found.append(
                Unreadable(
                    result.order.source.channel_order_id,
                    verdict,
                    code,
                    findings,
                    error_class=error_class,
                    event=result.event,
                    stated=result.stated,
                )
            )
        else:
            held = with_holds(result.order, discover(), findings, spoke)
            found.append(replace(result, order=held, verdict=verdict, findings=findings))
    return tuple(found)


def _canonical(result: Any) -> Any:
    from dataclasses import asdict  # noqa: PLC0415 - keeps --help fast

    from normalizers.channel import StatedOrder  # noqa: PLC0415

    if isinstance(result, StatedOrder):
        findings = [finding.model_dump(mode="json") for finding in result.findings]
        order = json.loads(result.order.model_dump_json(exclude_defaults=True))
        return {"verdict": result.verdict, "event": result.event, "order": order, "warnings": findings}
    plain = asdict(result)
    plain["findings"] = [finding.model_dump(mode="json") for finding in result.findings]
    return plain
