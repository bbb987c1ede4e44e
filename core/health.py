"""What is known of the world beside the catalog: which routes rest, why and until when, and how fast models are."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from core.catalog import Catalog, Endpoint
from core.provider import ErrorKind, ProviderError

BREAKING = frozenset(
    {
        ErrorKind.overloaded,
        ErrorKind.server_error,
        ErrorKind.timeout,
        ErrorKind.connection,
        ErrorKind.not_available,
    }
)
UNNAMED_LIMIT = timedelta(seconds=2)
NO_CREDIT_FOR = timedelta(minutes=10)
DEAD_KEY_FOR = timedelta(days=30)  # or until the secret changes
LONGEST_REST = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """Opens after so many `failures` in a row, or when of the calls of about the last `window_s` so many and this
    `share` failed. It rests for `rest_s`, twice as long after each probe that failed, at most `rest_cap_s`; one probe
    at a time, which counts as lost after `probe_s`."""

    window_s: float = 10.0
    failures: int = 5
    share: float = 0.6
    rest_s: float = 5.0
    rest_cap_s: float = 60.0
    probe_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Rest:
    """A route that is not to be called. `scope` is that of a `Blame`, `kind` that of the error that began it. A
    breaker's rest that is over admits one probe; `since` is when it opened, by the clock of Redis."""

    scope: str
    kind: str
    reason: str
    until: datetime
    since: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        return self.until <= now


RouteKey = tuple[UUID, str]


@dataclass(frozen=True, slots=True)
class Health:
    """`routes`: by endpoint and model name (`provider/model_id`). `endpoints`: those whose credential rests.
    `without_credential`: those that lack theirs, with the reason. `latency_ms`: by model name, the median of the
    last minutes; a model that nobody called has none."""

    without_credential: Mapping[UUID, str] = field(default_factory=dict)
    endpoints: Mapping[UUID, Rest] = field(default_factory=dict)
    routes: Mapping[RouteKey, Rest] = field(default_factory=dict)
    latency_ms: Mapping[str, float] = field(default_factory=dict)

    def rest_of(self, endpoint_id: UUID, model: str, now: datetime) -> Rest | None:
        """Why this route is not to be called now, or None."""
        for rest in (self.endpoints.get(endpoint_id), self.routes.get((endpoint_id, model))):
            if rest is not None and not rest.is_over(now):
                return rest
        return None


@dataclass(frozen=True, slots=True)
class Blame:
    """What follows from an error for calls to come: the route or its credential rests, or its breaker counts it."""

    scope: str
    rest_s: float = 0.0


def blame(error: ProviderError) -> Blame | None:
    """By the table of ARCHITECTURE §7. `scope`: `breaker`, `route` or `credential`; None for the caller's own fault."""
    match error.kind:
        case kind if kind in BREAKING:
            return Blame("breaker")
        case ErrorKind.rate_limited:
            named = UNNAMED_LIMIT.total_seconds() if error.retry_after_s is None else error.retry_after_s
            return Blame("route", min(named, LONGEST_REST.total_seconds()))
        case ErrorKind.quota_exhausted:
            return Blame("credential", NO_CREDIT_FOR.total_seconds())
        case ErrorKind.auth:
            return Blame("credential", DEAD_KEY_FOR.total_seconds())
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Board:
    """What all workers have told each other, by the names below. A credential's mark is kept after its rest."""

    breakers: Mapping[str, Rest] = field(default_factory=dict)
    rests: Mapping[str, Rest] = field(default_factory=dict)
    credentials: Mapping[str, Rest] = field(default_factory=dict)
    latency_ms: Mapping[str, float] = field(default_factory=dict)


def route_name(endpoint_id: UUID, model: str) -> str:
    return f"{endpoint_id}|{model}"


def credential_name(endpoint: Endpoint, secret: str | None) -> str:
    """Changes with the secret, so that a new one starts afresh. Nothing of the secret can be read from it."""
    if endpoint.credential is None or secret is None:
        return f"endpoint {endpoint.id}|none"
    return f"{endpoint.credential}|{hashlib.sha256(b'factory credential ' + secret.encode()).hexdigest()[:12]}"


def health_of(
    board: Board,
    catalog: Catalog,
    without_credential: Mapping[UUID, str],
    secret_of: Callable[[Endpoint], str | None],
) -> Health:
    """The board as routing reads it. Where a route has two rests, the longer counts."""
    routes: dict[RouteKey, Rest] = {}
    for name, rest in (*board.breakers.items(), *board.rests.items()):
        endpoint_id, _, model = name.partition("|")
        key = (UUID(endpoint_id), model)
        if key not in routes or routes[key].until < rest.until:
            routes[key] = rest
    endpoints = {}
    if board.credentials:
        for one in (one for group in catalog.endpoints.values() for one in group):
            if (mark := board.credentials.get(credential_name(one, secret_of(one)))) is not None:
                endpoints[one.id] = mark
    return Health(without_credential, endpoints, routes, board.latency_ms)
