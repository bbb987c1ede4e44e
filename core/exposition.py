"""Metrics as Prometheus reads them (text format 0.0.4).

The library's own writer makes an object of every series first, and takes ten times as long for our counters and
histograms.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from core.tallies import Counter, Histogram, Labels

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HEADS = 50_000


def write_metrics(registry: CollectorRegistry) -> bytes:
    """All of them. When a series began is left out: rates do not need it."""
    lines: list[str] = []
    for collector in list(registry._collector_to_names):
        match collector:
            case Counter():
                name = f"{collector.name}_total"
                lines.append(_about(name, "counter", collector.about))
                lines += [
                    _head(name, collector.labels, values) + _number(at) for values, at in collector.totals.items()
                ]
            case Histogram():
                lines.append(_about(collector.name, "histogram", collector.about))
                lines += _times(collector)
            case _:
                lines += _collected(collector)
    return ("\n".join(lines) + "\n").encode()


def _about(name: str, kind: str, text: str) -> str:
    return f"# HELP {name} {text}\n# TYPE {name} {kind}"


def _times(histogram: Histogram) -> Iterator[str]:
    bounds = tuple(histogram.bounds)
    for values, counts, total in histogram.rows():
        heads = _heads_of_times(histogram.name, histogram.labels, values, bounds)
        yield from (head + _number(count) for head, count in zip(heads, (*counts, counts[-1], total), strict=True))


def _collected(collector: Collector) -> Iterator[str]:
    """Of the library's own."""
    for metric in collector.collect():
        name = metric.name + "_total" if metric.type == "counter" else metric.name
        yield _about(name, metric.type, metric.documentation)
        for one in metric.samples:
            if not one.name.endswith("_created"):
                yield f"{one.name}{_labels(one.labels.items())} {_number(one.value)}"


@lru_cache(maxsize=_HEADS)
def _head(name: str, labels: Labels, values: Labels) -> str:
    """All of a line but its number."""
    return f"{name}{_labels(zip(labels, values, strict=True))} "


@lru_cache(maxsize=_HEADS)
def _heads_of_times(name: str, labels: Labels, values: Labels, bounds: Sequence[str]) -> tuple[str, ...]:
    """Of each bucket, of the count and of the sum."""
    buckets = (_head(f"{name}_bucket", (*labels, "le"), (*values, bound)) for bound in bounds)
    return (*buckets, _head(f"{name}_count", labels, values), _head(f"{name}_sum", labels, values))


def _labels(pairs: Iterable[tuple[str, str]]) -> str:
    inside = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in pairs)
    return f"{{{inside}}}" if inside else ""


def _number(value: float) -> str:
    return str(int(value)) if value % 1 == 0 and abs(value) < 1e15 else repr(value)
