"""`python -m ordermend.docs`: writes `docs/reference/*.md` from the code; `--check` only compares.

Output:  one page per subject, the same bytes for the same code: metrics, topics, reason codes, settings, operations, field
         locks, channels, rules, commands.
Fails:   `--check` names the stale pages (changed, missing, or no longer written) and exits 1.
"""

import argparse
import ast
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Final, get_args

import typer
from pydantic_core import PydanticUndefined

from intake import rules
from intake.accept import ERROR_OF_VERDICT
from modification_processor import field_locks, incoming, operations
from modification_processor.edit_rules import EditRules, default_edit_rules
from modification_processor.operations.operation import OperationSpec
from normalizers import discover as discover_channels
from normalizers.channel import Verb
from ordermend import bootstrap, cli
from ordermend.settings import Settings
from schemas import failures, ticket, topics
from schemas.failures import OrdermendError
from telemetry import metrics

REFERENCE: Final = Path(__file__).parents[1] / "docs" / "reference"
PACKAGES: Final = (
    "schemas",
    "telemetry",
    "normalizers",
    "streaming",
    "store",
    "intake",
    "modification_processor",
    "dlq_handler",
    "console",
    "ordermend",
)
DAY_MS: Final = 86_400_000
_CODES: Final[Mapping[str, int]] = MappingProxyType({"Refused": 0, "OperationRefused": 0, "Failed": 1, "Unreadable": 2})
"""Which argument of which call is a reason code."""


def page(title: str, source: str, *parts: str) -> str:
    """Return a page: heading, where it comes from, and its parts."""
    head = f"# {title}\n\nWritten by `make docs` from {source}. Change the code, not this page."
    return "\n\n".join((head, *(part for part in parts if part))) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; a cell is one line."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    lines += [f"| {' | '.join(_cell(str(value)) for value in row)} |" for row in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _code(text: object) -> str:
    return f"`{text}`" if str(text) else ""


def _list(values: Iterable[object]) -> str:
    return ", ".join(_code(value) for value in sorted(map(str, values)))


def _plain(text: str) -> str:
    """Keep a placeholder such as <channel> from being read as HTML."""
    return text.replace("<", "&lt;")


def _first(documented: object) -> str:
    """Return the first paragraph of a docstring."""
    return _plain((inspect.getdoc(documented) or "").split("\n\n")[0])


def metrics_page() -> str:
    """Every metric with its help text."""
    rows = [(_code(name), help_text) for name, help_text in sorted(metrics.registered().items())]
    return page("Metrics", "`telemetry/metrics.py`", table(("metric", "meaning"), rows))


def topics_page() -> str:
    """Every topic this version reads or writes."""
    records: dict[str, Iterable[type[Any]]] = dict(incoming.ALLOWED)
    rows = [
        (
            _code(topic.name),
            topic.key,
            topic.partitions,
            f"{topic.retention_ms // DAY_MS} d",
            topic.config["cleanup.policy"],
            _list(record.__name__ for record in records.get(topic.name, ())) or _carried(topic.name),
        )
        for topic in bootstrap.all_topics()
    ]
    shared = (
        f"Every topic has `message.timestamp.type=LogAppendTime` and `max.message.bytes={topics.MAX_MESSAGE_BYTES}`."
        " `ORDERMEND_TOPIC_PREFIX` is put before each name."
    )
    return page(
        "Topics",
        "`schemas/topics.py` and `ordermend/bootstrap.py`",
        shared,
        table(("topic", "key", "partitions", "retention", "cleanup", "records"), rows),
    )


def _carried(topic: str) -> str:
    if topic.endswith(".dlt"):
        return "copies of dead letters: original bytes and key, our headers"
    return "events" if topic == topics.EVENTS.name else "the channel's documents, as they come"


def modules() -> Iterator[ModuleType]:
    """Import and return every module of ours that is neither a program nor a migration."""
    for name in PACKAGES:
        package = importlib.import_module(name)
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not found.name.endswith("__main__") and ".migrations" not in found.name:
                yield importlib.import_module(found.name)


def _errors(of: type[OrdermendError] = OrdermendError) -> Iterator[type[OrdermendError]]:
    for child in of.__subclasses__():
        if child.__module__.split(".")[0] in PACKAGES:
            yield child
            yield from _errors(child)


def reason_codes_page() -> str:
    """Every error class and code, every code a refusal can carry, and the reasons an operation takes."""
    found = list(modules())
    errors = sorted(set(_errors()), key=lambda error: (error.code, error.__module__))
    rows = [(_code(e.code), e.error_class, _code(f"{e.__module__}.{e.__name__}"), _first(e)) for e in errors]
    answers = sorted(_literal_codes(found).items())
    by_operation = operations.discover()
    fits = [(_code(code), _list(n for n, spec in by_operation.items() if code in spec.reasons)) for code in ticket.REASON_CODES]
    return page(
        "Reason codes",
        "`schemas/failures.py`, `schemas/ticket.py` and the calls that name a code",
        "## Errors",
        "The class says what is done about it. Tried again by the clock: " + _list(failures.RETRYABLE) + "; all others wait for a person.",
        table(("code", "class", "raised as", "meaning"), rows),
        "## Codes of refusals, failures and verdicts",
        "An answer to the sender, or the cause on a dead letter.",
        table(("code", "named in"), [(_code(code), _list(places)) for code, places in answers]),
        "## Reasons of a ticket",
        table(("reason", "operations it fits"), fits),
    )


def _literal_codes(found: Iterable[ModuleType]) -> dict[str, set[str]]:
    """Return code -> modules, from the calls in `_CODES` and intake's verdicts."""
    codes: dict[str, set[str]] = {code: {"intake.accept"} for _, code in ERROR_OF_VERDICT.values()}
    for module in found:
        tree = ast.parse(inspect.getsource(module))
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            place = _CODES.get(call.func.id) if isinstance(call.func, ast.Name) else None
            if place is not None and len(call.args) > place:
                for code in _texts(call.args[place], tree):
                    codes.setdefault(code, set()).add(module.__name__)
    return codes


def _texts(argument: ast.expr, tree: ast.Module) -> Iterator[str]:
    """Return the texts an argument can be: a literal, a choice of literals, or a name that was given one."""
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        yield argument.value
    elif isinstance(argument, ast.IfExp):
        yield from _texts(argument.body, tree)
        yield from _texts(argument.orelse, tree)
    elif isinstance(argument, ast.Name):
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == argument.id for to in node.targets):
                yield from _texts(node.value, ast.Module([], []))


def settings_page() -> str:
    """Every environment variable, its default and what it is for."""
    rows = [
        (_code(field.validation_alias), _default(field.default), field.description or "", "" if field.repr else "yes")
        for field in Settings.model_fields.values()
    ]
    return page(
        "Settings",
        "`ordermend/settings.py`",
        "Environment variables; an empty one counts as not set. A start with a bad value lists every bad value and ends with code 2.",
        table(("variable", "default", "meaning", "secret"), rows),
    )


def _default(value: object) -> str:
    if value is None or value is PydanticUndefined:
        return "unset"
    return _code(value.as_posix() if isinstance(value, Path) else value) or "empty"


def operations_page() -> str:
    """Every operation: an overview, then what each reads, writes and how it is undone."""
    found = operations.discover()
    rows = [
        (f"[`{name}`](#{name})", spec.version, spec.money, "yes" if spec.bulk_safe else "no", _code(spec.verb or ""), _list(spec.reasons))
        for name, spec in found.items()
    ]
    return page(
        "Operations",
        "`modification_processor/operations/`",
        table(("operation", "version", "money", "safe in bulk", "channel verb", "reasons"), rows),
        *(_operation(name, spec) for name, spec in found.items()),
    )


def _operation(name: str, spec: OperationSpec) -> str:
    arguments = [
        (_code(field), _code(_type(info.annotation)), "yes" if info.is_required() else "no")
        for field, info in spec.arguments.model_fields.items()
    ]
    facts = (
        f"- Writes: {_first(spec.touches)}",
        f"- Reads: {_first(spec.reads)}",
        f"- Undone by: {_first(spec.inverse)}",
    )
    return "\n\n".join(
        part
        for part in (
            f"## {name}",
            _plain((inspect.getdoc(inspect.getmodule(spec.apply)) or "").strip()),
            table(("argument", "type", "required"), arguments) if arguments else "",
            "\n".join(facts),
        )
        if part
    )


def _type(annotation: Any) -> str:
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    text = re.sub(r"Annotated\[([^,\]]+),[^\]]*\]", r"\1", str(annotation))
    text = text.replace("typing.", "").replace("datetime.", "")
    return re.sub(r"^Optional\[(.*)\]$", r"\1 | None", text)


def field_locks_page() -> str:
    """The matrix of field class and state, and what narrows it."""
    locks = field_locks.default_locks()
    classes = list(dict.fromkeys(name for name, _ in locks.modes))
    rows = [(_code(name), locks.labels[name], *(_mode(locks, name, column) for column in field_locks.COLUMNS)) for name in classes]
    verbs = [(_code(name), _code(verb)) for name, verb in sorted(locks.marketplace_verbs.items())]
    narrowing = default_edit_rules()
    return page(
        "Field locks",
        "`modification_processor/field_locks.toml`",
        "The stricter of the payment column and the fulfilment column counts; strictness rises "
        + ", ".join(field_locks.STRICTNESS)
        + ". A class that is not in the table is locked. Nobody changes anything without the role "
        + f"`{field_locks.MODIFY_ROLE}`.",
        f"Payment: {', '.join(field_locks.PAYMENT_COLUMNS)}. Fulfilment: {', '.join(field_locks.FULFILMENT_COLUMNS)}.",
        table(("class", "a person says", *field_locks.COLUMNS), rows),
        "## Channels that own the order",
        f"On {_list(locks.marketplaces)} these classes stay locked unless the channel takes the verb:",
        table(("class", "verb"), verbs),
        "## Holds",
        f"A hold of kind {_list(locks.hold_kinds)} locks {_list(locks.hold_classes)} until it is released.",
        "## Edit windows",
        "None ship. `edit_rules.toml` says how one is written: after so many minutes, at a time of day, or before the delivery, by "
        "channel and account, its classes are locked or need approval. Until then the answer says until when.",
        "## Risk",
        f"While an order has a hold of kind {_list(narrowing.risk_kinds)}, {_list(narrowing.risk_classes)} need approval.",
        f"From {narrowing.approval_from} points on a change needs approval. It costs the points of its class, those of the fulfilment "
        f"state, and {narrowing.value_points} more from a grand total of {_values(narrowing)} on; other classes cost nothing.",
        table(("class", "points"), [(_code(name), points) for name, points in (narrowing.class_points or {}).items()]),
        table(("state", "points"), list((narrowing.state_points or {}).items())),
    )


def _values(rules: EditRules) -> str:
    limits = rules.value_from or {}
    return ", ".join(
        f"{limit} {'of any other currency' if currency == '*' else currency}" for currency, limit in sorted(limits.items(), reverse=True)
    )


def _mode(locks: field_locks.LockTable, name: str, column: str) -> str:
    return f"{locks.modes[name, column]}, then compensation" if (name, column) in locks.both else locks.modes[name, column]


def channels_page() -> str:
    """Every sales channel as its module declares it."""
    rows = [
        (
            _code(name),
            _first(inspect.getmodule(channel.normalize)),
            _code(channel.topic.name),
            channel.restates.value.replace("_", " "),
            channel.missing.value,
            channel.signature,
            _code(channel.account_field),
            _code(channel.order_key),
            channel.mapping_version,
            *("yes" if verb in channel.verbs else "" for verb in Verb),
        )
        for name, channel in discover_channels().items()
    ]
    head = ("channel", "reads", "topic", "restates", "a missing field is", "signature", "account from", "order key", "mapping")
    return page(
        "Channels",
        "`normalizers/`",
        "The last columns are the verbs the channel accepts back about an order.",
        table((*head, *(verb.value for verb in Verb)), rows),
    )


def rules_page() -> str:
    """Every intake rule."""
    rows = [
        (_code(rule.name), rule.mode, rule.verdict, _list(rule.channels) or "all", rule.owner, _first(inspect.getmodule(rule.check)))
        for rule in rules.discover()
    ]
    return page(
        "Intake rules",
        "`intake/rules/`",
        "Mode `shadow` only looks, `warn` accepts with a warning, `enforce` gives the rule's verdict.",
        table(("rule", "mode", "verdict", "channels", "owner", "about"), rows),
    )


def commands_page() -> str:
    """Every command with its options, exit codes and example."""
    group = typer.main.get_command(cli.build())
    codes = inspect.getdoc(cli) or ""
    return page(
        "Commands",
        "`ordermend/commands/`",
        " ".join(codes[codes.index("Exit codes:") :].split()),
        *_commands("ordermend", group),
    )


def _commands(name: str, command: Any) -> Iterator[str]:
    children: Mapping[str, Any] = getattr(command, "commands", {})
    if not children:
        context = typer.Context(command)
        options = [(_code(what), _plain(text)) for what, text in (p.get_help_record(context) for p in command.params)]
        yield f"## {name}"
        yield _plain(inspect.cleandoc(command.help or ""))
        if options:
            yield table(("option", "meaning"), options)
        if command.epilog:
            yield f"Example: `{command.epilog.removeprefix('Example: ')}`"
    for child, inner in sorted(children.items()):
        yield from _commands(f"{name} {child}", inner)


PAGES: Final[Mapping[str, Callable[[], str]]] = MappingProxyType(
    {
        "channels.md": channels_page,
        "commands.md": commands_page,
        "field-locks.md": field_locks_page,
        "metrics.md": metrics_page,
        "operations.md": operations_page,
        "reason-codes.md": reason_codes_page,
        "rules.md": rules_page,
        "settings.md": settings_page,
        "topics.md": topics_page,
    }
)


def stale(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    """Return the names of pages that differ, are missing, or are nobody's any more."""
    there = {path.name: path.read_text("utf-8") for path in folder.glob("*.md")} if folder.is_dir() else {}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def main(arguments: Sequence[str] | None = None, folder: Path = REFERENCE) -> int:
    """Write the pages, or compare them; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ordermend.docs", description="Write docs/reference from the code.")
    parser.add_argument("--check", action="store_true", help="only compare; exit 1 naming the stale pages")
    check: bool = parser.parse_args(arguments).check
    wanted = {name: make() for name, make in PAGES.items()}
    changed = stale(folder, wanted)
    if check:
        for name in changed:
            typer.echo(f"docs/reference/{name} is stale: run `make docs` and commit it", err=True)
        return 1 if changed else 0
    folder.mkdir(parents=True, exist_ok=True)
    for name in changed:
        if name in wanted:
            (folder / name).write_text(wanted[name], "utf-8")
        else:
            (folder / name).unlink()
    typer.echo(f"docs/reference: {len(wanted)} pages, {len(changed)} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
