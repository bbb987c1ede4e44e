"""Cancels whose hint was lost: what Postgres says of the jobs that run here."""

from sql.jobs import select_cancelling
from sql.pool import Database
from workers.running import RunningJobs


class LostCancels:
    """One statement every two seconds, when anything runs."""

    def __init__(self, database: Database, running: RunningJobs) -> None:
        self._database = database
        self._running = running

    async def step(self) -> None:
        """Stop what somebody wants stopped."""
        if not (running := self._running.ids()):
            return
        for job_id in await select_cancelling(self._database, running):
            self._running.cancel(job_id)
