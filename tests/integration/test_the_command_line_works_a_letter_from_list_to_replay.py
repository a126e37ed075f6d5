"""An operator with nothing but the command line: finds a letter, sees why, repairs, rehearses, sends it back; errors are one line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ordermend import cli
from tests.conftest import Eventually
from tests.line import Line, shopify_order

Run = Callable[..., tuple[int, str, str]]
SEE = ("--role", "DLQ_Operate", "--role", "DLQ_Payload")
REPAIR = ("--role", "DLQ_Operate", "--role", "Order_Modify")


@pytest.fixture
def run(line: Line, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    here = line.settings
    for name, value in (
        ("KAFKA_BOOTSTRAP_SERVERS", here.kafka_bootstrap_servers),
        ("DATABASE_URL", here.database_url),
        ("ORDERMEND_HOME", here.home),
        ("ORDERMEND_KEYS_DIR", here.keys_dir),
        ("ORDERMEND_TOPIC_PREFIX", here.topic_prefix),
        ("ORDERMEND_DB_SCHEMA", here.db_schema),
        ("ORDERMEND_ISSUER_URL", "http://127.0.0.1:9"),
    ):
        monkeypatch.setenv(name, str(value))

    def letters(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr("sys.argv", ["ordermend", "letters", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return letters


def refused(answer: tuple[int, str, str], code: int, words: str) -> None:
    """One line that says why, and nothing else."""
    assert (code, "") == answer[:2]
    assert words in answer[2]
    assert 1 == len(answer[2].splitlines())


def test_a_letter_from_list_to_replay(line: Line, run: Run, eventually: Eventually, tmp_path: Path) -> None:
    good = shopify_order(7100)
    line.send_raw(good[:-1], key=b"7100")
    eventually(lambda: line.one("select count(*) from dead_letter where scored_at is not null") == 1, what="the letter, scored")

    (listed,) = json.loads(run("list", "--json")[1])
    letter = listed["letter_id"]
    assert {"money", "deadline", "followers", "group", "growth", "tier"} == set(listed["parts"])
    assert [1] == [group["letters"] for group in json.loads(run("groups", "--json")[1])]
    assert [] == json.loads(run("list", "--json", "--channel", "ebay")[1])
    assert [] == json.loads(run("list", "--json", "--after", letter)[1])
    shown = json.loads(run("show", letter)[1])
    assert shown["impact"]["score"] == listed["score"]
    assert "payload" not in shown

    assert "claimed by olga" in run("claim", letter, "--actor", "olga")[1]
    refused(run("claim", letter, "--actor", "otto"), 1, "claimed by olga until")
    refused(run("claim", letter, "--actor", "ana", "--role", "Order_Modify"), 1, "ana lacks the role DLQ_Operate")
    refused(run("edit", letter, "--actor", "olga"), 1, "olga lacks the role DLQ_Payload")
    assert good[:-1].decode() == json.loads(run("edit", letter, "--actor", "olga", *SEE)[1])["document"]["body"]
    fix, bad = tmp_path / "fix.json", tmp_path / "bad.json"
    fix.write_text(json.dumps([{"op": "replace", "path": "/body", "value": good.decode()}]))
    bad.write_text("[{]")
    refused(run("edit", letter, "--actor", "olga", *REPAIR, "--patch", bad), 2, "the patch is no JSON")
    refused(run("edit", letter, "--actor", "olga", "--patch", fix), 1, "olga lacks the role Order_Modify")
    assert "patch kept until" in run("edit", letter, "--actor", "olga", *REPAIR, "--patch", fix)[1]
    assert "accepted  25.50 GBP" in run("dry-run", letter, "--actor", "olga")[1]
    assert 0 == line.one("select count(*) from orders")
    assert "was put on" in run("replay", letter, "--actor", "olga", *REPAIR)[1]
    eventually(lambda: line.one("select count(*) from orders") == 1, what="the order in the book")
    refused(run("replay", letter, "--actor", "otto"), 1, "is resent: replayed by olga")
    assert {("olga",), ("ana",)} == set(line.rows("select distinct actor from audit"))
    assert () == line.findings()


def test_a_discard_and_a_bulk_replay(line: Line, run: Run, eventually: Eventually) -> None:
    for number in range(3):
        line.send_raw(b"{cut short", key=str(7200 + number).encode())
    eventually(lambda: line.one("select count(*) from dead_letter") == 3, what="the letters")
    letter, fingerprint = line.rows("select letter_id, fingerprint from dead_letter")[0]
    assert "discarded: nobody's" in run("discard", letter, "--actor", "olga", "--reason", "nobody's")[1]
    refused(run("bulk-replay", "v2-none", "--actor", "olga"), 1, "no unresolved letter has the fingerprint")
    refused(run("bulk-replay", "--actor", "olga"), 2, "name a FINGERPRINT")
    # Sent back as they are they fail again, as letters of their own: the canary is enough to stop it.
    code, said, _ = run("bulk-replay", fingerprint, "--actor", "olga")
    assert 1 == code
    assert "stopped: 1 frozen, 1 failed (1 of 1 failed, more than 10 %)" in said.splitlines()[-1]
    assert () == line.findings()
