"""Alert rules and the dashboard: they fire when they should, speak of metrics that there are, and say what to do."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gateway.metrics
import pytest
import yaml
from chassis import metrics
from embedded.debian import Unobtainable
from embedded.tools import Tool, find
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
ALERTS = ROOT / "deploy/helm/crm-service/files/alerts.yaml"
DASHBOARD = ROOT / "deploy/helm/crm/files/dashboard.json"

SUFFIXES: dict[type[MetricWrapperBase], tuple[str, ...]] = {
    Counter: ("_total",),
    Gauge: ("",),
    Histogram: ("_bucket", "_sum", "_count"),
}
OTHERS = {
    "up",
    "process_start_time_seconds",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    "database_pool_connections",
    "database_pool_limit",
}
"""What Prometheus itself and the client library tell of every process, and what is gathered when it is asked for."""
_WORD = re.compile(r"(?<![a-zA-Z0-9_:])[a-zA-Z_:][a-zA-Z0-9_:]*")
_NOT_METRICS = {
    "and avg by changes count histogram_quantile ignoring increase max max_over_time min min_over_time offset on or",
    "rate sum time topk unless without",
}
KEYWORDS = {word for line in _NOT_METRICS for word in line.split()}


def exported() -> set[str]:
    """The names of all series that the suite's processes tell."""
    found = [value for module in (metrics, gateway.metrics) for value in vars(module).values()]
    names = OTHERS.copy()
    for each in found:
        for kind, suffixes in SUFFIXES.items():
            if isinstance(each, kind):
                names |= {each._name + suffix for suffix in suffixes}
    return names


def used(expression: str) -> set[str]:
    """The metrics that an expression speaks of."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"", " ", expression)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left)\s*\([^)]*\)", " ", bare)
    return set(_WORD.findall(bare)) - KEYWORDS


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def expressions_of(panel: dict[str, Any]) -> Iterator[str]:
    for target in panel.get("targets", ()):
        yield target["expr"]
    for inner in panel.get("panels", ()):
        yield from expressions_of(inner)


@pytest.fixture(scope="module")
def promtool() -> Tool:
    try:
        return find("prometheus", "usr/bin/promtool")
    except Unobtainable as reason:
        pytest.skip(f"there is no promtool here: {reason}")


def run(tool: Tool, *arguments: str, folder: Path) -> str:
    done = subprocess.run(
        [tool.path, *arguments], cwd=folder, env={**tool.environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_rules_fire_when_they_should_and_not_else(promtool, tmp_path):
    for path in (ALERTS, HERE / "alerts.test.yaml"):
        shutil.copy(path, tmp_path)
    run(promtool, "check", "rules", "alerts.yaml", folder=tmp_path)
    assert "SUCCESS" in run(promtool, "test", "rules", "alerts.test.yaml", folder=tmp_path)


def test_every_rule_is_tested():
    cases = yaml.safe_load((HERE / "alerts.test.yaml").read_text())["tests"]
    firing = {case["alertname"] for test in cases for case in test["alert_rule_test"] if case["exp_alerts"]}
    assert firing == {rule["alert"] for rule in rules()}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_says_what_is_wrong_and_where_it_is_written_what_to_do(rule):
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert {"summary", "description", "runbook"} == set(rule["annotations"])
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}
    assert anchor == rule["alert"].lower()


def test_rules_and_dashboard_speak_of_metrics_that_there_are():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    expressions = [rule["expr"] for rule in rules()] + [each for panel in panels for each in expressions_of(panel)]
    assert len(expressions) > 30
    names = set().union(*map(used, expressions))
    assert names <= exported(), names - exported()
    assert {"outbox_lag_seconds", "grpc_server_seconds_bucket", "graphql_operations_total"} <= names


def test_the_dashboard_can_be_imported():
    board = json.loads(DASHBOARD.read_text())
    assert board["title"]
    assert board["uid"]
    identifiers = [panel["id"] for panel in board["panels"]]
    assert len(identifiers) == len(set(identifiers))
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        if panel["type"] != "row":
            assert panel["title"]
            assert panel["targets"]
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
