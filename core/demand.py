"""How many slots, and so workers, the work of a pool asks for. Pure.

Slots: those that run, and the larger of what clears the line within the target wait and what the arrivals of the last
minute need; more when the first in line waits too long; never more than providers leave room for. Workers: as many as
have these slots, where one whose event loop is late has none left.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NO_CEILING = math.inf
ROOM = 2.0
LEAST_FORESEEN = 0.05  # fewer jobs at once than that are no reason to have a worker


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker by its own word. `running`: jobs by pool. `lag_ms`: how late its event loop is. `state`: `working`, or
    `leaving` when it takes no more jobs. `started_at`: seconds since 1970. `jobs`: the ids of those that it runs."""

    name: str
    host: str
    pid: int
    pools: Sequence[str]
    slots: int
    running: Mapping[str, int]
    lag_ms: float
    state: str
    started_at: float
    jobs: Sequence[str] = ()

    @property
    def busy(self) -> int:
        return sum(self.running.values())


@dataclass(frozen=True, slots=True)
class Rule:
    """`target_wait_s`: how long a job may wait for a slot. `cool_down_s`: how long a pool without work keeps a worker.
    `full_lag_ms`: a worker whose event loop is later than that is short of CPU. `raise_most`: how much more is asked
    for when jobs wait longer than they should."""

    target_wait_s: float = 10.0
    cool_down_s: float = 120.0
    full_lag_ms: float = 100.0
    raise_most: float = 4.0


@dataclass(frozen=True, slots=True)
class Work:
    """Jobs that ask for the same. `service_s`: what one holds a slot for. `ceiling`: how many of them the limits of
    their providers let run at once. `call_tokens`: what one of their calls counts as there. `calls_at_once`: how many
    calls one of them has there at a time; a narration speaks several parts beside each other."""

    kind: str
    model: str
    ready: float
    running: float
    service_s: float
    ceiling: float = NO_CEILING
    call_tokens: float | None = None
    calls_at_once: float = 1.0


@dataclass(frozen=True, slots=True)
class Load:
    """Of a pool. `service_s`: of what arrives. `ceiling`: of all its work together. `busy_ago_s`: how long ago a job
    ran in it; None where nobody knows. `forecast_per_s`: arrivals that are expected soon, of `service_s` each; None
    without a forecast."""

    work: Sequence[Work]
    arrivals_per_s: float
    service_s: float
    oldest_wait_s: float = 0.0
    ceiling: float = NO_CEILING
    busy_ago_s: float | None = None
    forecast_per_s: float | None = None
    forecast_slots: float | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """`slots` is the larger of `reactive` and `predicted` (None without a forecast); `reason` says what made the
    number."""

    slots: int
    reactive: int
    predicted: int | None
    reason: str


def demand_of(load: Load, rule: Rule) -> Demand:
    """Slots that a pool should have now."""
    running, ready = (math.ceil(sum(getattr(one, name) for one in load.work)) for name in ("running", "ready"))
    extra, reason = _beside(load, ready, rule)
    wanted = math.ceil(_fitted(load.work, extra))
    reactive = max(running, int(min(wanted, load.ceiling)))
    if reactive < math.ceil(running + extra):
        reason = f"{reason}; limits leave room for {reactive}"
    if ready and not reactive:
        reactive, reason = 1, f"{ready} ready, all their routes rest"  # somebody has to try them again
    predicted = None
    if load.forecast_slots is not None:
        predicted = int(min(_with_room(load.forecast_slots), load.ceiling))
        if predicted > reactive:
            reason = f"{load.forecast_per_s or 0:.2g} jobs a second are expected soon"
    slots = max(reactive, predicted or 0)
    if not slots and (load.busy_ago_s is None or load.busy_ago_s < rule.cool_down_s):
        return Demand(1, reactive, predicted, "cooling down")
    return Demand(slots, reactive, predicted, reason if slots else "idle")


def _with_room(slots: float) -> int:
    """For a number that varies as jobs do that know nothing of each other: nearly always enough."""
    return math.ceil(slots + ROOM * math.sqrt(slots)) if slots >= LEAST_FORESEEN else 0


def _beside(load: Load, ready: int, rule: Rule) -> tuple[float, str]:
    """Slots beside those that run, before any limit."""
    backlog_s = sum(one.ready * one.service_s for one in load.work)
    late = min(rule.raise_most, max(1.0, load.oldest_wait_s / rule.target_wait_s))
    for_line = min(float(ready), late * backlog_s / rule.target_wait_s)
    for_arrivals = load.arrivals_per_s * load.service_s
    if for_line > for_arrivals:
        waits = f", the first for {load.oldest_wait_s:.0f} s" if late > 1 else ""
        return for_line, f"{ready} ready{waits}: {backlog_s:.1f} s of work within {rule.target_wait_s:g} s"
    return for_arrivals, f"{load.arrivals_per_s:.2g} jobs a second come" if for_arrivals else "jobs run"


def _fitted(work: Sequence[Work], extra: float) -> float:
    """Each part of the work gets its share of the slots, as far as its limits reach."""
    weights = [(one.ready or one.running) * one.service_s for one in work]
    if not (total := sum(weights)):
        return sum(one.running for one in work) + extra
    shares = (extra * weight / total for weight in weights)
    return sum(max(one.running, min(one.running + share, one.ceiling)) for one, share in zip(work, shares, strict=True))


def workers_of(slots: int, workers: Sequence[Worker], slots_per_worker: int, rule: Rule) -> int:
    """Workers that have so many slots between them: one that is short of CPU has as many as it has jobs."""
    if slots <= 0:
        return 0
    full = [one for one in workers if one.state == "working" and one.lag_ms > rule.full_lag_ms]
    left = max(0, slots - sum(one.busy for one in full))
    needed = math.ceil(slots / slots_per_worker)
    return max(needed, min(len(full), slots) + math.ceil(left / slots_per_worker)) if full else needed
