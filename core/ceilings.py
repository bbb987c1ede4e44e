"""How many jobs the limits of their providers let run at once. Pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.limits import Limits, Scope, route_scope
from core.routing import Route

RESTS_S = 5.0  # shorter rests are over before a worker is up


@dataclass(frozen=True, slots=True)
class Said:
    """What a provider said lately of a scope; None: nothing. `others`: calls of others who use the account."""

    requests_per_minute: int | None = None
    most_at_once: int | None = None
    others: int | None = None
    rests_for_s: float = 0.0

    @classmethod
    def of(cls, said: Mapping[str, int]) -> "Said":
        """Out of what `Limiter.look` gives."""
        rests_for_s = said.get("rests_for_ms", 0) / 1000
        return cls(said.get("requests_per_minute"), said.get("most_at_once"), said.get("used_by_others"), rests_for_s)


def scopes_of(route: Route, providers: Mapping[str, Any]) -> tuple[Scope, Scope, Scope]:
    """The provider's, the endpoint's and the route's own."""
    provider = providers.get(route.model.provider)
    return (
        Scope(f"provider:{route.model.provider}", Limits.of(provider.limits if provider else None)),
        Scope(f"endpoint:{route.endpoint.id}", Limits.of(route.endpoint.limits)),
        Scope(route_scope(route.endpoint, route.model), Limits(), learned=True),
    )


def places_of(limits: Limits, said: Said, call_s: float) -> float:
    """Calls that a scope lets run at once. So many requests a minute keep those going that begin while one lasts."""
    if said.rests_for_s > RESTS_S:
        return 0.0
    alone = None if said.most_at_once is None else max(0, said.most_at_once - (said.others or 0))
    rates = (limits.requests_per_minute, said.requests_per_minute)
    by_rate = (max(1, math.ceil(rate / 60 * call_s)) for rate in rates if rate is not None)
    return min([math.inf, *(one for one in (limits.concurrency, alone) if one is not None), *by_rate])


def ceiling_of(routes: Iterable[Route], providers: Mapping[str, Any], places: Mapping[str, float]) -> float:
    """Of work that may take any of these routes: an endpoint has what its routes have together, a provider what its
    endpoints have, each within its own limit. `places` by scope; infinite without a limit."""
    by_provider: dict[str, dict[str, set[str]]] = {}
    for route in routes:
        provider, endpoint, own = (scope.name for scope in scopes_of(route, providers))
        by_provider.setdefault(provider, {}).setdefault(endpoint, set()).add(own)
    return sum(
        min(
            places.get(provider, math.inf),
            sum(
                min(places.get(endpoint, math.inf), sum(places.get(one, math.inf) for one in own))
                for endpoint, own in endpoints.items()
            ),
        )
        for provider, endpoints in by_provider.items()
    )
