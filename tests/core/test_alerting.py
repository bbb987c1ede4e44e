"""What an operator must see to, as values."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from core.alerting import (
    BREAKER,
    DEAD_LETTERS,
    LATE,
    RETIRES,
    Finding,
    OpenAlert,
    changes_of,
    find_open,
    find_retiring,
    old_letters,
    over_credentials,
)
from core.catalog import Alias, Catalog, Endpoint, Model, Project, Target
from core.health import Rest

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PLACE, OWNER = UUID(int=1), UUID(int=2)


def model(name: str, retires_on: date | None = None, *, active: bool = True) -> Model:
    return Model("openai", name, "text", active=active, retires_on=retires_on)


def target(name: str, position: int, *, active: bool = True) -> Target:
    return Target("openai", name, position, 1, {}, active)


def alias(name: str, *targets: Target, project: UUID | None = None) -> Alias:
    return Alias(name, project, "priority", "fail", None, 1, targets)


def opened(kind: str, subject: str, message: str = "m", ago: timedelta = timedelta(0)) -> OpenAlert:
    return OpenAlert(kind, subject, message, NOW - ago)


def endpoint(credential: str | None = None) -> Endpoint:
    return Endpoint(
        id=PLACE, provider="openai", base_url="http://here/v1", endpoint_pattern="", handler_function="x",
        model_pattern="*", credential=credential, region="global", priority=0, active=True, seeded=False,
    )  # fmt: skip


def test_what_is_found_is_open_and_nothing_else_of_its_kind() -> None:
    alerts = [opened(LATE, "a"), opened(LATE, "b"), opened("auth", "c"), opened(RETIRES, "d", "old")]
    found = [Finding(LATE, "a", "other words"), Finding(LATE, "e", "m"), Finding(RETIRES, "d", "new")]
    changes = changes_of(found, alerts, {LATE, RETIRES})
    assert changes.raised == [found[1], found[2]]
    assert changes.resolved == [alerts[1]]
    assert changes_of([], alerts, {LATE}).resolved == alerts[:2]


def test_a_breaker_is_told_of_once_it_was_open_long_and_until_it_closes() -> None:
    catalog, name = Catalog.of(version=1, endpoints=[endpoint()]), f"{PLACE}|openai/gpt"
    rest = Rest("breaker", "timeout", "no answer", NOW, since=NOW)
    assert find_open({name: rest}, catalog, [], NOW + timedelta(seconds=59), 60) == []
    [found] = find_open({name: rest}, catalog, [], NOW + timedelta(seconds=60), 60)
    assert (found.kind, found.subject) == (BREAKER, "openai/gpt at http://here/v1")
    assert found.message == "no call has come through since 12:00 UTC; the last failed with timeout: no answer"
    old = Rest("breaker", "timeout", "no answer", NOW)  # opened by an earlier release, which did not say when
    assert find_open({name: old}, catalog, [opened(BREAKER, found.subject)], NOW, 60) != []
    assert find_open({name: old}, catalog, [], NOW + timedelta(seconds=62), 60) == []


def test_a_model_that_retires_soon_is_named_with_what_means_it() -> None:
    soon, far, gone = date(2026, 7, 1), date(2026, 7, 2), date(2026, 5, 1)
    catalog = Catalog.of(
        version=1,
        models=[
            model("soon", soon), model("far", far), model("gone", gone), model("unused", soon), model("called", soon),
            model("off", soon, active=False), model("stays"),
        ],
        aliases=[
            alias("fast", target("stays", 0), target("soon", 1), target("far", 2)),
            alias("smart", target("soon", 0), project=OWNER),
            alias("old", target("gone", 0), target("unused", 1, active=False), target("off", 2)),
        ],
        projects=[Project(OWNER, "nicestory", True, 100, {})],
    )  # fmt: skip
    found = {one.subject: one.message for one in find_retiring(catalog, {("openai", "called")}, NOW)}
    assert found == {
        "model openai/soon": "its provider switches it off on 2026-07-01; fast means it, target 2 of 3; "
        "smart of project nicestory means it, target 1 of 1",
        "model openai/gone": "its provider switched it off on 2026-05-01; old means it, target 1 of 2",
        "model openai/called": "its provider switches it off on 2026-07-01; it was called lately",
    }


def test_what_nothing_can_resolve_any_more_is_resolved() -> None:
    catalog = Catalog.of(version=1, endpoints=[endpoint("env:KEY")])
    kept, gone = opened("auth", "openai env:KEY"), opened("quota_exhausted", "openai env:OLD")
    assert over_credentials([kept, gone, opened(LATE, "openai env:OLD")], catalog) == [gone]
    fresh, old = (opened(DEAD_LETTERS, "jobs", ago=timedelta(minutes=one)) for one in (59, 61))
    assert old_letters([fresh, old, opened(LATE, "x", ago=timedelta(days=1))], NOW) == [old]
