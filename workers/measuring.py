"""Measures what good calls used lately; one process of all does it."""

from broker.queue import JobQueue
from sql.budgets import measure_calls
from sql.pool import Database

EVERY_S = 60.0
CALLS = 20_000
_DUTY_S = 90.0


class CallMeasuring:
    def __init__(self, database: Database, queue: JobQueue, owner: str) -> None:
        self._database = database
        self._queue = queue
        self._owner = owner

    async def step(self) -> None:
        if await self._queue.take_duty("figures", self._owner, _DUTY_S):
            await measure_calls(self._database, CALLS)
