"""Identical requests of a project, in flight at once: one makes the call, the others wait in no line for its answer."""

from collections.abc import Sequence

from redis.exceptions import RedisError

from broker.queue import JobQueue
from core.batcher import Batcher
from core.fingerprint import CacheUse, policy_of
from core.logging import get_logger
from sql.cache import Boarded, Boarding, board_flights, evict_entries, unpark_landed, unpark_lost
from sql.following import CatalogFollower
from sql.jobs import StartedJob
from sql.patience import is_about_one
from sql.pool import Database
from workers.endings import Back, Over
from workers.recovering import ticket_of

SWEEP_EVERY_S = 2.0
EVICT_EVERY_S = 60.0
_DUTY_S = 10.0


class Flights:
    """Decided in Postgres, so that two workers cannot both lead, and so that Redis may forget."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._batcher: Batcher[Boarding, tuple[Boarded, Over | Back]] = Batcher(
            self._board, is_about_one=is_about_one, name="flights"
        )

    async def board(self, job: StartedJob, use: CacheUse) -> tuple[Boarded, Over | Back]:
        """With what the queue is told of a job that waits: it is in no line, or its leader has just ended and it is to
        come again."""
        boarding = Boarding(job.id, job.fence, job.project_id, use.fingerprint.hex(), use.looks_up)
        return await self._batcher.add(boarding)

    async def _board(self, group: Sequence[Boarding]) -> list[tuple[Boarded, Over | Back]]:
        boarded = {one.id: one for one in await board_flights(self._database, group)}
        leaders = {one.id: one.source for one in boarded.values() if one.part == "waits" and one.source is not None}
        again = await unpark_landed(self._database, list(leaders), list({*leaders.values()})) if leaders else set()
        return [(boarded[one.id], Back() if one.id in again else Over()) for one in group]


class FlightSweep:
    """What a crash at the wrong moment leaves: jobs that wait for nobody. One process of all looks."""

    def __init__(self, database: Database, queue: JobQueue, catalog: CatalogFollower, owner: str) -> None:
        self._database = database
        self._queue = queue
        self._catalog = catalog
        self._owner = owner

    async def step(self) -> None:
        """Jobs whose leader is gone, or whose deadline passed, go back into line."""
        if not await self._queue.take_duty("flights", self._owner, _DUTY_S):
            return
        if released := await unpark_lost(self._database):
            get_logger(__name__).info("waited for nobody", jobs=len(released))
            catalog = self._catalog.current
            try:
                await self._queue.hand_over([ticket_of(job, catalog) for job in released])
            except (RedisError, OSError) as error:
                get_logger(__name__).warning("hand-over put off", error=type(error).__name__)


class CacheEviction:
    """Forgets answers that have expired, and the oldest of projects that keep too many."""

    def __init__(self, database: Database, catalog: CatalogFollower) -> None:
        self._database = database
        self._catalog = catalog

    async def step(self) -> int:
        """How many were forgotten."""
        projects = self._catalog.current.projects.values()
        gone = await evict_entries(self._database, {one.id: policy_of(one).max_entries for one in projects})
        if gone:
            get_logger(__name__).info("answers forgotten", entries=gone)
        return gone
