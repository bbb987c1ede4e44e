"""The end of jobs, many in one statement: ledger lines, results, jobs that waited for them, and then the hints."""

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

from redis.exceptions import RedisError

from broker.queue import JobQueue
from broker.wakeups import Wakeups
from core.batcher import Batcher
from core.logging import get_logger, lines_together
from core.records import record
from sql.calls import CompletedCall
from sql.ends import EndedJob, JobEnd, Landing, end_jobs, select_released
from sql.following import CatalogFollower
from sql.patience import TOGETHER_S, is_about_one, patiently
from sql.pool import Database
from workers.recovering import ticket_of


@record
class Ended:
    """`line`: the end of its last call, if that is still to be written. `landing`: its answer is given to identical
    requests. `then`: is told what `finish` gives."""

    job: EndedJob
    project_id: UUID
    then: Callable[[JobEnd | None], None]
    line: CompletedCall | None = None
    landing: Landing | None = None


class Finisher:
    """A row that Postgres refuses fails alone, not its group."""

    def __init__(self, database: Database, queue: JobQueue, wakeups: Wakeups, catalog: CatalogFollower) -> None:
        self._database = database
        self._queue = queue
        self._wakeups = wakeups
        self._catalog = catalog
        self._batcher: Batcher[Ended, JobEnd | None] = Batcher(
            self._finish, is_about_one=is_about_one, name="finish", patience_s=TOGETHER_S
        )

    def finish(self, ended: Ended) -> "asyncio.Future[JobEnd | None]":
        """None when the fence is no longer mine. Waits for Postgres while it is away. What was given here is written,
        whatever becomes of who gave it."""
        return self._batcher.put(ended)

    async def drain(self) -> None:
        """Every end that was given is recorded and told."""
        await self._batcher.drain()

    async def _finish(self, group: Sequence[Ended]) -> list[JobEnd | None]:
        ends = await patiently(
            end_jobs,
            self._database,
            [one.job.id for one in group],
            [one.job for one in group],
            [one.line for one in group if one.line is not None],
            [one.landing for one in group if one.landing is not None],
            None,
        )
        ended = {one.id: one for one in ends if one.what == "ended"}
        if queued := [one.id for one in ends if one.what == "queued"]:
            await self._put_in_line(queued)
        told = {one for end in ends if end.what != "queued" for one in (end.id, end.batch_id) if one}
        await self._wakeups.publish(*told, *{one.project_id for one in group})
        answers = [ended.get(one.job.id) for one in group]
        with lines_together():
            for one, answer in zip(group, answers, strict=True):
                one.then(answer)
        return answers

    async def _put_in_line(self, queued: list[UUID]) -> None:
        released = await patiently(select_released, self._database, queued)
        catalog = self._catalog.current
        try:
            await self._queue.hand_over([ticket_of(job, catalog) for job in released])
        except (RedisError, OSError) as error:
            get_logger(__name__).warning("hand-over put off", jobs=len(released), error=type(error).__name__)
