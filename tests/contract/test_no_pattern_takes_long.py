"""Every regular expression of the code, over texts made to be slow for it: each text of 100 KB takes 50 ms of processor time at most.

The patterns are found in the source; the texts are made from each pattern's own parts: what stands before a repetition, then a
hundred thousand characters that the repetition takes, then one that ends every match. A child process does the matching, for a match
that backtracks for ever cannot be interrupted.
"""

import ast
import json
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import sre_constants as op
    import sre_parse

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "schemas", "telemetry", "normalizers", "streaming", "store", "intake", "modification_processor", "dlq_handler", "console", "ordermend",
)  # fmt: skip
ACTS = frozenset({"match", "fullmatch", "search", "sub", "split", "findall", "finditer"})
PUT_IN = {"tag": r"(?=[A-Z][A-Z0-9]{2}\+)", "between": r"[\r\n]*", "NAME": "ordermend_demo_"}
"""What variables stand for inside a pattern."""
SIZE = 100_000
CPU_SECONDS = 0.05
DEADLINE_SECONDS = 240.0

CHILD = """
import json, re, sys, time
for line in sys.stdin.buffer:
    source, flags, act, texts = json.loads(line)
    print(json.dumps(source), flush=True)
    pattern = re.compile(source, flags)
    def run(text):
        act_of = getattr(pattern, act)
        found = act_of("", text) if act == "sub" else act_of(text)
        if act == "finditer":
            list(found)
    for before, part, after in texts:
        for size in (1_000, 10_000, SIZE):
            text = before + part * (size // max(len(part), 1)) + after
            best = 1e9
            for _ in range(3):  # the least of three: what else the machine does never makes one faster
                started = time.process_time()
                run(text)
                best = min(best, time.process_time() - started)
                if best <= LIMIT:
                    break
            if best > LIMIT:
                print(json.dumps({"slow": [source, act, before, part, after, size, best]}), flush=True)
                break
"""


@dataclass(frozen=True)
class Pattern:
    """A pattern, its flags, how it is asked, and where it stands."""

    source: str
    flags: int
    act: str
    where: str


def patterns() -> list[Pattern]:
    """Return every pattern written in the packages, once for each way it is asked; all ways where nobody can tell."""
    trees = {path: ast.parse(path.read_text()) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    asked: dict[str, set[str]] = {}
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in ACTS and isinstance(node.value, ast.Name):
                asked.setdefault(node.value.id, set()).add(node.attr)
    return [found for path, tree in trees.items() for found in _in(tree, str(path.relative_to(ROOT)), asked)]


def _in(tree: ast.AST, path: str, asked: dict[str, set[str]]) -> Iterator[Pattern]:
    names = {
        id(node.value): target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)):
            continue
        if node.func.value.id != "re" or node.func.attr not in ACTS | {"compile"}:
            continue
        text = _written(node.args[0], f"{path}:{node.lineno}")
        acts = {node.func.attr} if node.func.attr != "compile" else asked.get(names.get(id(node), ""), set(ACTS))
        for act in sorted(acts):
            yield Pattern(text, _flags(node), act, f"{path}:{node.lineno}")


def _written(node: ast.expr, where: str) -> str:
    """Return the pattern; of one that is put together, with what usually stands in its place."""
    if isinstance(node, ast.Constant):
        return node.value.decode("latin-1") if isinstance(node.value, bytes) else str(node.value)
    if isinstance(node, ast.BinOp):
        return _written(node.left, where) + _written(node.right, where)
    if isinstance(node, ast.JoinedStr):
        return "".join(_written(part, where) for part in node.values)
    if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Call):
        return r"\'"  # re.escape of a service character
    name = node.value if isinstance(node, ast.FormattedValue) else node
    assert isinstance(name, ast.Name), f"{where}: what of this pattern is put in?"
    return PUT_IN[name.id]


def _flags(call: ast.Call) -> int:
    names = {node.attr for argument in [*call.args[1:], *call.keywords] for node in ast.walk(argument) if isinstance(node, ast.Attribute)}
    return int(sum(getattr(re, name) for name in names if isinstance(getattr(re, name, None), re.RegexFlag)))


def texts(source: str, flags: int) -> list[tuple[str, str, str]]:
    """Return (before, what is repeated, after) for each repetition in a pattern, and some that suit no pattern in particular."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        parsed: Any = sre_parse.parse(source, flags)
    found = [("", part, end) for part in ("a", "0", " ", "\t\n", "-", ".", "a ", "0.", '"', "\\", "é", "x@") for end in ("", "!", "\x00")]
    for before, part in _repeated(list(parsed), ""):
        found += [(before, part, end) for end in ("", "!", "\x00", part + "~")]
    return found


def _repeated(items: list[Any], before: str) -> Iterator[tuple[str, str]]:
    for kind, argument in items:
        if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            inner = list(argument[2])
            yield before, _sample(inner) or "a"
            yield from _repeated(inner, before)
        elif kind is op.SUBPATTERN:
            yield from _repeated(list(argument[3]), before)
        elif kind is op.BRANCH:
            for branch in argument[1]:
                yield from _repeated(list(branch), before)
        elif kind in (op.ASSERT, op.ASSERT_NOT):
            yield from _repeated(list(argument[1]), before)
        before += _sample([(kind, argument)])


def _sample(items: list[Any]) -> str:
    """Return a text that these parts match, as far as that is easily said."""
    return "".join(_one(kind, argument) for kind, argument in items)


def _one(kind: Any, argument: Any) -> str:
    if kind is op.LITERAL:
        return chr(argument)
    if kind is op.ANY:
        return "a"
    if kind is op.NOT_LITERAL:
        return "a" if chr(argument) != "a" else "b"
    if kind is op.IN:
        return _member(argument)
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
        return _sample(list(argument[2])) * max(int(argument[0]), 1 if int(argument[1]) else 0)
    if kind is op.SUBPATTERN:
        return _sample(list(argument[3]))
    if kind is op.BRANCH:
        return _sample(list(argument[1][0]))
    return ""


def _member(options: list[Any]) -> str:
    classes = {
        op.CATEGORY_DIGIT: "0",
        op.CATEGORY_SPACE: " ",
        op.CATEGORY_WORD: "a",
        op.CATEGORY_NOT_SPACE: "a",
        op.CATEGORY_NOT_DIGIT: "a",
    }
    if options and options[0][0] is op.NEGATE:
        taken = {chr(value) for kind, value in options if kind is op.LITERAL}
        return next(char for char in "a0 -x." if char not in taken)
    kind, value = options[0]
    if kind is op.LITERAL:
        return chr(value)
    if kind is op.RANGE:
        return chr(value[0])
    return classes.get(value, "-")


def slow(found: list[Pattern], deadline: float = DEADLINE_SECONDS) -> list[str]:
    """Run every pattern over its texts in a child; return what took too long, or what it hung in."""
    work = b"".join(json.dumps((each.source, each.flags, each.act, texts(each.source, each.flags))).encode() + b"\n" for each in found)
    program = CHILD.replace("SIZE", str(SIZE)).replace("LIMIT", str(CPU_SECONDS))
    try:
        done = subprocess.run([sys.executable, "-c", program], input=work, capture_output=True, timeout=deadline, check=True)
    except subprocess.TimeoutExpired as hung:
        last = (hung.stdout or b"").splitlines()[-1:]
        return [f"hangs: {b''.join(last).decode()}"]
    return [line for line in done.stdout.decode().splitlines() if line.startswith('{"slow"')]


def test_no_pattern_of_the_code_takes_long_over_any_text() -> None:
    found = patterns()
    assert len(found) > 40, "the patterns are not found any more"
    assert [] == slow(found)


@pytest.mark.parametrize(("source", "act"), [(r"(a+)+$", "match"), (r"\s+$", "search"), (r"(x|xx)*!", "fullmatch")])
def test_a_slow_pattern_is_found(source: str, act: str) -> None:
    assert slow([Pattern(source, 0, act, "here")], deadline=10.0)
