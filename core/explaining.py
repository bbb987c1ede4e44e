"""Why the routes of a plan stand in their order, in words. What `factory routes explain` and the API show."""

from datetime import datetime
from typing import Any

from core.health import Health, Rest
from core.routing import Route, RoutePlan


def explain_plan(plan: RoutePlan, health: Health) -> dict[str, Any]:
    """Routes in the order to try them, those that rest at the moment, and what is none, each with its reason."""
    return {
        "model": plan.name,
        "strategy": plan.ordering.strategy,
        "max_latency_ms": plan.ordering.bound_ms,
        "on_content_policy": plan.on_content_policy,
        "variant": plan.variant,
        "routes": [_show(route, plan, health) for route in plan.routes],
        "resting": [
            _show(route, plan, health) | {"rests_until": rest.until, "reason": describe_rest(rest)}
            for route, rest in plan.resting
        ],
        "exclusions": [
            {"model": one.model, "endpoint": one.endpoint, "code": one.code, "reason": one.reason}
            for one in plan.exclusions
        ],
    }


def why_no_route(plan: RoutePlan) -> tuple[str, str]:
    """The code that all its models share, else `no_route`, and every model's reason. What speaks against a model goes
    before what speaks against its endpoints."""
    against_models = {one.model: one for one in plan.exclusions if one.endpoint is None}
    shown = list(against_models.values()) + [one for one in plan.exclusions if one.model not in against_models]
    codes = {one.code for one in shown}
    reasons = "; ".join(dict.fromkeys(f"{one.model} {one.reason}" for one in shown)) or "it has no targets"
    return (codes.pop() if len(codes) == 1 else "no_route"), reasons


def _show(route: Route, plan: RoutePlan, health: Health) -> dict[str, Any]:
    return {
        "provider": route.model.provider,
        "model": route.model.model_id,
        "handler": route.handler.name,
        "endpoint": route.endpoint.base_url,
        "endpoint_id": route.endpoint.id,
        "region": route.endpoint.region,
        "price": route.price.reference if route.price else None,
        "cost_per_token": route.candidate.cost_per_token,
        "latency_ms": health.latency_ms.get(route.model.name),
        "voice": route.voice.provider_voice_id if route.voice else None,
        "reason": _reason(route, plan, health),
    }


def _reason(route: Route, plan: RoutePlan, health: Health) -> str:
    one, ordering = route.candidate, plan.ordering
    if one.fallback:
        return f"fallback {one.position + 1} of the request"
    latency = health.latency_ms.get(one.model.name)
    words = []
    match ordering.strategy:
        case "cheapest" | "cheapest_within":
            cost = "no known price" if one.cost_per_token is None else f"{one.cost_per_token:f} USD per token"
            words.append(f"by price: {cost}")
        case "fastest":
            words.append(_speed(latency, explores=ordering.explores))
        case "weighted" if one.model.name == plan.variant:
            words.append(f"drawn, with weight {one.weight}")
        case "weighted":
            words.append(f"not drawn, weight {one.weight}: for failover")
        case _:
            words.append(f"position {one.position}")
    if ordering.bound_ms is not None:
        late = latency is not None and latency > ordering.bound_ms
        words.append(f"{'beyond' if late else 'within'} {ordering.bound_ms:.0f} ms")
    if one.is_preferred and ordering.strategy != "weighted":
        words.append("among the project's preferred_models")
    words.append(f"endpoint priority {route.endpoint.priority}")
    return ", ".join(words)


def _speed(latency: float | None, *, explores: bool) -> str:
    if latency is not None:
        return f"by speed: {latency:.0f} ms at the median of the last minutes"
    return "by speed: not measured lately" + (", and this job explores" if explores else "")


def describe_rest(rest: Rest) -> str:
    """For operators and for a job whose every route rests."""
    until: datetime = rest.until
    return f"rests until {until:%Y-%m-%d %H:%M:%S} UTC after {rest.kind}: {rest.reason}"
