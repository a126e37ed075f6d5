"""Sealed values open only in their place and with their key; deleting the key is erasing."""

from pathlib import Path
from uuid import uuid4

import pytest

from schemas.failures import KeysMissing
from store.sealing import KeyVault, Unsealable


def test_a_sealed_value_opens_in_its_place_only(tmp_path: Path) -> None:
    KeyVault.make(tmp_path)
    vault = KeyVault.load(tmp_path)
    mine, other = vault.create(uuid4()), vault.create(uuid4())
    sealed = mine.seal(b"1 High Street", "/ship_to/lines")
    assert b"High" not in sealed
    assert b"1 High Street" == vault.unwrap(mine.order_id, mine.wrapped).open(sealed, "/ship_to/lines")
    for key, place, value in (
        (mine, "/bill_to/lines", sealed),
        (other, "/ship_to/lines", sealed),
        (mine, "/ship_to/lines", sealed[:-1] + bytes([sealed[-1] ^ 1])),
    ):
        with pytest.raises(Unsealable):
            key.open(value, place)


def test_another_master_key_opens_nothing(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        KeyVault.make(tmp_path / folder)
    key = KeyVault.load(tmp_path / "a").create(uuid4())
    with pytest.raises(Unsealable):
        KeyVault.load(tmp_path / "b").unwrap(key.order_id, key.wrapped)


def test_the_master_key_is_private_and_made_once(tmp_path: Path) -> None:
    KeyVault.make(tmp_path)
    first = (tmp_path / "master.key").read_bytes()
    KeyVault.make(tmp_path)
    assert first == (tmp_path / "master.key").read_bytes()
    assert 0o600 == (tmp_path / "master.key").stat().st_mode & 0o777


def test_a_missing_master_key_is_never_made_in_silence(tmp_path: Path) -> None:
    with pytest.raises(KeysMissing):
        KeyVault.load(tmp_path)
    assert [] == list(tmp_path.iterdir())
