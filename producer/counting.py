"""How many jobs are ready and run, counted once for all who ask while the line is long."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime

from sql.demand import OpenJobs, count_demand
from sql.pool import Database

LONG = 10_000  # jobs; to count 100,000 takes a tenth of a second
GOOD_FOR_S = 2.0


class OpenCounts:
    """A long line changes little in two seconds; a short one is counted anew each time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counting = asyncio.Lock()
        self._counted: Sequence[OpenJobs] = ()
        self._good_until_s = 0.0

    async def read(self, now: datetime) -> Sequence[OpenJobs]:
        """By project and kind."""
        async with self._counting:
            if time.monotonic() >= self._good_until_s:
                self._counted = await count_demand(self._database, now)
                is_long = sum(one.ready for one in self._counted) >= LONG
                self._good_until_s = time.monotonic() + GOOD_FOR_S if is_long else 0.0
            return self._counted
