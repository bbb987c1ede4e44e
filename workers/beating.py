"""What a worker says of itself every second: what it runs, and how late its event loop is."""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Callable

from broker.fleet import FleetBoard
from broker.leases import LeaseKeeper
from core.clock import utc_now
from core.demand import Worker
from core.settings import Settings

_EVERY_S = 1.0
_NAP_S = 0.1
_NEWEST = 0.3  # the weight of the last second in the lag


class WorkerBeat:
    """`step` takes a second: it naps, and sees how much too late it wakes up."""

    def __init__(
        self, fleet: FleetBoard, settings: Settings, name: str, leases: LeaseKeeper, is_leaving: Callable[[], bool]
    ) -> None:
        self._fleet = fleet
        self._settings = settings
        self._name = name
        self._leases = leases
        self._is_leaving = is_leaving
        self._started_at = utc_now().timestamp()
        self._lag_ms = 0.0

    async def step(self) -> None:
        await self._fleet.beat(self.describe())
        loop = asyncio.get_running_loop()
        ends, late_s = loop.time() + _EVERY_S, []
        while (began := loop.time()) < ends:
            await asyncio.sleep(_NAP_S)
            late_s.append(max(0.0, loop.time() - began - _NAP_S))
        self._lag_ms += _NEWEST * (1000 * sum(late_s) / len(late_s) - self._lag_ms)

    def describe(self) -> Worker:
        held = self._leases.tickets()
        return Worker(
            name=self._name,
            host=socket.gethostname(),
            pid=os.getpid(),
            pools=self._settings.pools,
            slots=self._settings.worker_slots,
            running=dict(Counter(one.pool for one in held)),
            lag_ms=round(self._lag_ms, 1),
            state="leaving" if self._is_leaving() else "working",
            started_at=self._started_at,
            jobs=[str(one.id) for one in held],
        )
