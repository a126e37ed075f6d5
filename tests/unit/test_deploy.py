"""What operators apply names only what the code has: metrics, services, options, paths, topics, versions."""

import inspect
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from ordermend import bootstrap, dashboards
from ordermend.cli import build
from ordermend.commands.services import SERVICES
from ordermend.local.kafka_jars import KAFKA_VERSION
from ordermend.settings import Settings
from telemetry import health
from telemetry.metrics import registered

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
YAML = sorted(DEPLOY.rglob("*.yaml"))
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
RULES = DEPLOY / "alerts" / "ordermend.rules.yaml"
RUNBOOK = ROOT / "docs" / "runbook.md"
RULE_TESTS = DEPLOY / "alerts" / "ordermend.rules.test.yaml"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
MANIFESTS = [
    document for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")) for document in yaml.safe_load_all(path.read_text()) if document
]
ALERTS = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
HISTOGRAM_SUFFIXES = ("", "_bucket", "_sum", "_count")


def pods(value: Any) -> Iterator[dict[str, Any]]:
    """Every pod specification in a manifest."""
    if isinstance(value, dict):
        if "containers" in value:
            yield value
        for inner in value.values():
            yield from pods(inner)


PODS = [pod for manifest in MANIFESTS for pod in pods(manifest)]
CONTAINERS = [container for pod in PODS for container in (*pod["containers"], *pod.get("initContainers", ()))]
OURS = [service for service in COMPOSE["services"].values() if service["image"].startswith("ordermend:")]
CALLS = [container["args"] for container in CONTAINERS] + [service["command"] for service in OURS if "entrypoint" not in service]
UNIQUE_CALLS = sorted({tuple(call) for call in CALLS})


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_a_file_is_yaml(path: Path) -> None:
    assert [document for document in yaml.safe_load_all(path.read_text()) if document]


@pytest.mark.parametrize("path", [RULES, RULE_TESTS], ids=lambda path: path.name)
def test_every_metric_in_an_alert_exists(path: Path) -> None:
    known = {name + suffix for name in registered() for suffix in HISTOGRAM_SUFFIXES}
    expressions = " ".join(re.findall(r"\bordermend_[a-z_]+", path.read_text()))
    assert set() == set(expressions.split()) - known


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_an_alert_says_how_bad_it_is_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert {"summary", "action", "runbook"} == set(alert["annotations"])


def test_every_alert_has_its_section_in_the_runbook_and_no_section_is_left_over() -> None:
    named = {alert["annotations"]["runbook"] for alert in ALERTS}
    sections = re.findall(r"^## (Ordermend\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert {f"docs/{RUNBOOK.name}#{section.lower()}" for section in sections} == named
    assert sorted(alert["alert"] for alert in ALERTS) == sorted(sections)


def test_the_dashboards_are_those_the_code_describes() -> None:
    there = {path.name: path.read_text() for path in (DEPLOY / "dashboards").glob("*.json")}
    assert dashboards.written() == there
    for text in there.values():
        panels = json.loads(text)["panels"]
        places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
        assert len(panels) == len(places) == len({panel["id"] for panel in panels})
        assert all(panel["description"] and panel["targets"] for panel in panels)


def test_a_metric_on_no_panel_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboards, "registered", lambda: registered() | {"ordermend_new_total": "Something new."})
    with pytest.raises(ValueError, match="ordermend_new_total"):
        dashboards.written()
    monkeypatch.setattr(dashboards, "registered", lambda: {name: text for name, text in registered().items() if "lag" not in name})
    with pytest.raises(ValueError, match="ordermend_lag_records"):
        dashboards.written()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_reads_what_the_panels_ask(tmp_path: Path) -> None:
    asked = sorted({expression for _, panels in dashboards.DASHBOARDS.values() for panel in panels for expression, _ in panel.lines})
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(asked)]
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", str(tmp_path / "panels.yaml")], capture_output=True, text=True, check=False, timeout=60
    )
    assert 0 == done.returncode, done.stdout + done.stderr


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    cases = [case for test in yaml.safe_load(RULE_TESTS.read_text())["tests"] for case in test["alert_rule_test"]]
    named = {alert["alert"] for alert in ALERTS}
    assert named == {case["alertname"] for case in cases if case.get("exp_alerts")}
    assert named == {case["alertname"] for case in cases if not case.get("exp_alerts")}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_takes_the_alerts_and_their_tests() -> None:
    for arguments in (("check", "rules", RULES), ("test", "rules", RULE_TESTS)):
        done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60)
        assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("call", UNIQUE_CALLS, ids=" ".join)
def test_a_container_calls_a_command_that_exists(call: tuple[str, ...]) -> None:
    group: Any = typer.main.get_command(build())
    command = group.commands[call[0]]
    options = {option for parameter in command.params for option in parameter.opts}
    assert set() == {word for word in call if word.startswith("--")} - options
    if call[0] == "run":
        assert call[1] in SERVICES


def test_every_service_is_deployed_on_both() -> None:
    for calls in ([container["args"] for container in CONTAINERS], [service["command"] for service in OURS]):
        assert set(SERVICES) == {call[1] for call in calls if call[0] == "run"}


@pytest.mark.parametrize("service", ["intake", "processor"])
def test_a_group_members_instance_is_its_ordinal(service: str) -> None:
    (member,) = (container for container in CONTAINERS if container["args"][:2] == ["run", service])
    assert service in {manifest["metadata"]["name"] for manifest in MANIFESTS if manifest["kind"] == "StatefulSet"}
    assert "$(POD_NAME)" == member["args"][member["args"].index("--instance") + 1]
    assert "metadata.name" in {variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath") for variable in member["env"]}


def test_probes_ask_paths_that_are_served() -> None:
    served = set(re.findall(r'"(/[a-z]+z|/metrics)"', inspect.getsource(health.serve)))
    probes = [container[name] for container in CONTAINERS for name in container if name.endswith("Probe")]
    annotated = {
        manifest["spec"]["template"]["metadata"]["annotations"]["prometheus.io/path"] for manifest in MANIFESTS if services(manifest)
    }
    compose = set(re.findall(r":8080(/[a-z]+)", (DEPLOY / "compose.yaml").read_text()))
    assert set() == ({probe["httpGet"]["path"] for probe in probes} | annotated | compose) - served
    for container in (container for container in CONTAINERS if container["args"][0] == "run"):
        paths = {name: container[name]["httpGet"]["path"] for name in container if name.endswith("Probe")}
        assert {"startupProbe": "/startupz", "livenessProbe": "/livez", "readinessProbe": "/readyz"} == paths


def services(manifest: dict[str, Any]) -> bool:
    return manifest["kind"] in {"Deployment", "StatefulSet"}


def test_every_pod_is_confined_and_bounded() -> None:
    for pod in PODS:
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]
        for container in (*pod["containers"], *pod.get("initContainers", ())):
            confined = container["securityContext"]
            assert (True, False, ["ALL"]) == (
                confined["readOnlyRootFilesystem"],
                confined["allowPrivilegeEscalation"],
                confined["capabilities"]["drop"],
            )
            assert {"cpu", "memory"} == set(container["resources"]["requests"]) == set(container["resources"]["limits"])


def test_what_has_replicas_has_a_disruption_budget() -> None:
    budgets = {manifest["metadata"]["name"] for manifest in MANIFESTS if manifest["kind"] == "PodDisruptionBudget"}
    assert budgets == {manifest["metadata"]["name"] for manifest in MANIFESTS if services(manifest) and manifest["spec"]["replicas"] > 1}


def test_environment_variables_are_settings_of_ours() -> None:
    known = {str(field.validation_alias) for field in Settings.model_fields.values()} | {"POD_NAME"}
    config = {name for manifest in MANIFESTS if manifest["kind"] == "ConfigMap" for name in manifest["data"]}
    variables = {variable["name"] for container in CONTAINERS for variable in container.get("env", ())}
    compose = {name for service in OURS for name in service["environment"]}
    assert set() == (config | variables | compose) - known


def test_no_topic_is_written_down_twice() -> None:
    names = {topic.name for topic in bootstrap.all_topics()}
    for path in sorted(path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".md"):
        assert set() == {name for name in names if name in path.read_text()}, path.name


def test_images_carry_the_projects_version_and_the_tried_broker() -> None:
    images = {container["image"] for container in CONTAINERS} | {service["image"] for service in OURS}
    assert {f"ordermend:{VERSION}"} == images
    assert COMPOSE["services"]["kafka"]["image"].endswith(f"apache/kafka:{KAFKA_VERSION}")


def test_the_image_installs_what_the_runtime_lock_names() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    assert "--require-hashes -r requirements/runtime.txt" in text
    assert re.search(r"^USER 10001", text, re.MULTILINE)
    whole, runtime = (pins(ROOT / "requirements" / name) for name in ("lock.txt", "runtime.txt"))
    assert {} == {name: pin for name, pin in runtime.items() if whole.get(name) != pin}
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert set() == {re.split(r"[\[>=]", line)[0] for line in needed} - runtime.keys()


def test_no_locked_package_has_the_name_of_one_of_ours() -> None:
    ours = {init.parent.name for init in ROOT.glob("*/__init__.py")}
    locked = set(pins(ROOT / "requirements" / "lock.txt")) | set(pins(ROOT / "requirements" / "runtime.txt"))
    assert set() == {name for name in locked if name.replace("-", "_") in ours - {"ordermend"}}


def pins(path: Path) -> dict[str, str]:
    lines = (line for line in path.read_text().splitlines() if re.match(r"[a-z0-9]", line))
    return dict(shlex.split(line.split(";")[0].rstrip("\\ "))[0].split("==") for line in lines)


def test_every_file_is_in_the_table_of_what_was_checked() -> None:
    text = (DEPLOY / "README.md").read_text()
    for path in sorted(path for path in DEPLOY.rglob("*") if path.is_file() and path.name != "README.md"):
        folder = f"{path.parent.name}/"
        assert path.name.removesuffix(".dockerignore") in text or f"{folder}*{path.suffix}" in text, path.name
