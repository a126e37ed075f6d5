"""Why a document was refused is kept in clear, so it names the place and the rule, and never what stood there; the value goes beside it, sealed.

Each text of each fixture is replaced by a canary, in every channel: no message of a refusal has it in it, nor has the place.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from normalizers import discover
from normalizers.channel import Document, Unreadable
from schemas.failures import OrdermendError
from tests.mutants import json_in, places, with_json

ROOT = Path(__file__).parents[1] / "fixtures" / "channels"
CANARY = "canary7"
VALUES = {
    b"<": re.compile(rb">([^<>]+)<|(?<!version)(?<!encoding)=\"([^\"]*)\""),
    b"I": re.compile(rb"(?<=\*)([^*~]+)(?=[*~])"),
    b"U": re.compile(rb"(?<=[+:])([^+:']+)(?=[+:'])"),
    b"o": re.compile(rb"(?<=[;\n])([^;\n]+)(?=[;\n])"),
}
"""What stands for a value, by how a document begins: XML, X12, EDIFACT, our own CSV."""
CASES = sorted({(path.parent.name, path.name.partition(".")[0]) for path in ROOT.glob("*/*.raw.*")})


def bodies(case: tuple[str, str]) -> list[bytes]:
    return [path.read_bytes() for path in sorted((ROOT / case[0]).glob(f"{case[1]}.*raw.*"))]


def planted(body: bytes) -> Iterator[bytes]:
    """The document with each of its values replaced by a canary, one at a time."""
    for index, part in enumerate(json_in(body)):
        for number in range(len(places(json.loads(part)))):
            value = json.loads(part)
            container, key = places(value)[number]
            if not isinstance(container[key], dict | list):
                container[key] = CANARY
                yield with_json(body, index, json.dumps(value).encode())
    if json_in(body):
        return
    for start, end in [match.span(match.lastindex or 0) for match in VALUES[body[:1]].finditer(body)]:
        if body[start:end].strip():
            yield body[:start] + CANARY.encode() + body[end:]


@pytest.mark.parametrize("case", CASES, ids="/".join)
def test_no_refusal_says_what_stood_there(case: tuple[str, str]) -> None:
    found = bodies(case)
    tried = 0
    for index, body in enumerate(found):
        for changed in planted(body):
            tried += 1
            documents = tuple(Document(changed if n == index else other) for n, other in enumerate(found))
            said = refusals(case[0], documents)
            assert not [text for text in said if CANARY in text]
    assert tried


def refusals(name: str, documents: tuple[Document, ...]) -> list[str]:
    try:
        results = discover()[name].normalize(documents)
    except OrdermendError as error:
        return [error.message]
    return [finding.message for result in results if isinstance(result, Unreadable) for finding in result.findings]
