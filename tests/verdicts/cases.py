"""The labelled cases of a channel: its document, one fatal or holding defect or none, and up to three harmless ones, by a seed.

Keeps:   the same seed gives the same bytes; the label is the gravest of the defects' labels, whatever the code under test says.
"""

import random
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from tests.verdicts.defects import FATAL, HARMLESS, HOLDING, Defect, Label, Open
from tests.verdicts.wires import JsonDocument, Wire, read

HERE = Path(__file__).parent
FIXTURES = HERE.parent / "fixtures" / "channels"
SEED = "2026-11-28"
WIRE = "RFC 8259, RFC 7493, XML 1.0, ISO 9735 or X12.5, by the channel's wire"
LAST = frozenset({"keys_in_another_order", "byte_order_mark", "cut_off", "key_twice", "price_not_finite", "nul_in_a_text"})
"""They fix a document's bytes, so they come after every change of values, and one at a time."""


@dataclass(frozen=True)
class Case:
    """A labelled payload. `again` is the seed that makes it again, `reason` what the label stands on."""

    channel: str
    again: str
    defects: tuple[str, ...]
    bodies: tuple[bytes, ...]
    label: Label
    reason: str


@cache
def channels() -> Mapping[str, Mapping[str, Any]]:
    """Return what `channels.toml` says."""
    return tomllib.loads((HERE / "channels.toml").read_text(encoding="utf-8"))


def harmless(name: str, count: int) -> Iterator[Case]:
    """Yield cases that must be taken: each has one to three harmless defects, the first of them in turn."""
    rows = _applicable(HARMLESS, channels()[name])
    for number in range(count):
        yield _case(name, f"harmless:{number}", rows[number % len(rows)], rows)


def grave(name: str, count: int) -> Iterator[Case]:
    """Yield cases that must be held or refused: one such defect in turn, up to two harmless ones beside it."""
    channel = channels()[name]
    rows, beside = _applicable((*HOLDING, *FATAL), channel), _applicable(HARMLESS, channel)
    for number in range(count):
        yield _case(name, f"grave:{number}", rows[number % len(rows)], beside)


def _applicable(table: tuple[Defect, ...], channel: Mapping[str, Any]) -> list[Defect]:
    places = channel["places"]
    return [row for row in table if set(row.needs) <= set(places) and row.only(channel)]


def _case(name: str, number: str, first: Defect, others: list[Defect]) -> Case:
    again = f"{SEED}:{name}:{number}"
    chance = random.Random(again)
    channel = channels()[name]
    chosen = [first]
    for other in chance.sample(others, k=min(len(others), chance.randint(0, 2))):
        if other not in chosen and not any(_meet(other, one) for one in chosen):
            chosen.append(other)
    chosen.sort(key=lambda row: row.name in LAST)
    case = Open(_documents(channel), channel["places"])
    for row in chosen:
        row.apply(case, chance)
    return Case(
        channel.get("channel", name), again, tuple(row.name for row in chosen), tuple(case.written()), first.label, _reason(first, channel)
    )


def _meet(one: Defect, other: Defect) -> bool:
    """Whether two defects change the same place, or both fix the bytes, so that one would undo the other."""
    taken = {"order_id": {"reference"}, "address": {"name", "street", "second_line", "city", "postal_code", "country", "phone", "extra"}}
    places = [set(row.needs) | {inner for need in row.needs for inner in taken.get(need, ())} for row in (one, other)]
    texts = {"name", "street", "city", "postal_code"}
    if {one.name, other.name} & {"another_address", "blanks_around"}:
        places = [found | texts if "city" in found else found for found in places]
    if {"lines", "quantities"} & (places[0] | places[1]) and {"extra", "sku", "item_name", "quantity", "price"} & (places[0] | places[1]):
        return True
    return bool(places[0] & places[1]) or (one.name in LAST and other.name in LAST)


def _documents(channel: Mapping[str, Any]) -> list[Wire]:
    paths = [HERE / "documents" / file for file in channel["files"]]
    documents: list[Wire] = [
        read((path if path.exists() else FIXTURES / path.relative_to(HERE / "documents")).read_bytes()) for path in paths
    ]
    first = documents[0]
    for place in channel.get("drop", ()):
        assert isinstance(first, JsonDocument)
        first.drop(place)
    for place, value in channel.get("set", {}).items():
        first.change(place, partial(_instead, value))
    return documents


def _instead(value: object, _: object) -> object:
    return value


def _reason(defect: Defect, channel: Mapping[str, Any]) -> str:
    section = WIRE if defect.topic == "wire" else f"{channel['document']} (read {channel['read']}): {channel[defect.topic]}"
    return f"{defect.why}. {section}"
