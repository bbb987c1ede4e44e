"""Grafana's dashboard asks for what is there."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client import Gauge

from core.metrics import REGISTRY
from core.tallies import Counter, Histogram

DASHBOARD = Path(__file__).parents[2] / "deploy/grafana/ai-provider-factory.json"
DOCS = Path(__file__).parents[2] / "docs/metrics.md"
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
NAME = re.compile(r"\b(?:factory|process)_[a-z_]+")
PLACED = frozenset({"le", "instance", "job"})


def declared() -> dict[str, frozenset[str]]:
    """Labels by the name of the series. What was not counted yet tells of none."""
    labels: dict[str, tuple[str, ...]] = {}
    for one in REGISTRY._collector_to_names:
        if isinstance(one, Counter | Histogram):
            labels[one.name] = one.labels
        elif isinstance(one, Gauge):
            labels[one._name] = one._labelnames
    return {
        metric.name + suffix: frozenset(labels.get(metric.name, ()))
        for metric in REGISTRY.collect()
        for suffix in SUFFIXES[metric.type]
    }


def queries() -> list[str]:
    panels = json.loads(DASHBOARD.read_bytes())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


@pytest.mark.parametrize("query", queries())
def test_every_query_names_a_metric_and_labels_that_exist(query: str) -> None:
    known, names = declared(), NAME.findall(query)
    assert names
    assert set(names) <= known.keys()
    grouped = re.findall(r"by \(([^)]*)\)", query)
    matched = re.findall(r"[{,](\w+)(?:=~|!~|!=|=)", query)
    labels = {one.strip() for group in grouped for one in group.split(",")} | set(matched)
    assert labels <= frozenset().union(*(known[name] for name in names)) | PLACED


def test_every_metric_of_ours_is_shown_and_explained() -> None:
    shown = {name for query in queries() for name in NAME.findall(query)}
    text = DOCS.read_text()
    for metric in REGISTRY.collect():
        if metric.name.startswith("factory_"):
            assert metric.name in text, f"{metric.name} is not in docs/metrics.md"
            if not metric.name.startswith("factory_worker_"):
                assert any(metric.name + suffix in shown for suffix in SUFFIXES[metric.type]), metric.name


def test_panels_do_not_lie_on_each_other() -> None:
    seen: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_bytes())["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & seen
        assert place["x"] + place["w"] <= 24
        seen |= cells
