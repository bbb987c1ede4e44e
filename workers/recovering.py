"""Puts into Redis what belongs there by Postgres: what it forgot, and what never arrived."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from broker.queue import JobQueue, Ticket, pool_of, score_of
from core.catalog import Catalog
from core.clock import utc_now
from core.logging import get_logger
from sql.following import CatalogFollower
from sql.jobs import OpenJob, ReleasedJob, StartedJob, select_queued_jobs, select_running_jobs
from sql.pool import Database

EVERY_S = 1.0
SETTLED = timedelta(seconds=4)
ROUND_EVERY = timedelta(seconds=60)
_LOOKED_BACK = timedelta(minutes=10)
_PAGE = 500
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_NOBODY = UUID(int=0)
_DUTY_S = 10.0


def ticket_of(job: OpenJob | ReleasedJob | StartedJob, catalog: Catalog, *, least_s: float = 0.0) -> Ticket:
    """A job's place in line, not before `least_s`; that of a started one is at once."""
    wait_s = 0.0 if isinstance(job, StartedJob) else job.wait_s
    return Ticket(
        id=job.id,
        fence=job.fence,
        pool=pool_of(job.kind),
        project=job.project_id,
        weight=catalog.weight_of(job.project_id),
        score=score_of(job.priority, job.created_at),
        delay_s=max(wait_s, least_s),
    )


class Recovery:
    """One process of all does the round; it is found anew when that one dies.

    A job that is running somewhere is handed over with the delay of a whole lease: by then its holder has renewed and
    taken it out of line again, or there is no holder.
    """

    def __init__(
        self, database: Database, queue: JobQueue, catalog: CatalogFollower, owner: str, lease_s: float
    ) -> None:
        self._database = database
        self._queue = queue
        self._catalog = catalog
        self._owner = owner
        self._lease_s = lease_s
        self._newest = (utc_now() - _LOOKED_BACK, _NOBODY)
        self._round = (_LONG_AGO, _NOBODY)
        self._rest_until = utc_now()
        self._weighed: Catalog | None = None

    async def step(self) -> None:
        """Look at Redis' memory; verify what was written since the last step, and a page of everything."""
        if not await self._queue.take_duty("recovery", self._owner, _DUTY_S):
            return
        if (identity := await self._queue.look_at_memory()) is not None:
            self._weighed = None
            await self._fill(identity)
        if self._weighed is not (catalog := self._catalog.current):
            await self._queue.weigh({one.id: one.weight for one in catalog.projects.values()})
            self._weighed = catalog
        self._newest, new = await self._hand_over_queued(self._newest)
        new += await self._go_round()
        if new:
            get_logger(__name__).info("handed over again", jobs=new)

    async def _fill(self, identity: str) -> None:
        """Everything, as fast as it goes page by page."""
        place, handed = (_LONG_AGO, _NOBODY), 0
        while True:
            before = place
            place, new = await self._hand_over_queued(place, settled=timedelta(0))
            handed += new
            await self._queue.take_duty("recovery", self._owner, _DUTY_S)
            if place == before:
                break
        handed += await self._hand_over_running()
        await self._queue.remember_filled(identity)
        get_logger(__name__).info("Redis was filled from Postgres", jobs=handed)

    async def _go_round(self) -> int:
        """All queued jobs in a minute or more, then the running ones."""
        if utc_now() < self._rest_until:
            return 0
        before = self._round
        self._round, new = await self._hand_over_queued(before)
        if self._round == before:
            new += await self._hand_over_running()
            self._round, self._rest_until = (_LONG_AGO, _NOBODY), utc_now() + ROUND_EVERY
            self._weighed = None
        return new

    async def _hand_over_queued(
        self, place: tuple[datetime, UUID], settled: timedelta = SETTLED
    ) -> tuple[tuple[datetime, UUID], int]:
        jobs = await select_queued_jobs(self._database, *place, settled, _PAGE)
        if not jobs:
            return place, 0
        catalog = self._catalog.current
        new = await self._queue.hand_over([ticket_of(job, catalog) for job in jobs])
        return (jobs[-1].queued_at, jobs[-1].id), new

    async def _hand_over_running(self) -> int:
        place, new = _NOBODY, 0
        while jobs := await select_running_jobs(self._database, place, _PAGE):
            catalog = self._catalog.current
            tickets = [ticket_of(job, catalog, least_s=self._lease_s + 1) for job in jobs]
            new += await self._queue.hand_over(tickets)
            place = jobs[-1].id
        return new
