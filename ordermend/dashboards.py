"""`python -m ordermend.dashboards`: writes `deploy/dashboards/*.json`, Grafana dashboards over our metrics; `--check` only compares.

Input:   the panels below, and the metrics in `telemetry/metrics.py`: a panel says what is asked, the metric's help text what it means.
Output:  one dashboard per question somebody has, the same bytes for the same code; imported as files, the data source chosen there.
Fails:   a panel over a metric that does not exist, or a metric that is on no panel and has no reason in `NOT_SHOWN`, is a ValueError;
         `--check` names the stale files and exits 1.
Source:  Grafana documentation, "Dashboard JSON model" (schemaVersion 39), read 2026-11-28.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from telemetry.metrics import registered

FOLDER: Final = Path(__file__).parents[1] / "deploy" / "dashboards"
COLUMNS: Final = 3
WIDTH, HEIGHT = 24 // COLUMNS, 8
NOT_SHOWN: Final[dict[str, str]] = {
    "ordermend_processor_batch_messages": "read beside a profile, not at night: the batch's time says whether it is too large",
    "ordermend_rules_version": "it changes when somebody changes it, and `ordermend rules history` says who",
}
"""Metrics that are on no panel, each with its reason."""
_METRIC: Final = re.compile(r"ordermend_[a-z_]+")
_SUFFIXES: Final = ("_bucket", "_sum", "_count")


@dataclass(frozen=True)
class Panel:
    """One graph: a title that is a question's answer, its unit in Grafana's words, and pairs of (expression, legend)."""

    title: str
    unit: str
    lines: tuple[tuple[str, str], ...]
    worst: float | None = None
    """From this value on it is red."""


def _rate(metric: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}[5m]))"


def _quantile(metric: str, q: float, by: str = "") -> str:
    return f"histogram_quantile({q}, sum by (le{', ' + by if by else ''}) (rate({metric}_bucket[5m])))"


DASHBOARDS: Final[dict[str, tuple[str, tuple[Panel, ...]]]] = {
    "night": (
        "Ordermend: is anything wrong",
        (
            Panel("Integrity findings", "short", (("max(ordermend_integrity_findings)", "the book"),), 1),
            Panel("Sent and not arrived as sent", "short", (("max(ordermend_reconcile_findings)", "the events topic"),), 1),
            Panel("Partitions not read", "short", (("sum(ordermend_partitions_halted)", "halted"),), 1),
            Panel("Behind the log's end", "short", (("sum by (topic) (max by (topic, partition) (ordermend_lag_records))", "{{topic}}"),)),
            Panel("Oldest event not sent", "s", (("max(ordermend_outbox_oldest_seconds)", "outbox"),), 120),
            Panel("Oldest order not fetched", "s", (("max(ordermend_fetch_oldest_seconds)", "fetch"),), 3600),
            Panel("Oldest order that waits", "s", (("max(ordermend_lane_oldest_seconds)", "lane"),), 14_400),
            Panel("Infrastructure faults", "ops", ((_rate("ordermend_infra_faults_total", "dependency"), "{{dependency}}"),)),
            Panel("Held up as systemic", "short", (("max(ordermend_breakers_open)", "channels and operations"),), 1),
            Panel("Dependencies left alone", "short", (("max by (dependency) (ordermend_dependencies_open)", "{{dependency}}"),), 1),
            Panel("Loops: seconds since the last round", "s", (("time() - ordermend_loop_tick_timestamp_seconds", "{{instance}} {{loop}}"),), 120),
            Panel("Checks: seconds since the last comparison", "s", (("time() - max(ordermend_reconcile_timestamp_seconds)", "events topic"),), 3600),
            Panel("Commits refused by the fence", "ops", (("sum(rate(ordermend_processor_fence_rejects_total[5m]))", "refused"),)),
        ),
    ),
    "flow": (
        "Ordermend: orders and edits",
        (
            Panel("Documents by channel", "ops", ((_rate("ordermend_intake_records_total", "channel"), "{{channel}}"),)),
            Panel("Documents by verdict", "ops", ((_rate("ordermend_intake_records_total", "verdict"), "{{verdict}}"),)),
            Panel("Webhook answers", "ops", ((_rate("ordermend_webhooks_total", "channel, outcome"), "{{channel}} {{outcome}}"),)),
            Panel("Orders asked for", "ops", ((_rate("ordermend_fetches_total", "channel, outcome"), "{{channel}} {{outcome}}"),)),
            Panel("What rules say", "ops", ((_rate("ordermend_rule_findings_total", "rule, mode"), "{{rule}} ({{mode}})"),)),
            Panel("Refusals that people overturned", "short", (("max by (rule, channel) (ordermend_rules_overturned)", "{{rule}} {{channel}}"),)),
            Panel("Messages by outcome", "ops", ((_rate("ordermend_processor_messages_total", "message, outcome"), "{{message}} {{outcome}}"),)),
            Panel(
                "Batch time",
                "s",
                tuple((_quantile("ordermend_processor_batch_seconds", q), f"p{round(q * 100)}") for q in (0.5, 0.95, 0.99)),
            ),
            Panel("Where a batch's time goes (p95)", "s", ((_quantile("ordermend_processor_stage_seconds", 0.95, "stage"), "{{stage}}"),)),
            Panel("Events sent", "ops", (("sum(rate(ordermend_relay_sent_total[5m]))", "sent"),)),
            Panel("Orders edited, of all accepted", "percentunit", (("max(ordermend_orders_modified_ratio)", "edited"),)),
            Panel("From ticket to decision", "s", (("max by (quantile) (ordermend_edit_resolution_seconds)", "p{{quantile}}"),)),
            Panel("Orders checked", "ops", (("sum(rate(ordermend_integrity_checked_total[5m]))", "orders"),)),
            Panel("Events compared", "ops", (("sum(rate(ordermend_reconcile_events_total[5m]))", "events"),)),
        ),
    ),
    "letters": (
        "Ordermend: what failed, and what waits",
        (
            Panel("Open dead letters", "short", (("max by (error_class) (ordermend_dead_letters_open)", "{{error_class}}"),)),
            Panel("Failures in five minutes", "short", (("max by (channel, error_class) (ordermend_failures_in_window)", "{{channel}} {{error_class}}"),)),
            Panel("Closed lanes", "short", (("max by (state) (ordermend_lanes_closed)", "{{state}}"),)),
            Panel("Lanes that are due", "short", (("max(ordermend_lanes_due)", "due"),)),
            Panel("Retry budget used", "percentunit", (("max(ordermend_retry_budget_used_ratio)", "used"),), 1),
            Panel("Lanes put off in an hour", "short", (("sum(increase(ordermend_lanes_postponed_total[1h]))", "lanes"),), 1),
            Panel("Orders whose events cannot be sent", "short", (("max(ordermend_relay_stuck_orders)", "orders"),), 1),
            Panel("Messages that left a lane", "ops", (("sum(rate(ordermend_retries_total[5m]))", "left"),)),
            Panel("Calls to dependencies", "ops", ((_rate("ordermend_dependency_calls_total", "dependency, outcome"), "{{dependency}} {{outcome}}"),)),
            Panel("What edits asked for", "ops", ((_rate("ordermend_actions_total", "port, kind, outcome"), "{{port}} {{kind}} {{outcome}}"),)),
            Panel("Records the monitor cannot read", "ops", ((_rate("ordermend_monitor_unreadable_total", "kind"), "{{kind}}"),)),
        ),
    ),
}  # fmt: skip


def metrics_in(expression: str) -> set[str]:
    """Return the names of our metrics in an expression, without a histogram's suffixes."""
    known = registered()
    found = set()
    for name in _METRIC.findall(expression):
        base = next(
            (name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix) and name.removesuffix(suffix) in known), name
        )
        found.add(base)
    return found


def shown() -> set[str]:
    """Return every metric that is on a panel."""
    return {
        name for _, panels in DASHBOARDS.values() for panel in panels for expression, _ in panel.lines for name in metrics_in(expression)
    }


def dashboard(uid: str, title: str, panels: Sequence[Panel]) -> dict[str, Any]:
    """Return a dashboard as Grafana imports it."""
    return {
        "uid": f"ordermend-{uid}",
        "title": title,
        "tags": ["ordermend"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "utc",
        "links": [{"type": "dashboards", "title": "Ordermend", "tags": ["ordermend"], "asDropdown": False, "includeVars": True}],
        "templating": {"list": [{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]},
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.worst is not None:
        steps.append({"color": "red", "value": panel.worst})
    known = registered()
    said = {name: known[name] for expression, _ in panel.lines for name in sorted(metrics_in(expression)) if name in known}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": "\n\n".join(f"`{name}`: {text}" for name, text in said.items()),
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": {"x": number % COLUMNS * WIDTH, "y": number // COLUMNS * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "thresholds": {"mode": "absolute", "steps": steps},
                "custom": {"fillOpacity": 8, "thresholdsStyle": {"mode": "off" if panel.worst is None else "line"}},
            },
            "overrides": [],
        },
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": [
            {"refId": chr(ord("A") + index), "expr": expression, "legendFormat": legend, "range": True}
            for index, (expression, legend) in enumerate(panel.lines)
        ],
    }


def written() -> dict[str, str]:
    """Return every dashboard's file name and text. Raises ValueError where panels and metrics disagree."""
    unknown, missing = shown() - registered().keys(), registered().keys() - shown() - NOT_SHOWN.keys()
    if unknown or missing or NOT_SHOWN.keys() & shown():
        raise ValueError(f"unknown metrics on panels: {sorted(unknown)}; on no panel and without a reason: {sorted(missing)}")
    return {f"{uid}.json": json.dumps(dashboard(uid, *parts), indent=1) + "\n" for uid, parts in DASHBOARDS.items()}


def main(arguments: Sequence[str] | None = None, folder: Path = FOLDER) -> int:
    """Write the dashboards, or compare them; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ordermend.dashboards", description="Write deploy/dashboards from the code.")
    parser.add_argument("--check", action="store_true", help="only compare; exit 1 naming the stale files")
    check: bool = parser.parse_args(arguments).check
    wanted = written()
    there = {path.name: path.read_text("utf-8") for path in folder.glob("*.json")}
    changed = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    if check:
        for name in changed:
            sys.stderr.write(f"deploy/dashboards/{name} is stale: run `make docs` and commit it\n")
        return 1 if changed else 0
    folder.mkdir(parents=True, exist_ok=True)
    for name in changed:
        if name in wanted:
            (folder / name).write_text(wanted[name], "utf-8")
        else:
            (folder / name).unlink()
    sys.stdout.write(f"deploy/dashboards: {len(wanted)} dashboards, {len(changed)} changed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
