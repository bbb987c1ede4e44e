"""arq's worker over the leased queue.

arq keeps the process: settings, function registry, `ctx`, hooks, cron, health, signals, the command. How jobs are
taken and given back is ours: `broker/queue.py`, `docs/queue.md`. A job's kind names the function that runs it.
"""

import asyncio
import contextlib
import inspect
import random
import signal
from collections.abc import Awaitable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from arq.connections import create_pool
from arq.worker import Function, Worker
from redis.exceptions import RedisError

from broker.connection import check_redis
from broker.leases import Lease
from broker.queue import NO_CAPS, Claim, Held
from core import metrics
from core.catalog import Catalog
from core.limits import Limits
from core.logging import get_logger
from core.looper import Looper, raise_if_cancelled
from sql.jobs import StartedJob, requeue_job, start_jobs
from sql.patience import AGAIN
from workers.beating import WorkerBeat
from workers.endings import Back, Ending, Over
from workers.recovering import ticket_of
from workers.services import WorkerServices
from workers.starting import wait_for_server

_CLAIMED_AT_ONCE = 300
_BEAT_S = 0.5
_POLL_S = (1.5, 2.5)  # behind the bell, for rings that were lost
_AWAY = (*AGAIN, RedisError)
_UNKNOWN_KIND_DELAY_S = 10.0

log = get_logger(__name__)


class LeasedWorker(Worker):
    """`ctx["services"]` is what `on_startup` made. SIGUSR2 lets it end its jobs, however long they take, and leave;
    SIGUSR1 keeps it after all."""

    _leaving = False

    async def main(self) -> None:
        """Until a signal; in a burst until the queue is empty."""
        if self._pool is None:
            assert self.redis_settings is not None
            await wait_for_server(partial(check_redis, self.redis_settings))
            self._pool = await create_pool(
                self.redis_settings,
                job_deserializer=self.job_deserializer,
                job_serializer=self.job_serializer,
                default_queue_name=self.queue_name,
                expires_extra_ms=self.expires_extra_ms,
            )
        self.ctx["redis"] = self.pool
        if self.on_startup:
            await self.on_startup(self.ctx)
        self._services: WorkerServices = self.ctx["services"]
        services = self._services
        services.leases.on_taken = self._taken
        self._changed = asyncio.Event()
        self._tokens: dict[str, int] = {}
        self._suspects: set[str] = set()
        self._capped: Catalog | None = None
        self._caps: Mapping[UUID, int] = NO_CAPS
        self._roused_by = "start"
        if self._handle_signals:
            self._add_signal_handler(signal.SIGUSR2, self._leave)
            self._add_signal_handler(signal.SIGUSR1, self._stay)
        alive = WorkerBeat(
            services.fleet, services.settings, services.owner, services.leases, lambda: not self._takes_jobs
        )
        told = Looper("worker beat", alive.step, 0.1)
        told.start()
        beat = self.loop.create_task(self._beat_on())
        try:
            await self._take_jobs()
        finally:
            await told.stop()
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)
            with contextlib.suppress(RedisError, OSError):
                await services.fleet.leave(services.owner)

    async def close(self) -> None:
        """As arq's, but a Redis that is away does not keep the rest from being closed."""
        if not self._handle_signals:
            self.handle_sig(signal.SIGUSR1)
        if not self._pool:
            return
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        with contextlib.suppress(RedisError, OSError):
            await self.pool.delete(self.health_check_key)
        if self.on_shutdown:
            await self.on_shutdown(self.ctx)
        await self.pool.close(close_connection_pool=True)
        self._pool = None

    @property
    def _takes_jobs(self) -> bool:
        return self.allow_pick_jobs and not self._leaving

    def _leave(self, _signal: signal.Signals) -> None:
        self._leaving = True
        log.info("leaving when its jobs are over", jobs=len(self.tasks))
        self._changed.set()

    def _stay(self, _signal: signal.Signals) -> None:
        self._leaving = False
        self._changed.set()

    async def _take_jobs(self) -> None:
        services = self._services
        away_s = wait_s = 0.0
        while True:
            raise_if_cancelled()
            catalog = services.catalog.current
            free = min(self.max_jobs - len(self.tasks), _CLAIMED_AT_ONCE)
            if self._leaving and not self.tasks:
                return
            if free <= 0 or catalog.paused or not self._takes_jobs:
                await self._until_changed()
                wait_s = 0.0
                continue
            try:
                claim = await self._claim(catalog, free, wait_s)
                away_s = 0.0
                if wait_s and (services.catalog.current is not catalog or not self._takes_jobs):
                    await services.queue.release(claim.jobs)  # the world has changed while it waited
                    wait_s = 0.0
                    continue
                if claim.jobs:
                    metrics.count(metrics.CLAIMED, self._roused_by, by=len(claim.jobs))
                await self._start(claim.jobs)
                if len(claim.jobs) == free:
                    self._roused_by, wait_s = "slot", 0.0
                    continue
                if self.burst and not claim.jobs and not self.tasks and not await services.queue.depth():
                    return
                wait_s = self._patience_s(claim.due_in_s)
            except _AWAY as error:
                if not away_s:
                    log.warning("waiting for a server", error=f"{type(error).__name__}: {error}"[:200])
                away_s, wait_s = min(2.0, away_s * 2 or 0.1), 0.0
                await asyncio.sleep(away_s * random.uniform(0.5, 1))  # noqa: S311  spreading needs no secrecy

    async def _claim(self, catalog: Catalog, free: int, wait_s: float) -> Claim:
        """What there is now; or, after nothing more was left, when the bell rings or that time is over."""
        services = self._services
        claim = await services.queue.claim(
            services.owner,
            free,
            services.settings.lease_s,
            services.pools,
            [project.id for project in catalog.projects.values() if project.paused],
            caps=self._caps_of(catalog),
            suspects=0 if self._suspects & self.tasks.keys() else 1,
            bell=(services.bell, wait_s) if wait_s else None,
        )
        if claim.rung:
            self._roused_by = "bell"
        return claim

    def _patience_s(self, due_in_s: float | None) -> float:
        """How long to wait for the bell."""
        most_s = random.uniform(*_POLL_S) if not self.burst else 0.05  # noqa: S311
        if due_in_s is not None and due_in_s < most_s:
            self._roused_by = "time"
            return due_in_s + 0.001
        self._roused_by = "poll"
        return most_s

    def _caps_of(self, catalog: Catalog) -> Mapping[UUID, int]:
        """Projects that may have only so many jobs running at once."""
        if self._capped is not catalog:
            said = {one.id: Limits.of(one.settings.get("limits")).concurrency for one in catalog.projects.values()}
            self._capped, self._caps = catalog, {project: cap for project, cap in said.items() if cap is not None}
        return self._caps

    async def _until_changed(self) -> None:
        """A slot became free; or a second passed, for what changes elsewhere."""
        self._roused_by = "slot"
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self._changed.wait()

    async def _start(self, held: Sequence[Held]) -> None:
        """One UPDATE for the whole claim. What is not given back is over or somebody else's."""
        if not held:
            return
        services = self._services
        try:
            ids, tokens = [one.id for one in held], [one.token for one in held]
            started = await start_jobs(services.database, ids, tokens, None)
        except AGAIN:
            with contextlib.suppress(RedisError):
                await services.queue.release(held, 1.0)
            raise
        mine = {job.id for job in started}
        self._suspects = self._suspects & self.tasks.keys() | {str(one.id) for one in held if one.suspect}
        for job in started:
            self._run(job)
        if dropped := [one for one in held if one.id not in mine]:
            await services.queue.acknowledge(dropped)

    def _run(self, job: StartedJob) -> None:
        services, name = self._services, str(job.id)
        if (older := self.tasks.get(name)) is not None:
            older.cancel()
        services.leases.hold(Lease(job.id, job.fence, lambda: ticket_of(job, services.catalog.current)))
        task = self.loop.create_task(self._run_to_the_end(job), name=name)
        self.tasks[name], self._tokens[name] = task, job.fence
        task.add_done_callback(partial(self._done, name))

    def _done(self, job_id: str, task: "asyncio.Task[Any]") -> None:
        if self.tasks.get(job_id) is task:
            del self.tasks[job_id], self._tokens[job_id]
        self._changed.set()

    async def _run_to_the_end(self, job: StartedJob) -> None:
        """The function, and what the queue must know of it. Nothing leaves this but the end of the process."""
        held, services = Held(job.id, job.fence), self._services
        try:
            ending = await self._story_of(job)
        except asyncio.CancelledError:
            ending = Back()  # put back in Postgres already, if it was ours
        except Exception:
            log.exception("the job's story broke off", job_id=str(job.id))
            self.jobs_failed += 1
            ending = Back(2.0)
        services.leases.drop(job.id, job.fence)
        if isinstance(ending, Over):
            self.jobs_complete += 1
            services.acknowledged.put(held)
            return
        self.jobs_retried += 1
        try:
            await services.queue.release([held], ending.delay_s)
        except (RedisError, OSError) as error:
            log.info("the queue learns of it later", job_id=str(job.id), error=type(error).__name__)

    def _story_of(self, job: StartedJob) -> Awaitable[Ending]:
        function = self.functions.get(job.kind)
        if not isinstance(function, Function):
            log.warning("this version cannot run it", job_id=str(job.id), kind=job.kind)
            return self._put_back(job, _UNKNOWN_KIND_DELAY_S)
        ctx = {**self.ctx, "job_id": str(job.id), "job_try": job.attempts, "enqueue_time": job.created_at}
        story: Awaitable[Ending] = function.coroutine(ctx, job)
        hooked = self.on_job_start or self.on_job_end or self.after_job_end
        return self._between_hooks(ctx, story) if hooked else story

    async def _between_hooks(self, ctx: dict[str, Any], story: Awaitable[Ending]) -> Ending:
        if self.on_job_start:
            await self.on_job_start(ctx)
        ending = await story
        for hook in (self.on_job_end, self.after_job_end):
            if hook:
                await hook(ctx)
        return ending

    async def _put_back(self, job: StartedJob, delay_s: float) -> Ending:
        back = await requeue_job(self._services.database, job.id, job.fence, timedelta(seconds=delay_s), 1)
        return Back(delay_s) if back else Over()

    def _taken(self, job_id: UUID, token: int) -> None:
        """Called in the keeper's thread: somebody else has the job now."""
        self.loop.call_soon_threadsafe(self._stop_older, job_id, token)

    def _stop_older(self, job_id: UUID, token: int) -> None:
        if (task := self.tasks.get(str(job_id))) is not None and self._tokens.get(str(job_id)) == token:
            metrics.count(metrics.LEASES_LOST)
            task.cancel()

    async def _beat_on(self) -> None:
        """Says that the loop is alive; health for `--check`; arq's own queue when there are cron jobs."""
        while True:
            self._services.leases.tick()
            try:
                if self.cron_jobs:
                    await super()._poll_iteration()
                else:
                    await self.record_health()
            except (RedisError, OSError) as error:
                log.debug("no heart beat", error=type(error).__name__)
            await asyncio.sleep(_BEAT_S)


setattr(LeasedWorker, "__signature__", inspect.signature(Worker))  # noqa: B010  arq reads its options there
