from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from core.catalog import Alias, Catalog, Endpoint, Model, Price, Project, Provider, Target, Voice
from core.errors import UnknownModel
from core.explaining import explain_plan
from core.filters import serves
from core.health import Health, Rest
from core.provider import HandlerSpec
from core.request import JobRequest
from core.routing import RoutePlan, Router

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CHAT = HandlerSpec("openai.chat_completions", "text", "x:y")
HANDLERS = {
    CHAT.name: CHAT,
    "google.generate_content": HandlerSpec("google.generate_content", "text", "x:y"),
    "openai.speech": HandlerSpec("openai.speech", "speech", "x:y", frozenset({"mp3", "wav", "aac"})),
    "google.speech": HandlerSpec("google.speech", "speech", "x:y", frozenset({"mp3", "wav", "flac"})),
}
MINUTE = timedelta(minutes=1)
PROJECT = Project(uuid4(), "nicestory", True, 100, {})


def endpoint(provider: str, handler: str, **more: Any) -> Endpoint:
    fields: dict[str, Any] = {
        "id": uuid4(),
        "provider": provider,
        "base_url": f"https://{provider}.example/v1",
        "endpoint_pattern": None,
        "handler_function": handler,
        "model_pattern": "*",
        "credential": None,
        "region": "global",
        "priority": 100,
        "active": True,
        "seeded": True,
    }
    return Endpoint(**{**fields, **more})


def price(provider: str, model_id: str, amount: str) -> Price:
    rate = Decimal(amount)
    return Price(
        provider, model_id, datetime(2026, 1, 1, tzinfo=UTC), input_usd_per_mtok=rate, output_usd_per_mtok=rate
    )


def catalog(**changes: Any) -> Catalog:
    parts: dict[str, Any] = {
        "version": 1,
        "providers": [Provider(name, name, True, ("global",), {}) for name in ("openai", "google")],
        "endpoints": [
            endpoint("openai", "openai.chat_completions"),
            endpoint("openai", "openai.speech"),
            endpoint("google", "google.generate_content"),
            endpoint("google", "google.speech"),
        ],
        "models": [
            Model("openai", "gpt-big", "text", 100_000, 8000, capabilities=frozenset({"text", "vision", "tools"})),
            Model("google", "gem-small", "text", 10_000, 8000, capabilities=frozenset({"text", "json_schema"})),
            Model("openai", "voice-o", "speech", max_input_characters=100),
            Model("google", "voice-g", "speech", max_input_characters=1000),
        ],
        "prices": [price("openai", "gpt-big", "5"), price("google", "gem-small", "1")],
        "aliases": [
            alias("fast", ("openai", "gpt-big"), ("google", "gem-small")),
            alias("cheap", ("openai", "gpt-big"), ("google", "gem-small"), strategy="cheapest"),
            alias("narrator", ("openai", "voice-o"), ("google", "voice-g")),
        ],
        "voices": [Voice("grandmother", "google", "Kore", {})],
        "projects": [PROJECT],
    }
    return Catalog.of(**{**parts, **changes})


def alias(
    name: str,
    *targets: tuple[str, str],
    strategy: str = "priority",
    project_id: UUID | None = None,
    weights: tuple[int, ...] = (100, 100),
    split_by: str = "project",
    bound_ms: int | None = None,
) -> Alias:
    rows = tuple(
        Target(provider, model, place, weight, {})
        for place, ((provider, model), weight) in enumerate(zip(targets, weights, strict=False))
    )
    return Alias(name, project_id, strategy, "fail", bound_ms, 1, rows, split_by)


BOTH = (("openai", "gpt-big"), ("google", "gem-small"))


def plan(house: Catalog | None = None, health: Health | None = None, job: str = "", **request: Any) -> RoutePlan:
    fields: Mapping[str, Any] = {"model": "fast", **({"prompt": "hi"} if "input" not in request else {}), **request}
    parsed = JobRequest.model_validate(fields, strict=False)
    return Router(house or catalog(), HANDLERS).plan(parsed, PROJECT.id, health or Health(), NOW, job)


def chat_of(house: Catalog) -> UUID:
    return next(one.id for one in house.endpoints["openai"] if one.handler_function == CHAT.name)


def models(found: RoutePlan) -> list[str]:
    return [route.model.model_id for route in found.routes]


def reasons(found: RoutePlan) -> dict[str, str]:
    return {exclusion.model: exclusion.reason for exclusion in found.exclusions}


def test_targets_are_tried_in_the_order_of_their_positions() -> None:
    assert models(plan()) == ["gpt-big", "gem-small"]


def test_cheapest_goes_by_price() -> None:
    assert models(plan(model="cheap")) == ["gem-small", "gpt-big"]


def test_a_request_may_prefer_cost() -> None:
    assert models(plan(requirements={"prefer": "cost"})) == ["gem-small", "gpt-big"]


def test_an_unpriced_model_is_never_the_cheapest() -> None:
    assert models(plan(catalog(prices=[price("openai", "gpt-big", "5")]), model="cheap")) == ["gpt-big", "gem-small"]


def test_a_model_may_be_named_by_its_id_or_with_its_provider() -> None:
    assert models(plan(model="gem-small")) == models(plan(model="google/gem-small")) == ["gem-small"]


def test_an_explicit_model_goes_on_to_its_fallbacks_and_nowhere_else() -> None:
    assert models(plan(model="gem-small", fallbacks=["gpt-big"])) == ["gem-small", "gpt-big"]


def test_an_unknown_name_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(UnknownModel, match="cheap, fast, narrator"):
        plan(model="quick")
    with pytest.raises(UnknownModel, match=r"fallbacks\.0"):
        plan(fallbacks=["nothing"])


def test_a_project_may_give_an_alias_a_meaning_of_its_own() -> None:
    own = alias("fast", ("google", "gem-small"), project_id=PROJECT.id)
    house = catalog(aliases=[alias("fast", ("openai", "gpt-big")), own])
    assert models(plan(house)) == ["gem-small"]


def test_what_a_model_lacks_excludes_it_with_the_reason() -> None:
    found = plan(requirements={"capabilities": ["json_schema"]})
    assert models(found) == ["gem-small"]
    assert reasons(found) == {"openai/gpt-big": "lacks json_schema"}


def test_a_schema_alone_excludes_nobody() -> None:
    asked = {"type": "json_schema", "json_schema": {"schema": {}}}
    assert models(plan(response_format=asked)) == ["gpt-big", "gem-small"]


def test_a_prompt_beyond_the_window_excludes_the_model() -> None:
    found = plan(prompt="x" * 100_000)
    assert models(found) == ["gpt-big"]
    assert "at most 10000 tokens" in reasons(found)["google/gem-small"]


def test_a_text_too_long_to_speak_at_once_excludes_only_formats_that_cannot_be_joined() -> None:
    assert models(plan(model="narrator", kind="speech", input="x" * 500)) == ["voice-o", "voice-g"]
    found = plan(model="narrator", kind="speech", input="x" * 500, format="aac")
    assert models(found) == []
    assert "parts in aac cannot be joined" in reasons(found)["openai/voice-o"]


def test_a_voice_that_a_provider_lacks_excludes_its_routes() -> None:
    found = plan(model="narrator", kind="speech", input="hi", voice="grandmother")
    assert [route.voice.provider_voice_id for route in found.routes if route.voice] == ["Kore"]


def test_a_voice_known_as_another_providers_own_excludes_the_route() -> None:
    cast = [Voice("hero", "google", "Puck", {}), Voice("hero", "openai", "ash", {})]
    house = catalog(voices=cast)
    asked = {"model": "narrator", "kind": "speech", "input": "hi"}
    assert models(plan(house, **asked, voice="ash")) == ["voice-o"]
    assert models(plan(house, **asked, voice="Puck")) == ["voice-g"]
    assert models(plan(house, **asked, voice="nobody-knows")) == ["voice-o", "voice-g"]
    uncast = catalog(voices=cast[:1])
    assert models(plan(uncast, **asked, voice="Puck")) == ["voice-o", "voice-g"]


def test_a_format_that_a_handler_cannot_deliver_excludes_the_route() -> None:
    assert models(plan(model="narrator", kind="speech", input="hi", format="flac")) == ["voice-g"]


def test_retirement_counts_from_the_day() -> None:
    retired = Model("openai", "gpt-big", "text", 100_000, retires_on=date(2026, 11, 23))
    house = catalog(models=[retired, Model("google", "gem-small", "text", 10_000)])
    assert models(plan(house)) == ["gem-small"]


def test_a_cost_ceiling_excludes_what_may_cost_more() -> None:
    assert models(plan(max_output_tokens=1000, requirements={"max_cost_usd": "0.002"})) == ["gem-small"]


def test_region_is_hard() -> None:
    endpoints = [
        endpoint("openai", "openai.chat_completions"),
        endpoint("openai", "openai.chat_completions", region="eu", priority=200),
        endpoint("google", "google.generate_content"),
        endpoint("google", "google.generate_content", region="eu"),
    ]
    european = Model("openai", "gpt-big", "text", 100_000, regions=("global", "eu"))
    house = catalog(endpoints=endpoints, models=[european, Model("google", "gem-small", "text", 10_000)])
    found = plan(house, requirements={"region": "eu"}, fallbacks=["gem-small"])
    assert [(route.model.model_id, route.endpoint.region) for route in found.routes] == [("gpt-big", "eu")]
    why = [one.reason for one in found.exclusions if one.model == "google/gem-small"]
    assert any("not among the model's regions" in reason for reason in why)
    assert {route.endpoint.region for route in plan(house).routes} == {"global"}


def test_endpoints_of_a_provider_are_tried_in_priority_order() -> None:
    near = endpoint("openai", "openai.chat_completions", priority=10, model_pattern="gpt-*", seeded=False)
    house = catalog(endpoints=[endpoint("openai", "openai.chat_completions"), near])
    found = plan(house, model="gpt-big")
    assert [route.endpoint.priority for route in found.routes] == [10, 100]


def test_an_endpoint_without_its_key_is_no_route() -> None:
    keyed = endpoint("openai", "openai.chat_completions", credential="env:OPENAI_API_KEY")
    house = catalog(endpoints=[keyed, endpoint("google", "google.generate_content")])
    found = plan(house, Health(without_credential={keyed.id: "its credential env:OPENAI_API_KEY is not set"}))
    assert models(found) == ["gem-small"]
    assert "OPENAI_API_KEY" in reasons(found)["openai/gpt-big"]


def test_an_unknown_handler_is_no_route() -> None:
    house = catalog(endpoints=[endpoint("openai", "openai.next_year"), endpoint("google", "google.generate_content")])
    assert models(plan(house)) == ["gem-small"]


def test_a_models_pattern_may_name_and_exclude() -> None:
    assert serves("*", "anything")
    assert serves("gpt-* !gpt-*-pro", "gpt-6")
    assert not serves("gpt-* !gpt-*-pro", "gpt-6-pro")
    assert not serves("llama-*", "gpt-6")


def weighted(*weights: int, split_by: str) -> Catalog:
    return catalog(aliases=[alias("fast", *BOTH, strategy="weighted", weights=weights, split_by=split_by)])


def test_a_weighted_alias_gives_a_project_the_same_variant_every_time() -> None:
    house = weighted(50, 50, split_by="project")
    drawn = {(models(plan(house, job=str(job)))[0], plan(house, job=str(job)).variant) for job in range(20)}
    assert len(drawn) == 1


@pytest.mark.parametrize("split_by", ["job", "metadata.reader"])
def test_weights_are_shares(split_by: str) -> None:
    house = weighted(80, 20, split_by=split_by)
    drawn = [plan(house, job=f"{n}", metadata={"reader": n}).variant for n in range(10_000)]
    assert abs(drawn.count("openai/gpt-big") / 10_000 - 0.8) < 0.02
    assert drawn == [plan(house, job=f"{n}", metadata={"reader": n}).variant for n in range(10_000)]


def test_a_changed_weight_moves_only_as_many_as_it_must() -> None:
    before, after = weighted(80, 20, split_by="job"), weighted(90, 10, split_by="job")
    pairs = [(plan(before, job=f"{n}").variant, plan(after, job=f"{n}").variant) for n in range(4000)]
    moved = [pair for pair in pairs if pair[0] != pair[1]]
    assert set(moved) == {("google/gem-small", "openai/gpt-big")}
    assert len(moved) / 4000 < 0.15


def test_without_the_key_of_the_metadata_jobs_draw_for_themselves() -> None:
    house = weighted(50, 50, split_by="metadata.reader")
    assert {plan(house, job=f"{n}").variant for n in range(50)} == {"openai/gpt-big", "google/gem-small"}


def test_the_variant_is_the_one_that_was_drawn_also_while_it_rests() -> None:
    house = weighted(100, 0, split_by="job")
    resting = {(chat_of(house), "openai/gpt-big"): Rest("breaker", "overloaded", "down", NOW + MINUTE)}
    found = plan(house, Health(routes=resting), job="1")
    assert (models(found), found.variant) == (["gem-small"], "openai/gpt-big")


def test_fastest_goes_by_what_was_measured() -> None:
    house = catalog(aliases=[alias("fast", *BOTH, strategy="fastest")])
    speeds = Health(latency_ms={"openai/gpt-big": 900.0, "google/gem-small": 300.0})
    assert models(plan(house, speeds)) == ["gem-small", "gpt-big"]
    assert models(plan(requirements={"prefer": "speed"}, health=speeds)) == ["gem-small", "gpt-big"]
    assert models(plan(house)) == ["gpt-big", "gem-small"]


def test_under_fastest_a_few_jobs_try_what_nobody_measured() -> None:
    house = catalog(aliases=[alias("fast", *BOTH, strategy="fastest")])
    speeds = Health(latency_ms={"openai/gpt-big": 900.0})
    first = [models(plan(house, speeds, job=f"{n}"))[0] for n in range(2000)]
    assert 10 < first.count("gem-small") < 80


def test_cheapest_within_puts_the_slow_ones_last() -> None:
    house = catalog(aliases=[alias("fast", *BOTH, strategy="cheapest_within", bound_ms=500)])
    assert models(plan(house)) == ["gem-small", "gpt-big"]
    slow = Health(latency_ms={"google/gem-small": 800.0})
    assert models(plan(house, slow)) == ["gpt-big", "gem-small"]
    assert models(plan(house, slow, requirements={"max_latency_ms": 1000})) == ["gem-small", "gpt-big"]


def test_a_request_may_bound_the_latency_of_any_strategy() -> None:
    slow = Health(latency_ms={"openai/gpt-big": 800.0})
    assert models(plan(health=slow, requirements={"max_latency_ms": 500})) == ["gem-small", "gpt-big"]


def test_a_projects_preferred_models_go_first() -> None:
    liked = replace(PROJECT, settings={"preferred_models": ["google/*"]})
    assert models(plan(catalog(projects=[liked]))) == ["gem-small", "gpt-big"]


def test_what_rests_is_no_route_now_and_is_named() -> None:
    house = catalog()
    resting = {(chat_of(house), "openai/gpt-big"): Rest("route", "rate_limited", "429", NOW + MINUTE)}
    found = plan(house, Health(routes=resting))
    assert models(found) == ["gem-small"]
    assert [(route.model.model_id, rest.kind) for route, rest in found.resting] == [("gpt-big", "rate_limited")]
    over = {key: replace(rest, until=NOW) for key, rest in resting.items()}
    assert models(plan(house, Health(routes=over))) == ["gpt-big", "gem-small"]


def test_a_price_that_comes_into_force_changes_the_order_at_that_moment() -> None:
    later = replace(price("google", "gem-small", "9"), valid_from=NOW + MINUTE)
    prices = [price("openai", "gpt-big", "5"), price("google", "gem-small", "1"), later]
    router = Router(catalog(prices=prices), HANDLERS)
    request = JobRequest.model_validate({"model": "cheap", "prompt": "x"})
    for _ in range(2):
        assert models(router.plan(request, None, Health(), NOW))[0] == "gem-small"
    assert models(router.plan(request, None, Health(), NOW + MINUTE))[0] == "gpt-big"


def test_a_model_retires_while_the_worker_runs() -> None:
    retiring = Model("openai", "gpt-big", "text", 100_000, retires_on=date(2026, 11, 24))
    router = Router(catalog(models=[retiring, Model("google", "gem-small", "text", 10_000)]), HANDLERS)
    request = JobRequest.model_validate({"model": "fast", "prompt": "x"})
    assert models(router.plan(request, None, Health(), NOW)) == ["gpt-big", "gem-small"]
    assert models(router.plan(request, None, Health(), NOW + 12 * 60 * MINUTE)) == ["gem-small"]


def test_each_route_says_why_it_stands_where_it_stands() -> None:
    found = plan(model="cheap", fallbacks=["gpt-big"])
    reasons_shown = [route["reason"] for route in explain_plan(found, Health())["routes"]]
    assert reasons_shown[0] == "by price: 0.000001 USD per token, endpoint priority 100"
    assert reasons_shown[-1] == "fallback 1 of the request"


def test_a_switched_off_provider_is_no_route() -> None:
    house = catalog(providers=[Provider("openai", "openai", False, (), {}), Provider("google", "google", True, (), {})])
    assert models(plan(house)) == ["gem-small"]


def test_strict_excludes_what_would_leave_a_parameter_out() -> None:
    picky = Model("openai", "gpt-big", "text", parameters={"sampling": "no"})
    house = catalog(models=[picky, Model("google", "gem-small", "text")])
    assert models(plan(house, temperature=0.3)) == ["gpt-big", "gem-small"]
    found = plan(house, temperature=0.3, strict=True)
    assert models(found) == ["gem-small"]
    assert "temperature" in reasons(found)["openai/gpt-big"]


def test_tools_are_never_left_out() -> None:
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]
    none = Model("openai", "gpt-big", "text", capabilities=frozenset({"tools"}), parameters={"tools": "no"})
    house = catalog(models=[none, Model("google", "gem-small", "text", capabilities=frozenset({"tools"}))])
    assert models(plan(house, tools=tools)) == ["gem-small"]
