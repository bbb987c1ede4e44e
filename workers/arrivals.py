"""Counts what comes by quarters of an hour, for forecasts; one process of all does it."""

from datetime import timedelta

from broker.queue import JobQueue
from core.clock import utc_now
from core.forecast import KEPT, quarter_of
from core.ids import first_id_at
from sql.demand import prune_arrivals, read_arrival_span, roll_up_arrivals
from sql.pool import Database

EVERY_S = 20.0
MOST_AT_ONCE = timedelta(days=1)
_DUTY_S = 30.0


class ArrivalCounting:
    """Goes on where the last round ended: the last quarter is counted again, as it was not over."""

    def __init__(self, database: Database, queue: JobQueue, owner: str) -> None:
        self._database = database
        self._queue = queue
        self._owner = owner

    async def step(self) -> None:
        if not await self._queue.take_duty("arrivals", self._owner, _DUTY_S):
            return
        now = utc_now()
        earliest = quarter_of(now - MOST_AT_ONCE)
        last = (await read_arrival_span(self._database)).last
        await roll_up_arrivals(self._database, first_id_at(max(earliest, last) if last else earliest))
        await prune_arrivals(self._database, now - KEPT)
