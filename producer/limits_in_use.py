"""What is in use of every limit, for operators."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from core.catalog import Catalog, Endpoint
from core.filters import serves
from core.limits import Limits, Scope, project_scope, route_scope
from producer.composition import Services


async def read_limits_in_use(services: Services) -> list[dict[str, Any]]:
    """Limits that are set, and those that a provider named within the last minute. Raises RedisError."""
    catalog = services.catalog.current
    projects = {one.id: (one.name, Limits.of(one.settings.get("limits"))) for one in catalog.projects.values()}
    limited = {key: found for key, found in projects.items() if found[1]}
    named = [(f"project {name}", Scope(project_scope(key), limits)) for key, (name, limits) in limited.items()]
    named += [*_of_providers(catalog), *_of_routes(catalog)]
    holdings = await services.limiter.look([scope for _, scope in named])
    running = await services.queue.count_running(list(limited))
    rows = []
    for place, ((name, scope), held) in enumerate(zip(named, holdings, strict=True)):
        if scope.limits or held["said"]:
            limits = {key: value for key, value in asdict(scope.limits).items() if value is not None}
            runs = running[place] if place < len(running) else held["places"]
            used = {"requests": held["requests"], "tokens": held["tokens"], "running": runs}
            rows.append({"scope": name, "limits": limits, **used, "said": held["said"]})
    return rows


def _of_providers(catalog: Catalog) -> Iterator[tuple[str, Scope]]:
    for provider in catalog.providers.values():
        yield f"provider {provider.id}", Scope(f"provider:{provider.id}", Limits.of(provider.limits))
        for endpoint in catalog.endpoints.get(provider.id, ()):
            yield (
                f"endpoint {_said(endpoint)}",
                Scope(f"endpoint:{endpoint.id}", Limits.of(endpoint.limits)),
            )


def _of_routes(catalog: Catalog) -> Iterator[tuple[str, Scope]]:
    for provider, endpoints in catalog.endpoints.items():
        for endpoint in endpoints:
            served = {
                route_scope(endpoint, model): model.name.partition(":")[0]
                for model in catalog.models.values()
                if model.provider == provider and serves(endpoint.model_pattern, model.model_id)
            }
            for scope, name in sorted(served.items()):
                yield f"route {name} at {_said(endpoint)}", Scope(scope, Limits(), learned=True)


def _said(endpoint: Endpoint) -> str:
    return f"{endpoint.base_url} ({endpoint.handler_function})"
