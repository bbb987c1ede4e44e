"""The text that Prometheus reads, and what it takes."""

import time
from decimal import Decimal
from uuid import UUID

import prometheus_client as library
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import metrics
from core.catalog import Model, Project
from core.exposition import write_metrics
from core.result import Usage
from core.tallies import Counter, Histogram
from tests.metrics.scraping import Scrape

TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"), max_size=20
)


def project(number: int) -> Project:
    return Project(UUID(int=number), f"project {number}", True, 100, {})


@pytest.fixture
def _projects_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_projects", set())


@settings(deadline=None)
@given(TEXT, st.floats(allow_nan=False), st.lists(st.floats(0, 1e6), max_size=5))
def test_it_says_what_the_librarys_own_writer_says(label: str, value: float, seen: list[float]) -> None:
    ours, theirs = library.CollectorRegistry(), library.CollectorRegistry()
    for registry in (ours, theirs):
        library.Gauge("a", "A thing.", ["of"], registry=registry).labels(label).set(value)
    Counter("b", "Things.", (), ours).add((), len(seen))
    library.Counter("b", "Things.", registry=theirs).inc(len(seen))
    times = Histogram("c_seconds", "Times.", ("of",), (0.5, 1, 10), ours)
    their_times = library.Histogram("c_seconds", "Times.", ["of"], buckets=(0.5, 1, 10), registry=theirs)
    for one in seen:
        times.observe((label,), one)
        their_times.labels(label).observe(one)
    expected = {
        key: number
        for key, number in Scrape(library.generate_latest(theirs).decode()).values.items()
        if not key[0].endswith("_created")
    }
    assert Scrape(write_metrics(ours).decode()).values == expected
    assert Scrape(library.generate_latest(ours).decode()).values == expected, "whoever adds to the registry reads it so"


@pytest.mark.usefixtures("_projects_of_its_own")
def test_projects_beyond_a_hundred_are_counted_together() -> None:
    names = {metrics.project_label(project(number)) for number in range(2 * metrics.MOST_PROJECTS)}
    assert metrics.OTHER in names
    assert len(names) <= metrics.MOST_PROJECTS + 1
    assert metrics.project_label(project(0)) == "project 0"
    assert metrics.project_label(None) == metrics.OTHER


@pytest.mark.usefixtures("_projects_of_its_own")
def test_a_scrape_of_many_projects_and_models_is_cheap() -> None:
    for number in range(200):
        model = Model("provider", f"model-{number % 133}", "text")
        metrics.count_call(model, project(number), "ok", 1.5, Usage(100, 50, 10), Decimal("0.012"))
        for kind in ("text", "speech", "embedding"):
            metrics.count_end(project(number), kind, "completed", None, 1.0, 2.0, cached=False)
    took = []
    for _ in range(10):
        began = time.process_time()
        text = write_metrics(metrics.REGISTRY)
        took.append(time.process_time() - began)
    assert text.count(b"\n") > 2000
    assert min(took) < 0.02  # about 0.003 on a machine that does nothing else
