"""Whatever the catalog and the request: routing answers, always the same, and never with a route that breaks a filter."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.catalog import Alias, Catalog, Endpoint, Model, Price, Project, Provider, Target, Voice
from core.estimates import most_usage
from core.filters import matches, serves
from core.health import Health, Rest
from core.pricing import price_usage
from core.provider import HandlerSpec
from core.request import JobRequest
from core.routing import Route, RoutePlan, Router

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HANDLERS = {
    "text.one": HandlerSpec("text.one", "text", "x:y"),
    "text.two": HandlerSpec("text.two", "text", "x:y"),
    "speech.one": HandlerSpec("speech.one", "speech", "x:y", frozenset({"mp3", "wav"})),
}
PROVIDERS = ("a", "b", "c")
MODELS = ("m1", "m2", "m3", "v1")
REGIONS = ("global", "eu")
CAPABILITIES = ("vision", "tools", "json_schema")
PROJECT = UUID(int=7)
STRATEGIES = ("priority", "cheapest", "fastest", "weighted", "cheapest_within")


@st.composite
def endpoints(draw: st.DrawFn) -> Endpoint:
    return Endpoint(
        id=UUID(int=draw(st.integers(1, 10**6))),
        provider=draw(st.sampled_from(PROVIDERS)),
        base_url="https://example.com",
        endpoint_pattern=None,
        handler_function=draw(st.sampled_from([*HANDLERS, "unknown"])),
        model_pattern=draw(st.sampled_from(["*", "m1", "m* !m2"])),
        credential=None,
        region=draw(st.sampled_from(REGIONS)),
        priority=draw(st.integers(1, 3)),
        active=draw(st.booleans()),
        seeded=True,
    )


@st.composite
def models(draw: st.DrawFn, provider: str, model_id: str) -> Model:
    return Model(
        provider,
        model_id,
        kind="speech" if model_id == "v1" else "text",
        context_window=draw(st.sampled_from([None, 50, 5000])),
        max_output_tokens=draw(st.sampled_from([None, 100])),
        capabilities=frozenset(draw(st.sets(st.sampled_from(CAPABILITIES)))),
        regions=tuple(draw(st.sets(st.sampled_from(REGIONS)))),
        active=draw(st.booleans()),
        retires_on=draw(st.sampled_from([None, date(2026, 11, 23), date(2026, 11, 24)])),
        parameters=draw(st.sampled_from([{}, {"sampling": "no"}, {"tools": "no"}])),
    )


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    known = [draw(models(provider, model_id)) for provider in PROVIDERS for model_id in MODELS]
    pairs = [(one.provider, one.model_id) for one in known]
    prices = [
        Price(*pair, NOW - timedelta(days=1), input_usd_per_mtok=Decimal(rate), output_usd_per_mtok=Decimal(rate))
        for pair in pairs
        if (rate := draw(st.sampled_from([None, "0", "1", "20"]))) is not None
    ]
    targets = tuple(
        Target(*pair, draw(st.integers(0, 5)), draw(st.sampled_from([0, 1, 100])), {}, draw(st.booleans()))
        for pair in draw(st.lists(st.sampled_from(pairs), unique=True, max_size=8))
    )
    alias = Alias(
        "mine",
        draw(st.sampled_from([None, PROJECT])),
        draw(st.sampled_from(STRATEGIES)),
        "fail",
        draw(st.sampled_from([100, 500])),
        1,
        targets,
        draw(st.sampled_from(["project", "job", "metadata.reader"])),
    )
    settings: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "region": st.sampled_from(REGIONS),
                "allowed_models": st.sampled_from([["a/*"], ["m1", "b/m2"], "not a list"]),
                "preferred_models": st.sampled_from([["b/*"], [3]]),
            },
        )
    )
    return Catalog.of(
        version=1,
        providers=[Provider(name, name, draw(st.booleans()), (), {}) for name in PROVIDERS],
        endpoints=draw(st.lists(endpoints(), max_size=8, unique_by=lambda one: one.id)),
        models=known,
        prices=prices,
        aliases=[alias, Alias("mine", None, "priority", "fail", None, 1, ())] if alias.project_id else [alias],
        voices=[Voice("grandmother", "a", "x", {})],
        projects=[Project(PROJECT, "p", True, 100, settings)],
    )


def requests() -> st.SearchStrategy[JobRequest]:
    needs = st.fixed_dictionaries(
        {},
        optional={
            "capabilities": st.lists(st.sampled_from(CAPABILITIES), unique=True),
            "region": st.sampled_from(["eu", "us"]),
            "max_cost_usd": st.sampled_from(["0.0001", "1"]),
            "max_latency_ms": st.sampled_from([100, 500]),
            "prefer": st.sampled_from(["cost", "speed"]),
        },
    )
    text = st.fixed_dictionaries(
        {"model": st.sampled_from(["mine", "m1", "a/m2"]), "prompt": st.sampled_from(["hi", "long " * 400])},
        optional={
            "requirements": needs,
            "fallbacks": st.lists(st.sampled_from(["m3", "b/m1"]), unique=True),
            "strict": st.booleans(),
            "temperature": st.just(0.5),
            "tools": st.just([{"type": "function", "function": {"name": "look", "parameters": {}}}]),
            "metadata": st.just({"reader": "r"}),
        },
    )
    speech = st.fixed_dictionaries(
        {"model": st.sampled_from(["mine", "v1"]), "kind": st.just("speech"), "input": st.just("hello")},
        optional={
            "voice": st.sampled_from(["grandmother", "provider-voice"]),
            "format": st.sampled_from(["mp3", "flac"]),
            "requirements": needs,
        },
    )
    return (text | speech).map(lambda fields: JobRequest.model_validate(fields, strict=False))


@st.composite
def healths(draw: st.DrawFn, catalog: Catalog) -> Health:
    known = [one for group in catalog.endpoints.values() for one in group]
    routes = {}
    for endpoint in known:
        for model_id in MODELS:
            if draw(st.booleans()):
                until = NOW + timedelta(seconds=draw(st.sampled_from([0, 30])))
                routes[endpoint.id, f"{endpoint.provider}/{model_id}"] = Rest("breaker", "overloaded", "down", until)
    missing = {one.id: "no key" for one in known if draw(st.integers(0, 4)) == 0}
    latency = {f"{provider}/m1": float(draw(st.sampled_from([50, 300, 900]))) for provider in PROVIDERS}
    return Health(without_credential=missing, routes=routes, latency_ms=latency)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_route_breaks_a_filter_and_every_answer_is_the_same(data: st.DataObject) -> None:
    catalog, request = data.draw(catalogs()), data.draw(requests())
    health = data.draw(healths(catalog))
    job = data.draw(st.sampled_from(["", "j1", "j2"]))
    router = Router(catalog, HANDLERS)
    plan = router.plan(request, PROJECT, health, NOW, job)
    assert (
        plan
        == router.plan(request, PROJECT, health, NOW, job)
        == Router(catalog, HANDLERS).plan(request, PROJECT, health, NOW, job)
    )
    for route in [*plan.routes, *(route for route, _ in plan.resting)]:
        check(route, request, catalog, health)
    assert all(health.rest_of(route.endpoint.id, route.model.name, NOW) is None for route in plan.routes)
    keys = [(route.endpoint.id, route.model.name, route.candidate.fallback) for route in plan.routes]
    assert len(set(keys)) == len(keys)
    assert every_candidate_is_accounted_for(plan, request, catalog)


def check(route: Route, request: JobRequest, catalog: Catalog, health: Health) -> None:
    model, endpoint, settings = route.model, route.endpoint, catalog.projects[PROJECT].settings
    needs = request.requirements
    assert model.active
    assert catalog.providers[model.provider].active
    assert endpoint.active
    assert model.kind == request.kind == route.handler.kind
    assert serves(endpoint.model_pattern, model.model_id)
    assert model.retires_on is None or model.retires_on > NOW.date()
    assert endpoint.region == ((needs.region if needs else None) or settings.get("region") or "global")
    assert endpoint.region in model.regions
    assert endpoint.id not in health.without_credential
    assert not (needs and set(needs.capabilities) - model.capabilities)
    assert not request.tools or ("tools" in model.capabilities and model.parameters.get("tools") != "no")
    assert not (request.strict and request.temperature and model.parameters.get("sampling") == "no")
    if isinstance(allowed := settings.get("allowed_models"), list):
        assert matches(model, tuple(allowed))
    if request.voice == "grandmother":
        assert route.voice is not None
        assert model.provider == "a"
    if request.format is not None:
        assert request.format in route.handler.formats
    if needs and needs.max_cost_usd is not None:
        most = price_usage(most_usage(request, model.max_output_tokens), route.price, endpoint.region)
        assert most is not None
        assert most <= needs.max_cost_usd


def every_candidate_is_accounted_for(plan: RoutePlan, request: JobRequest, catalog: Catalog) -> bool:
    """A model that the name means is a route, rests, or is excluded with a reason."""
    alias = catalog.find_alias(request.model, PROJECT)
    if alias is not None:
        named = {f"{one.provider}/{one.model_id}" for one in alias.targets}
    else:
        named = {one.name for one in catalog.find_models(request.model)}
    shown = {route.model.name for route in plan.routes} | {route.model.name for route, _ in plan.resting}
    return named <= shown | {one.model for one in plan.exclusions if one.reason}
