"""Documents that have killed or stalled parsers, through every channel: each is refused with a field, a rule and a class, or read.

None takes 2 s of processor time or adds 64 MiB, and nothing but an `OrdermendError` is ever raised. A fresh process per channel
reads them one after the other; the system's own counters say what each cost.
"""

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from normalizers import discover
from normalizers.channel import Document
from normalizers.summary import summarize
from schemas.failures import OrdermendError

FIXTURES = Path(__file__).parents[1] / "fixtures" / "channels"
CPU_SECONDS, MEBIBYTES = 2.0, 64
MAX_RAW = 5 * 1024 * 1024

TOKENS = (
    "1e3000000", "-1e3000000", "1e-3000000", "1E400", "9" * 5_000, "0." + "9" * 5_000, "18446744073709551616", "NaN", "Infinity", "1_0", "01",
    "0x10", "--1", '"1_0"', '"1e3000000"', '"' + "9" * 5_000 + '"', '"0.' + "0" * 5_000 + '1"', '"\\u0000"', '"\\ud800"', '"\\udfff\\ud800"',
    '"' + "\\u0301" * 5_000 + '"', '"\\u202e"', "[" * 1_000 + "]" * 1_000, '{"a":' * 1_000 + "1" + "}" * 1_000, "[" + "{}," * 20_000 + "{}]",
)  # fmt: skip
"""What may stand in the place of any value of a JSON document."""

ANY = {
    "empty": b"",
    "blanks": b" " * 1_000_000,
    "nul": b"\0" * 1_000,
    "utf16": "{}".encode("utf-16"),
    "lone_bytes": b"\xff\xfe\xfd" * 1_000,
    "too_large": b"x" * (MAX_RAW + 1),
    "deep_lists": b"[" * 1_000_000,
    "deep_objects": b'{"a":' * 500_000,
    "deep_and_closed": b"[" * 100_000 + b"]" * 100_000,
    "open_string": b'"' + b"a" * 4_000_000,
    "backslashes": b'"' + b"\\" * 4_000_000,
    "many_keys": b"{" + b",".join(b'"%d":1' % number for number in range(200_000)) + b"}",
    "many_rows": b"[" + b",".join([b"{}"] * 500_000) + b"]",
    "gzip_bomb": b"\x1f\x8b\x08\x00" + b"\x00" * 100_000,
    "zip": b"PK\x03\x04" + b"\x00" * 100_000,
    "deep_xml": b"<a>" * 300_000,
    "wide_xml": b"<a>" + b"<b/>" * 900_000 + b"</a>",
    "attributes": b"<a " + b" ".join(b'a%d="1"' % number for number in range(200_000)) + b"/>",
    "isa_alone": b"ISA",
    "isa_of_separators": b"ISA" + b"*" * 2_000_000,
    "segments": b"ISA*00*          *00*          *ZZ*A              *ZZ*B              *261101*1200*U*00401*000000001*0*P*>~"
    + b"PO1~" * 600_000,
    "una_of_releases": b"UNA:+.? '" + b"?" * 2_000_000,
    "unb_of_segments": b"UNA:+.? 'UNB+UNOC:3+A+B+261101:1200+1'" + b"LIN+1'" * 500_000,
    "elements": b"UNA:+.? 'UNB" + b"+:" * 1_000_000 + b"'",
    "csv_of_quotes": b"order_id,sku\n" + b'"' * 2_000_000,
    "csv_of_columns": b"," * 2_000_000 + b"\n" + b"," * 2_000_000,
}
"""Whole documents; each goes to every channel, whatever its format."""


def documents(name: str) -> Iterator[tuple[str, bytes]]:
    """Return each hostile document of a channel, named."""
    yield from ANY.items()
    paths = sorted((FIXTURES / name).glob("*.raw.json"))
    for path in paths[:1]:
        value = json.loads(path.read_text())
        for container, key in _values(value):
            kept, container[key] = container[key], "\0here"
            text = json.dumps(value).replace('"\\u0000here"', "%s", 1)
            container[key] = kept
            before, _, after = text.partition("%s")
            for number, token in enumerate(TOKENS):
                yield f"{path.name}:{key}:{number}", f"{before}{token}{after}".encode()


def _values(value: Any) -> list[tuple[Any, Any]]:
    """Return some dozen places of a document, spread over it."""
    found, stack = [], [value]
    while stack:
        item = stack.pop()
        keys: Any = list(item) if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ()
        found += [(item, key) for key in keys]
        stack += [item[key] for key in keys]
    return found[:: max(len(found) // 12, 1)]


def refused_or_read(name: str, body: bytes) -> str:
    """Return `read`, or the rule it was refused by; raise what else happens."""
    try:
        results = discover()[name].normalize((Document(body),))
    except OrdermendError as error:
        return "RAISED without a field" if error.field is None else error.rule or error.code
    json.dumps(summarize(results), default=str)
    return "read"


@pytest.mark.parametrize("name", sorted(discover()))
def test_what_killed_parsers_stops_no_channel(name: str) -> None:
    program = textwrap.dedent(
        f"""
        import resource, sys
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from tests.contract.test_what_killed_parsers_stops_no_channel import documents, refused_or_read
        refused_or_read({name!r}, b"<a/>")
        bodies = list(documents({name!r}))
        for what, body in bodies:
            start = resource.getrusage(resource.RUSAGE_SELF)
            try:
                word = refused_or_read({name!r}, body)
            except Exception as error:
                word = "RAISED " + type(error).__name__
            end = resource.getrusage(resource.RUSAGE_SELF)
            seconds = end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime
            print(what, word.replace(" ", "_"), seconds, (end.ru_maxrss - start.ru_maxrss) // 1024)
        """
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    measured = [line.rsplit(" ", 3) for line in run.stdout.splitlines()]
    assert len(measured) >= len(ANY)
    assert [row for row in measured if row[1].startswith("RAISED") or float(row[2]) >= CPU_SECONDS or int(row[3]) >= MEBIBYTES] == []
    assert all(row[1] != "read" for row in measured if row[0] in ANY), [row for row in measured if row[0] in ANY and row[1] == "read"]
