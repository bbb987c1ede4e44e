"""The end of jobs, many in one transaction: result, jobs that waited for them, and then the hints."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from redis.exceptions import RedisError

from broker.queue import JobQueue
from broker.wakeups import Wakeups
from core.batcher import Batcher
from core.logging import get_logger
from core.result import JobError
from sql.cache import Landing, land_flights, promote_followers
from sql.following import CatalogFollower
from sql.jobs import EndedJob, FinishedJob, ReleasedJob, fail_dependents, finish_jobs, release_dependents
from sql.patience import is_about_one, patiently
from sql.pool import Database
from workers.recovering import ticket_of


@dataclass(frozen=True, slots=True)
class Ended:
    """`named` is how the jobs that come after it are told. `landing`: its answer is given to identical requests."""

    job: EndedJob
    project_id: UUID
    batch_id: UUID | None
    named: str
    landing: Landing | None = None


class Finisher:
    """A row that Postgres refuses fails alone, not its group."""

    def __init__(self, database: Database, queue: JobQueue, wakeups: Wakeups, catalog: CatalogFollower) -> None:
        self._database = database
        self._queue = queue
        self._wakeups = wakeups
        self._catalog = catalog
        self._batcher: Batcher[Ended, FinishedJob | None] = Batcher(
            self._finish, is_about_one=is_about_one, name="finish"
        )

    async def finish(self, ended: Ended) -> FinishedJob | None:
        """None when the fence is no longer mine. Waits for Postgres while it is away."""
        return await self._batcher.add(ended)

    async def drain(self) -> None:
        """Every end that was given is recorded and told."""
        await self._batcher.drain()

    async def _finish(self, group: Sequence[Ended]) -> list[FinishedJob | None]:
        finished, released, told = await patiently(_record, self._database, group)
        queued = [job for job in released if job.state == "queued"]
        catalog = self._catalog.current
        try:
            await self._queue.hand_over([ticket_of(job, catalog) for job in queued])
        except (RedisError, OSError) as error:
            get_logger(__name__).warning("hand-over put off", jobs=len(queued), error=type(error).__name__)
        batches = {one.batch_id for one in group if one.batch_id is not None}
        projects = {one.project_id for one in group}
        await self._wakeups.publish(*(one.job.id for one in group), *batches, *told, *projects)
        return [finished.get(one.job.id) for one in group]


async def _record(
    database: Database, group: Sequence[Ended]
) -> tuple[dict[UUID, FinishedJob], list[ReleasedJob], set[UUID]]:
    """What was finished, what is to be put in line, and who else must hear of it."""
    released: list[ReleasedJob] = []
    told: set[UUID] = set()
    async with database.acquire() as connection, connection.transaction():
        rows, ids = [asdict(one.job) for one in group], [one.job.id for one in group]
        finished = {job.id: job for job in await finish_jobs(connection, rows, ids, None)}
        mine = [one for one in group if one.job.id in finished]
        completed = [one.job.id for one in mine if one.job.state == "completed" and one.batch_id is not None]
        if landings := [asdict(one.landing) for one in mine if one.landing is not None]:
            for other in await land_flights(connection, landings):
                told |= {one for one in (other.id, other.batch_id) if one}
                completed += [other.id] if other.batch_id is not None else []
        if unanswered := [one.job.id for one in mine if one.job.state != "completed"]:
            released += await promote_followers(connection, unanswered)
        if completed:
            released += await release_dependents(connection, completed, None)
        for one in mine:
            if one.job.state != "completed" and one.batch_id is not None:
                reason = JobError(
                    "dependency_failed", f"job {one.named}, which this one comes after, is {one.job.state}"
                )
                told |= set(await fail_dependents(connection, one.job.id, reason.as_dict(), None))
    return finished, released, told
