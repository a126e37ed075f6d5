from pathlib import Path

import pytest

from ordermend import settings
from ordermend.settings import Settings
from schemas.failures import SettingsInvalid

NAMES = [str(field.validation_alias) for field in Settings.model_fields.values()]


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_nothing_set_gives_the_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "")
    found = settings.load()
    assert (tmp_path / ".ordermend", tmp_path / ".ordermend/cache", tmp_path / ".ordermend/keys") == (
        found.home,
        found.cache_dir,
        found.keys_dir,
    )
    assert (
        found.kafka_bootstrap_servers,
        found.migration_url,
        found.db_schema,
        found.topic_prefix,
        found.log_level,
    ) == (None, None, "ordermend", "", "INFO")


def test_every_bad_value_is_listed_in_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {
        "KAFKA_BOOTSTRAP_SERVERS": "nowhere",
        "DATABASE_URL": "mysql://root:hunter2@db/x",
        "ORDERMEND_LOG_LEVEL": "LOUD",
        "ORDERMEND_DB_SCHEMA": "Robert'); drop",
        "ORDERMEND_TOPIC_PREFIX": "a b",
        "ORDERMEND_ISSUER_URL": "ftp://x",
    }
    for name, value in bad.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid) as failure:
        settings.load()
    assert failure.value.message.startswith("6 settings are not usable: ")
    assert all(name in failure.value.message for name in bad)
    assert "hunter2" not in failure.value.message
    assert "\n" not in failure.value.message


def test_the_owner_address_falls_back_to_the_applications(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://u:p@h:1/d")
    assert settings.load().migration_url == "postgresql://u:p@h:1/d"
    assert "u:p" not in repr(settings.load())


def test_every_setting_says_what_it_is_for() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_variables_of_others_are_not_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields:
        monkeypatch.setenv(field.upper(), "/elsewhere")
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS")
    monkeypatch.delenv("DATABASE_URL")
    assert settings.load() == Settings(home=tmp_path / ".ordermend")
