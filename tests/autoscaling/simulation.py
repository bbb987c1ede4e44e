"""A fleet on paper: jobs that come, workers that take a while to start, and the very functions that decide in earnest."""

import heapq
import math
from collections import ChainMap, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from core.demand import Load, Rule, Work, demand_of, workers_of
from core.forecast import NOTHING, Came, Past, forecast_per_s, quarter_of
from core.scaling import Asked, Bounds, remember, settle

LOOKS_EVERY_S = 2.0
ARRIVALS_OVER_S = 60.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """`at_s` of the day; it holds a slot for `service_s`."""

    at_s: float
    service_s: float


@dataclass(frozen=True, slots=True)
class World:
    """`starts_s`: from the decision to a worker that works. `ahead_s`: how far the forecast looks."""

    rule: Rule
    bounds: Bounds
    slots: int = 10
    starts_s: float = 30.0
    ahead_s: float = 120.0


@dataclass(slots=True)
class SimWorker:
    """Seconds of the day."""

    begun_s: float
    ready_s: float
    busy: int = 0
    leaving: bool = False


@dataclass(slots=True)
class Outcome:
    """`waits_s` by job in the order of their start; `counts`: time and workers, at every look."""

    waits_s: list[float] = field(default_factory=list)
    worker_s: float = 0.0
    counts: list[tuple[float, int]] = field(default_factory=list)


Strategy = Callable[["Fleet", float], int]


class Fleet:
    """One pool over one day. `strategy` says how many workers there should be."""

    def __init__(self, arrivals: Sequence[Arrival], world: World, strategy: Strategy, start: int) -> None:
        self.world = world
        self._strategy = strategy
        self._arrivals = deque(sorted(arrivals, key=lambda one: one.at_s))
        self.line: deque[Arrival] = deque()
        self.recent: deque[float] = deque()
        self._ends: list[tuple[float, int, SimWorker]] = []
        self._number = 0
        self.workers = [SimWorker(0.0, 0.0) for _ in range(start)]
        self.outcome = Outcome()
        self.busy_s = -math.inf

    @property
    def running(self) -> int:
        return sum(one.busy for one in self.workers)

    def run(self) -> Outcome:
        """Until the last job is over."""
        now_s = 0.0
        while self._arrivals or self.line or self._ends:
            self._advance(now_s)
            self._resize(self._strategy(self, now_s), now_s)
            self.outcome.counts.append((now_s, len(self.workers)))
            now_s += LOOKS_EVERY_S
        for one in self.workers:
            self.outcome.worker_s += now_s - one.begun_s
        return self.outcome

    def _advance(self, until_s: float) -> None:
        """All that happens until then, in its order."""
        while True:
            ends_s = self._ends[0][0] if self._ends else math.inf
            comes_s = self._arrivals[0].at_s if self._arrivals else math.inf
            ready_s = min((one.ready_s for one in self.workers if one.ready_s > self._seen_s), default=math.inf)
            now_s = min(ends_s, comes_s, ready_s)
            if now_s > until_s:
                return
            self._seen_s = now_s
            if now_s == ends_s:
                worker = heapq.heappop(self._ends)[2]
                worker.busy -= 1
            elif now_s == comes_s:
                self.line.append(self._arrivals.popleft())
                self.recent.append(now_s)
            self._take(now_s)
            self._let_go(now_s)

    _seen_s = -1.0

    def _take(self, now_s: float) -> None:
        while self.line:
            able = [
                one for one in self.workers if one.ready_s <= now_s and not one.leaving and one.busy < self.world.slots
            ]
            if not able:
                return
            worker, job = max(able, key=lambda one: one.busy), self.line.popleft()
            worker.busy += 1
            self._number += 1
            heapq.heappush(self._ends, (now_s + job.service_s, self._number, worker))
            self.outcome.waits_s.append(now_s - job.at_s)
            self.busy_s = now_s

    def _let_go(self, now_s: float) -> None:
        for one in [worker for worker in self.workers if worker.leaving and not worker.busy]:
            self.workers.remove(one)
            self.outcome.worker_s += now_s - one.begun_s

    def _resize(self, target: int, now_s: float) -> None:
        staying = [one for one in self.workers if not one.leaving]
        for one in [worker for worker in self.workers if worker.leaving][: max(0, target - len(staying))]:
            one.leaving = False
        staying = [one for one in self.workers if not one.leaving]
        room = self.world.bounds.most - len(self.workers)
        for _ in range(min(room, target - len(staying))):
            self.workers.append(SimWorker(now_s, now_s + self.world.starts_s))
        for one in sorted(staying, key=lambda one: one.busy)[: max(0, len(staying) - target)]:
            one.leaving = True
        self._let_go(now_s)


def fixed(_fleet: Fleet, _now_s: float) -> int:
    """As many as at the start."""
    return len(_fleet.workers)


class Following:
    """What `/v1/autoscaling` and `factory autoscale` would do; with a past, they also look ahead."""

    def __init__(self, world: World, day: datetime, service_s: float, past: Past | None) -> None:
        self._world = world
        self._day = day
        self._service_s = service_s
        self._past = past
        self._today: dict[datetime, Came] = {}
        self._asked: tuple[Asked, ...] = ()

    def __call__(self, fleet: Fleet, now_s: float) -> int:
        world, service_s = self._world, self._service_s
        while fleet.recent and fleet.recent[0] < now_s - ARRIVALS_OVER_S:  # rolled up no later than that
            quarter = quarter_of(self._day + timedelta(seconds=fleet.recent.popleft()))
            self._today[quarter] = Came(self._today.get(quarter, NOTHING).jobs + 1, 0)
        rate = self._forecast(now_s)
        load = Load(
            work=(Work("text", "any", len(fleet.line), fleet.running, service_s),),
            arrivals_per_s=len(fleet.recent) / ARRIVALS_OVER_S,
            service_s=service_s,
            oldest_wait_s=now_s - fleet.line[0].at_s if fleet.line else 0.0,
            busy_ago_s=0.0 if fleet.running else now_s - fleet.busy_s,
            forecast_per_s=rate,
            forecast_slots=None if rate is None else rate * service_s,
        )
        demand = demand_of(load, world.rule)
        workers = workers_of(demand.slots, (), world.slots, world.rule)
        self._asked = remember(self._asked, Asked(now_s, workers), world.bounds)
        staying = sum(not one.leaving for one in fleet.workers)
        return settle(self._asked, staying, world.bounds)[0]

    def _forecast(self, now_s: float) -> float | None:
        if self._past is None:
            return None
        known = replace(self._past, quarters=ChainMap(self._today, self._past.quarters))
        return forecast_per_s(known, self._day + timedelta(seconds=now_s), timedelta(seconds=self._world.ahead_s))
