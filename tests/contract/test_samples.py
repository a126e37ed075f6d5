"""Real payloads of the channels, each against what a person worked out by hand (../shared/samples, not in this repository)."""

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest

from normalizers import discover
from normalizers.channel import Document
from normalizers.summary import summarize, summarize_failure
from ordermend.commands.normalize import judged
from schemas.failures import OrdermendError

SAMPLES = Path(os.environ.get("ORDERMEND_SAMPLES") or Path(__file__).parents[2].parent / "shared" / "samples")
EXPECTED = sorted(SAMPLES.glob("*/*.expected.json"))
REFUSED = ("dead_letter", "quarantine", "reject")

pytestmark = pytest.mark.skipif(not EXPECTED, reason=f"no samples in {SAMPLES} (set ORDERMEND_SAMPLES)")


def rules() -> Any:
    """The comparison that scores the samples: it lies beside them."""
    spec = importlib.util.spec_from_file_location("ordermend_score", SAMPLES / "score.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def inputs(path: Path, want: dict[str, Any]) -> list[Path]:
    if want.get("inputs"):
        return [path.parent / name for name in want["inputs"]]
    stem = path.name.removesuffix(".expected.json")
    return [file for file in path.parent.iterdir() if file.stem == stem and not file.name.endswith(".expected.json")]


@pytest.mark.parametrize("path", EXPECTED, ids=lambda path: f"{path.parent.name}/{path.name.removesuffix('.expected.json')}")
def test_a_sample_says_what_was_worked_out_by_hand(path: Path) -> None:
    want = json.loads(path.read_text())
    found = tuple(Document(file.read_bytes()) for file in inputs(path, want))
    try:
        got = summarize(judged(discover()[path.parent.name].normalize(found)))
    except OrdermendError as error:
        got = summarize_failure(error)
    assert got["verdict"] in want["verdict"].split("_or_")
    if got["verdict"] in REFUSED:
        return
    wants, gots = want.get("orders") or [want], got.get("orders") or [got]
    assert len(gots) == len(wants)
    compare = rules().compare
    wrong = [
        (key, want_value, value)
        for one, other in zip(wants, gots, strict=True)
        for key, _, right, want_value, value in compare(one, other)
        if not right
    ]
    assert wrong == []
