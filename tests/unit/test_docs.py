"""The documents point at what exists, and the generated pages tell of everything the code has."""

import ast
import re
from pathlib import Path

import pytest

from intake.rules import discover as rules
from modification_processor.operations import discover as operations
from normalizers import discover as channels
from ordermend import bootstrap, docs
from ordermend.settings import Settings
from schemas import failures
from telemetry.metrics import registered

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(init.parent for init in ROOT.glob("*/__init__.py"))
MODULES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))
HOWTOS = sorted((ROOT / "docs" / "howto").glob("*.md"))
NOT_WRITTEN_YET = {"intake/webhook.py", "console"}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(path: Path) -> set[str]:
    """The fragments that headings give, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_says_what_it_decides(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text()))
    assert text is not None
    assert len(text) >= 10, f"the docstring of {name(path)} says nothing: {text!r}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_point_to_files_and_headings(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        assert "://" not in link, f"{name(path)} links out of the project: {link}"
        target, _, fragment = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), f"{name(path)} links to {link}"
        if fragment:
            assert fragment in anchors(file), f"{name(path)} links to {link}"


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path.parent.name != "reference"], ids=name)
def test_files_named_in_the_text_exist(path: Path) -> None:
    named = set(re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|toml|yaml|md|txt))`", path.read_text())) - NOT_WRITTEN_YET
    assert set() == {file for file in named if not (ROOT / file).exists() and not (path.parent / file).exists()}


@pytest.mark.parametrize("path", DECISIONS, ids=name)
def test_a_decision_has_context_decision_cost_and_rules(path: Path) -> None:
    text = path.read_text()
    assert ["Context", "Decision", "Cost", "Rules that keep it true"] == re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert re.match(r"\d{4}-[a-z0-9-]+\.md$", path.name)
    assert text.startswith(f"# {int(path.name[:4])}. ")


def test_decisions_are_numbered_without_gaps() -> None:
    assert list(range(1, len(DECISIONS) + 1)) == [int(path.name[:4]) for path in DECISIONS]


@pytest.mark.parametrize("path", HOWTOS, ids=name)
def test_a_how_to_fits_on_a_screen(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 40


def test_the_generated_pages_tell_of_everything() -> None:
    expected = {
        "metrics.md": set(registered()),
        "topics.md": {topic.name for topic in bootstrap.all_topics()},
        "settings.md": {str(field.validation_alias) for field in Settings.model_fields.values()},
        "operations.md": set(operations()),
        "channels.md": set(channels()),
        "rules.md": {rule.name for rule in rules()},
        "reason-codes.md": {
            error.code
            for error in vars(failures).values()
            if isinstance(error, type) and issubclass(error, failures.OrdermendError) and error is not failures.OrdermendError
        },
    }
    for page, words in expected.items():
        text = docs.PAGES[page]()
        assert set() == {word for word in words if f"`{word}`" not in text}, page


def test_pages_are_the_same_whenever_they_are_written() -> None:
    for page, make in docs.PAGES.items():
        assert make() == make(), page


def test_check_names_what_is_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == docs.main([], tmp_path)
    assert 0 == docs.main(["--check"], tmp_path)
    (tmp_path / "metrics.md").write_text("old")
    (tmp_path / "topics.md").unlink()
    (tmp_path / "gone.md").write_text("nobody's")
    capsys.readouterr()
    assert 1 == docs.main(["--check"], tmp_path)
    said = capsys.readouterr().err
    assert ["gone.md", "metrics.md", "topics.md"] == re.findall(r"docs/reference/([\w-]+\.md) is stale", said)
    assert 0 == docs.main([], tmp_path)
    assert sorted(docs.PAGES) == sorted(path.name for path in tmp_path.iterdir())
