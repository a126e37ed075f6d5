"""Nothing that comes in is unpacked: what is compressed is refused as it is, by every channel, file and request, however large it would have become.

Kafka's own codecs are the broker's and the client's, within the size that a topic allows.
"""

import bz2
import gzip
import io
import lzma
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from normalizers import discover
from normalizers.channel import Document
from ordermend.catalogue_csv import CatalogueFileInvalid
from ordermend.catalogue_csv import read as read_catalogue
from ordermend.cli import WRONG_INPUT
from schemas.failures import OrdermendError

LARGE = b'{"id":1,"note":"' + b" " * (48 * 1024 * 1024) + b'"}'
"""Tens of megabytes, which each packing makes some ten thousand bytes of."""
MEBIBYTES = 8


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("order.json", content)
    return out.getvalue()


BOMBS = {
    ".gz": gzip.compress(LARGE, 6),
    ".zip": zipped(LARGE),
    ".zz": zlib.compress(LARGE),
    ".bz2": bz2.compress(LARGE, 1),
    ".xz": lzma.compress(LARGE, preset=0),
}


@pytest.mark.parametrize("packing", BOMBS)
@pytest.mark.parametrize("name", sorted(discover()))
def test_a_packed_document_is_refused_packed(name: str, packing: str) -> None:
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    tracemalloc.start()
    try:
        with pytest.raises(OrdermendError) as refused:
            discover()[name].normalize((Document(BOMBS[packing], headers),))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.value.field is not None
    assert peak < MEBIBYTES * 1024 * 1024


@pytest.mark.parametrize("packing", BOMBS)
def test_a_packed_catalogue_is_no_catalogue(packing: str) -> None:
    with pytest.raises(CatalogueFileInvalid):
        read_catalogue(BOMBS[packing], "products", f"products.csv{packing}")


PUT = ("--user", "ana", "--reason", "a test")
COMMANDS: dict[str, list[Any]] = {
    "normalize": ["normalize", "--channel", "shopify", Path],
    "rules": ["rules", "set", Path, *PUT],
    "edit-rules": ["edit-rules", "set", Path, *PUT],
    "approvals": ["approvals", "set", Path, *PUT],
}


@pytest.mark.parametrize(
    ("command", "packing"), [("normalize", ".gz"), ("normalize", ".zip"), ("rules", ".gz"), ("edit-rules", ".zip"), ("approvals", ".gz")]
)
def test_a_packed_file_is_refused_in_one_line(tmp_path: Path, command: str, packing: str) -> None:
    file = tmp_path / f"given{packing}"
    file.write_bytes(BOMBS[packing])
    words = [str(file) if word is Path else word for word in COMMANDS[command]]
    ran = subprocess.run([sys.executable, "-m", "ordermend", *words], capture_output=True, text=True, check=False)
    assert WRONG_INPUT == ran.returncode, ran.stderr
    assert 1 == len(ran.stderr.splitlines()), ran.stderr
    assert "Traceback" not in ran.stderr
