"""The packages on disk, in the wheel and in the import contract are the same, and come from this checkout."""

import importlib
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = sorted(init.parent.name for init in ROOT.glob("*/__init__.py"))


def test_packages_wheel_and_import_contract_agree() -> None:
    assert sorted(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == PACKAGES
    assert sorted(PROJECT["tool"]["importlinter"]["root_packages"]) == PACKAGES


@pytest.mark.parametrize("package", PACKAGES)
def test_package_is_imported_from_this_checkout(package: str) -> None:
    assert str(ROOT / package / "__init__.py") == importlib.import_module(package).__file__
