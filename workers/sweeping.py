"""Hands over again what Redis forgot or never heard of."""

from datetime import timedelta

from broker.handover import Handover
from core.logging import get_logger
from sql.jobs import select_due_jobs
from sql.pool import Database

OVERDUE = timedelta(seconds=4)
AT_ONCE = 500


class Sweeper:
    """Postgres is the truth: a queued job whose time has come belongs in Redis, and so does a started one
    that has outlived every timeout."""

    def __init__(self, database: Database, handover: Handover, job_timeout_s: float) -> None:
        self._database = database
        self._handover = handover
        self._orphaned = timedelta(seconds=job_timeout_s + 30)

    async def step(self) -> int:
        """One round; returns how many jobs Redis did not have."""
        due = await select_due_jobs(self._database, None, OVERDUE, self._orphaned, AT_ONCE)
        new = await self._handover.hand_over([(job.id, job.fence, job.run_at) for job in due])
        if new:
            get_logger(__name__).info("handed over again", jobs=new)
        return new
