# SPDX-License-Identifier: Apache-2.0
"""The alarm rules and the dashboard in deployments/monitoring.

given the alarm rules
    each should name metrics that exist, and labels and values that they have
    each should be explained in docs/operations.md
given the dashboard
    each panel should do the same, and overlap no other
given the metrics
    each should be in the dashboard, and explained in docs/operations.md
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from oracle.operations.metric_table import METRICS, NOT_READY, Kind
from tests.source_tree import ROOT

MONITORING = ROOT / "deployments" / "monitoring"
DOCS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

# What Prometheus itself and its client for processes add.
FOREIGN = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}
FOREIGN_LABELS = {"instance", "job", "le"}

_METRIC = re.compile(r"\b((?:teetee|process)_[a-z0-9_]+|up)(\{[^}]*\})?")
_MATCHER = re.compile(r'([a-z_]+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
_GROUPING = re.compile(r"\bby \(([^)]*)\)")
_TEMPLATE = re.compile(r"\{\{\s*\$?(?:labels\.)?([a-z_]+)\s*\}\}")


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((MONITORING / "alarms.yml").read_text(encoding="utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def panels() -> list[dict[str, Any]]:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def exposed() -> dict[str, str]:
    """Name of a sample → key of its metric."""
    names = {}
    for key, metric in METRICS.items():
        endings = {
            Kind.COUNTER: ("_total",),
            Kind.GAUGE: ("",),
            Kind.HISTOGRAM: ("_bucket", "_sum", "_count"),
        }[metric.kind]
        names |= {metric.name + ending: key for ending in endings}
    return names


def metrics_in(expression: str) -> Iterator[str]:
    """The keys of the metrics that it names; fails for any that does not exist."""
    names, labels = exposed(), set(FOREIGN_LABELS)
    for name, matchers in _METRIC.findall(expression):
        assert name in names or name in FOREIGN, name
        allowed = {} if name in FOREIGN else METRICS[names[name]].labels
        labels |= set(allowed)
        for label, value in _MATCHER.findall(matchers):
            assert label in allowed or label in FOREIGN_LABELS, f"{name} has no label {label}"
            assert label in FOREIGN_LABELS or allowed[label].admits(value), f"{label}={value}"
        if name in names:
            yield names[name]
    for group in _GROUPING.findall(expression):
        assert {each.strip() for each in group.split(",")} <= labels, group


def labels_of(expression: str) -> set[str]:
    grouped = _GROUPING.findall(expression)
    if grouped:
        return {each.strip() for each in grouped[0].split(",")}
    keys = metrics_in(expression)
    return {label for key in keys for label in METRICS[key].labels} | {"instance"}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_alarms__each_rule__names_what_exists_and_is_explained(rule: dict[str, Any]) -> None:
    assert list(metrics_in(rule["expr"])) or rule["alert"] == "EnclaveDown"
    assert rule["labels"]["severity"] in {"page", "ticket"}
    for label in _TEMPLATE.findall(rule["annotations"]["summary"]):
        assert label in labels_of(rule["expr"]) | {"value"}
    assert f"`{rule['alert']}`" in DOCS


def test_alarms__all_together__have_names_of_their_own() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) > 20


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: str(panel["title"]))
def test_dashboard__each_panel__names_what_exists(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        assert list(metrics_in(target["expr"])) or "process_" in target["expr"]
        for label in _TEMPLATE.findall(target["legendFormat"]):
            assert label in labels_of(target["expr"]), (panel["title"], label)


def test_dashboard__its_panels__do_not_overlap() -> None:
    occupied: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (place["x"] + column, place["y"] + line)
            for column in range(place["w"])
            for line in range(place["h"])
        }
        assert not cells & occupied, panel["title"]
        assert place["x"] + place["w"] <= 24
        occupied |= cells


def test_metrics__each__is_on_the_dashboard_or_in_an_alarm() -> None:
    expressions = [rule["expr"] for rule in rules()]
    expressions += [target["expr"] for panel in panels() for target in panel["targets"]]
    seen = {key for expression in expressions for key in metrics_in(expression)}
    assert METRICS.keys() - seen <= {"head_block", "node_head_block", "draining", "live"}


def test_metrics__each__is_explained() -> None:
    assert not {metric.name for metric in METRICS.values() if f"`{metric.name}" not in DOCS}


def test_reasons__each__is_explained() -> None:
    assert not {reason for reason in NOT_READY if f"`{reason}`" not in DOCS}


def test_files__all__name_no_machine_and_no_address() -> None:
    for file in MONITORING.iterdir():
        text = Path(file).read_text(encoding="utf-8")
        assert not re.search(r"https?://|\d+\.\d+\.\d+\.\d+|0x[0-9a-fA-F]{6,}", text), file
