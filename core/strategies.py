"""In which order the targets of an alias are tried. Pure: the same arguments, the same order."""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.catalog import Alias, Model
from core.records import record
from core.request import JobRequest

UNPRICED = Decimal("Infinity")
EXPLORED = 50  # under `fastest`, one job in so many tries a model that nobody has measured lately first


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that a name may mean. `preferred`: its place among the project's preferred models, 0 the first.
    `cost_per_token` in USD, at the price valid now; None = not known."""

    model: Model
    position: int
    weight: int
    parameters: Mapping[str, Any]
    active: bool
    fallback: bool
    preferred: int
    is_preferred: bool
    cost_per_token: Decimal | None


@record
class Ordering:
    """How a request is ordered. `draw` says what stays with its target under `weighted`."""

    strategy: str
    bound_ms: float | None
    draw: str
    explores: bool


def choose_ordering(request: JobRequest, alias: Alias | None, project_id: UUID | None, job: str) -> Ordering:
    """What the request asks for goes before what the alias says. `job` tells jobs apart."""
    strategy = alias.strategy if alias else "priority"
    bound: float | None = alias.latency_bound_ms if alias and strategy == "cheapest_within" else None
    if needs := request.requirements:
        strategy = {"cost": "cheapest", "speed": "fastest"}.get(needs.prefer or "", strategy)
        bound = needs.max_latency_ms or bound
    draw = _draw_key(request, alias, project_id, job) if strategy == "weighted" else ""
    explores = strategy == "fastest" and bool(job) and _hash(job) % EXPLORED == 0
    return Ordering(strategy, bound, draw, explores)


def _draw_key(request: JobRequest, alias: Alias | None, project_id: UUID | None, job: str) -> str:
    """What lacks the key of the metadata draws by the job."""
    split_by = alias.split_by if alias else "project"
    if split_by == "project":
        return str(project_id)
    value = request.metadata.get(split_by.removeprefix("metadata.")) if split_by != "job" else None
    return job if value is None else f"{split_by}={value}"


def order_candidates(
    candidates: Sequence[Candidate], ordering: Ordering, name: str, latency_ms: Mapping[str, float]
) -> list[Candidate]:
    """Those beyond the latency bound come last, fallbacks after everything; the project's preferred models first.

    A model without a measured latency counts as within every bound, and under `fastest` comes behind the measured
    ones, except in the jobs that explore.
    """
    keys: dict[str, Callable[[Candidate], tuple[Any, ...]]] = {
        "priority": lambda _one: (),
        "cheapest": lambda one: (cost_of(one),),
        "cheapest_within": lambda one: (cost_of(one),),
        "fastest": lambda one: _speed_key(latency_ms.get(one.model.name), explores=ordering.explores),
        "weighted": lambda one: (draw_score(name, ordering.draw, one),),
    }
    key, bound = keys[ordering.strategy], ordering.bound_ms
    weighted = ordering.strategy == "weighted"

    def rank(one: Candidate) -> tuple[Any, ...]:
        late = bound is not None and latency_ms.get(one.model.name, 0.0) > bound
        return (one.fallback, late, 0 if weighted else one.preferred, *(() if one.fallback else key(one)), one.position)

    return sorted(candidates, key=rank)


def is_static(ordering: Ordering) -> bool:
    """Does the catalog alone decide the order?"""
    return ordering.bound_ms is None and ordering.strategy in ("priority", "cheapest", "cheapest_within")


def cost_of(one: Candidate) -> Decimal:
    return UNPRICED if one.cost_per_token is None else one.cost_per_token


def _speed_key(measured: float | None, *, explores: bool) -> tuple[int, float]:
    if measured is None:
        return (0 if explores else 2, 0.0)
    return (1, measured)


def draw_score(name: str, draw: str, one: Candidate) -> float:
    """Lowest wins, in shares that follow the weights; a changed weight moves only as many draws as it must
    (weighted rendezvous hashing). Weight 0 is never drawn."""
    if one.weight <= 0:
        return math.inf
    point = (_hash(f"{name}\n{draw}\n{one.model.name}") + 0.5) / 2**64
    return -math.log(point) / one.weight


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
