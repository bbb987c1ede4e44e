"""Metrics as Prometheus reads them (text format 0.0.4).

The library's own writer makes an object of every series first, and takes ten times as long. What this reads of the
library's counters, gauges and histograms is not public there: a test compares both writers.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, utils

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HEADS = 50_000
_bound: Any = utils.floatToGoString


def write_metrics(registry: CollectorRegistry) -> bytes:
    """All of them. When a series began is left out: rates do not need it."""
    lines: list[str] = []
    for collector in list(registry._collector_to_names):
        match collector:
            case Counter():
                _describe(lines, collector._name + "_total", "counter", collector._documentation)
                lines += _values(collector, "_total")
            case Gauge():
                _describe(lines, collector._name, "gauge", collector._documentation)
                lines += _values(collector, "")
            case Histogram():
                _describe(lines, collector._name, "histogram", collector._documentation)
                lines += _times(collector)
            case _:
                for metric in collector.collect():
                    name = metric.name + "_total" if metric.type == "counter" else metric.name
                    _describe(lines, name, metric.type, metric.documentation)
                    lines += [
                        f"{one.name}{_labels(one.labels.items())} {_number(one.value)}"
                        for one in metric.samples
                        if not one.name.endswith("_created")
                    ]
    return ("\n".join(lines) + "\n").encode()


def _describe(lines: list[str], name: str, kind: str, about: str) -> None:
    lines.append(f"# HELP {name} {about}\n# TYPE {name} {kind}")


def _children(collector: Any) -> Iterable[tuple[tuple[str, ...], Any]]:
    """Each of its series, by the values of its labels; without labels it is its own."""
    return list(collector._metrics.items()) if collector._labelnames else [((), collector)]


def _values(collector: Any, ending: str) -> Iterator[str]:
    name, labels = collector._name + ending, collector._labelnames
    for values, child in _children(collector):
        yield _head(name, labels, values) + _number(child._value.get())


def _times(collector: Any) -> Iterator[str]:
    bounds = tuple(collector._upper_bounds)
    for values, child in _children(collector):
        *buckets, count, total = _heads_of_times(collector._name, collector._labelnames, values, bounds)
        seen = 0.0
        for head, bucket in zip(buckets, child._buckets, strict=True):
            seen += bucket.get()
            yield head + _number(seen)
        yield count + _number(seen)
        yield total + _number(child._sum.get())


@lru_cache(maxsize=_HEADS)
def _head(name: str, labels: tuple[str, ...], values: tuple[str, ...]) -> str:
    """All of a line but its number."""
    return f"{name}{_labels(zip(labels, values, strict=True))} "


@lru_cache(maxsize=_HEADS)
def _heads_of_times(
    name: str, labels: tuple[str, ...], values: tuple[str, ...], bounds: tuple[float, ...]
) -> tuple[str, ...]:
    """Of each bucket, of the count and of the sum."""
    buckets = (_head(f"{name}_bucket", (*labels, "le"), (*values, _bound(bound))) for bound in bounds)
    return (*buckets, _head(f"{name}_count", labels, values), _head(f"{name}_sum", labels, values))


def _labels(pairs: Iterable[tuple[str, str]]) -> str:
    inside = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in pairs)
    return f"{{{inside}}}" if inside else ""


def _number(value: float) -> str:
    return str(int(value)) if value % 1 == 0 and abs(value) < 1e15 else repr(value)
