"""Counters and histograms by labels, as dicts that a scrape reads: the client library's own take a lock and half a
dozen calls for each, and a job counts a dozen times."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

Labels = tuple[str, ...]


class Counter(Collector):
    """Counted in one thread."""

    def __init__(self, name: str, about: str, labels: Labels, registry: CollectorRegistry) -> None:
        self.name, self.about, self.labels = name, about, labels
        self.totals: defaultdict[Labels, float] = defaultdict(float)
        if not labels:
            self.totals[()] = 0.0
        registry.register(self)

    def add(self, labels: Labels, by: float) -> None:
        self.totals[labels] += by

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self.name, self.about, labels=self.labels)
        for labels, total in self.totals.items():
            family.add_metric(labels, total)
        yield family


class Histogram(Collector):
    """Observed in one thread. `bounds` ascend; what is larger than the last is counted too."""

    def __init__(
        self, name: str, about: str, labels: Labels, bounds: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self.name, self.about, self.labels = name, about, labels
        self._bounds = bounds
        self.bounds = [*(str(float(one)) for one in bounds), "+Inf"]
        self._counts: defaultdict[Labels, list[int]] = defaultdict(lambda: [0] * len(self.bounds))
        self._sums: defaultdict[Labels, float] = defaultdict(float)
        registry.register(self)

    def observe(self, labels: Labels, value: float) -> None:
        self._counts[labels][bisect_left(self._bounds, value)] += 1
        self._sums[labels] += value

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(self.name, self.about, labels=self.labels)
        for labels, counts, total in self.rows():
            family.add_metric(labels, list(zip(self.bounds, counts, strict=True)), total)
        yield family

    def rows(self) -> Iterator[tuple[Labels, list[int], float]]:
        """Of each series: how many were within each of the `bounds`, and their sum."""
        for labels, counts in self._counts.items():
            yield labels, list(accumulate(counts)), self._sums[labels]
