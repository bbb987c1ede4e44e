"""How many jobs the limits of their providers let run at once. Pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.budgets import Figures
from core.limits import Limits, Scope, route_scope
from core.routing import Route

RESTS_S = 5.0  # shorter rests are over before a worker is up


@dataclass(frozen=True, slots=True)
class CallLoad:
    """What a call takes on average: how long it lasts, and the tokens that count against limits."""

    seconds: float
    tokens: float


USUAL: Mapping[str, CallLoad] = {  # while no call was measured; tokens as in `core.limits.tokens_asked`
    "text": CallLoad(3.0, 1500.0),
    "speech": CallLoad(6.0, 1000.0),
    "embedding": CallLoad(0.5, 200.0),
}


@dataclass(frozen=True, slots=True)
class Said:
    """What a provider said lately of a scope; None: nothing. `others`: calls of others who use the account."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    most_at_once: int | None = None
    others: int | None = None
    rests_for_s: float = 0.0

    @classmethod
    def of(cls, said: Mapping[str, int]) -> "Said":
        """Out of what `Limiter.look` gives."""
        return cls(
            said.get("requests_per_minute"),
            said.get("tokens_per_minute"),
            said.get("most_at_once"),
            said.get("used_by_others"),
            said.get("rests_for_ms", 0) / 1000,
        )


@dataclass(frozen=True, slots=True)
class Places:
    """Calls that a scope lets run at once, and what says so: `concurrency requests_per_minute tokens_per_minute rest`;
    None where nothing limits them."""

    most: float = math.inf
    by: str | None = None


def call_load(provider: str, model: str, kind: str, figures: Figures) -> CallLoad:
    """By what was measured of the model, else of all of the kind, else as calls usually are."""
    usual, one = USUAL.get(kind, USUAL["text"]), figures.get((provider, model, kind))

    def measured(name: str) -> float | None:
        found: float | None = getattr(one, name, None)
        return mean_of_kind(name, kind, figures) if found is None else found

    duration_ms, tokens = measured("duration_ms_mean"), measured("tokens_mean")
    return CallLoad(
        usual.seconds if duration_ms is None else duration_ms / 1000, usual.tokens if tokens is None else tokens
    )


def mean_of_kind(name: str, kind: str, figures: Figures) -> float | None:
    """Of one of the figures, over all calls of a kind. None: nothing was measured."""
    alike = [(one.calls, getattr(one, name)) for one in figures.values() if one.kind == kind]
    measured = [(calls, found) for calls, found in alike if found is not None]
    total = sum(calls for calls, _ in measured)
    return sum(calls * found for calls, found in measured) / total if total else None


def calls_at_once(parts: Iterable[int], most_at_once: int) -> float:
    """Calls that jobs of so many parts have under way, on average while they run and none waits for a place: 3 at once
    speak 4 parts in two rounds, so 2. Out of what is asked for and not out of what ran: at a limit, jobs run with the
    calls that it leaves them, and a ceiling that went by those would rise to wherever it was."""
    counted = list(parts)
    rounds = sum(math.ceil(one / most_at_once) for one in counted)
    return sum(counted) / rounds if rounds else 1.0


def mix_of(loads: Iterable[tuple[CallLoad, float]]) -> CallLoad:
    """The average call of several sorts, with how much there is of each."""
    weighed = list(loads)
    total = sum(weight for _, weight in weighed)
    return CallLoad(
        sum(one.seconds * weight for one, weight in weighed) / total,
        sum(one.tokens * weight for one, weight in weighed) / total,
    )


def scopes_of(route: Route, providers: Mapping[str, Any]) -> tuple[Scope, Scope, Scope]:
    """The provider's, the endpoint's and the route's own."""
    provider = providers.get(route.model.provider)
    return (
        Scope(f"provider:{route.model.provider}", Limits.of(provider.limits if provider else None)),
        Scope(f"endpoint:{route.endpoint.id}", Limits.of(route.endpoint.limits)),
        Scope(route_scope(route.endpoint, route.model), Limits(), learned=True),
    )


def places_of(limits: Limits, said: Said, call: CallLoad) -> Places:
    """So many requests a minute keep those going that begin while one lasts; so many tokens a minute let so many begin
    as use them. One can always run: who is heavier than the limit has an empty minute to itself."""
    if said.rests_for_s > RESTS_S:
        return Places(0.0, "rest")
    found = [Places()]
    alone = None if said.most_at_once is None else max(0, said.most_at_once - (said.others or 0))
    found += [Places(float(one), "concurrency") for one in (limits.concurrency, alone) if one is not None]
    for name, each in (("requests_per_minute", 1.0), ("tokens_per_minute", call.tokens)):
        for rate in (getattr(limits, name), getattr(said, name)):
            if rate is not None and each >= 1:
                found.append(Places(float(max(1, math.ceil(rate / each / 60 * call.seconds))), name))
    return min(found, key=lambda one: one.most)


def ceiling_of(
    routes: Iterable[Route],
    providers: Mapping[str, Any],
    places: Mapping[str, Places],
    held: Mapping[str, float] | None = None,
) -> float:
    """Jobs that may run at once where each takes any of these routes, which fill up in their order: each within its
    own places, its endpoint's and its provider's. `places` by scope; `held`: places that a job takes, by the route's
    own scope, one where nothing is said. Whole, the last with fewer places than it could take, or infinite."""
    jobs, left = 0.0, {name: found.most for name, found in places.items()}
    for scopes in dict.fromkeys(tuple(scope.name for scope in scopes_of(route, providers)) for route in routes):
        room = min(left.get(scope, math.inf) for scope in scopes)
        if math.isinf(room):
            return math.inf
        for scope in scopes:
            left[scope] = left.get(scope, math.inf) - room
        jobs += room / (held or {}).get(scopes[-1], 1.0)
    return float(math.ceil(round(jobs, 6)))
