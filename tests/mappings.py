"""What each channel's mapping makes of the channel's own fixtures, recorded beside them as digests with its version (`mapping.toml`).

A mapping that reads a document otherwise without saying so cannot be applied to what is stored: `ordermend remap` compares by version. So a changed
digest asks for a raised `MAPPING` in the channel's module; a new fixture asks for nothing but to be recorded.
"""

import tomllib
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from normalizers import discover
from normalizers.channel import Document, StatedOrder
from schemas.failures import OrdermendError

FIXTURES = Path(__file__).parent / "fixtures" / "channels"
RECORD = "mapping.toml"
WRITE = 'run `ORDERMEND_WRITE_FIXTURES=1 make test-unit ARGS="-k mapping"`'


class Mapping(NamedTuple):
    """A channel's mapping: its version, and what it makes of each case."""

    version: int
    cases: dict[str, str]


def recorded(name: str) -> Mapping | None:
    """Return what was recorded of a channel."""
    path = FIXTURES / name / RECORD
    if not path.exists():
        return None
    found = tomllib.loads(path.read_text("utf-8"))
    return Mapping(found["version"], found["cases"])


def record(name: str, now: Mapping) -> None:
    """Record what a channel's mapping makes of the fixtures now."""
    cases = "".join(f'{case} = "{digest}"\n' for case, digest in now.cases.items())
    (FIXTURES / name / RECORD).write_text(f"version = {now.version}\n\n[cases]\n{cases}", "utf-8")


def today(name: str) -> Mapping:
    """Return what a channel's mapping makes of the fixtures now."""
    return Mapping(discover()[name].mapping_version, _cases(name))


def _cases(name: str) -> dict[str, str]:
    cases = sorted({path.name.split(".", maxsplit=1)[0] for path in (FIXTURES / name).glob("*.raw.*")})
    return {
        case: _digest(name, tuple(Document(path.read_bytes()) for path in sorted((FIXTURES / name).glob(f"{case}.*raw.*"))))
        for case in cases
    }


def _digest(name: str, documents: tuple[Document, ...]) -> str:
    """Return a digest of what is read: orders without what is at its default, so that a new field of the order changes none."""
    try:
        results = discover()[name].normalize(documents)
    except OrdermendError as error:
        return sha256(f"{error.code} {error.field}".encode()).hexdigest()[:16]
    told = "\n".join(_told(result) for result in results)
    return sha256(told.encode()).hexdigest()[:16]


def _told(result: object) -> str:
    if not isinstance(result, StatedOrder):
        return repr(result)
    order = result.order.with_(source=result.order.source.with_(mapping_version=1))
    states = (result.event, result.payment, result.fulfillment, result.cancelled_at, result.cancel_requested, result.verdict)
    return f"{order.model_dump_json(exclude_defaults=True)} {states} {result.findings}"


def unsaid(name: str, was: Mapping | None, now: Mapping) -> str | None:
    """Return why a channel's mapping may not be recorded as it is: it reads otherwise and does not say so."""
    if was is None or now.version > was.version:
        return None
    if now.version < was.version:
        return f"{name}: mapping {now.version} is older than {was.version}, which was recorded"
    changed = sorted(case for case, digest in now.cases.items() if was.cases.get(case, digest) != digest)
    if not changed:
        return None
    wanted = f"set MAPPING = {was.version + 1} in normalizers/{name}.py, then {WRITE}"
    return f"{name}: {', '.join(changed)} are read otherwise than mapping {was.version} reads them: {wanted}"


def unrecorded(name: str, was: Mapping | None, now: Mapping) -> str | None:
    """Return what has to be recorded."""
    return None if was == now else f"{name}: its version or its fixtures are not recorded in {RECORD}: {WRITE}"
