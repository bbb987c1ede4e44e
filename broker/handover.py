"""Hands job ids over to the workers. Underneath stands arq's own claim protocol."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from arq.connections import ArqRedis

from broker.connection import QUEUE

FUNCTION = "run_job"
AT_ONCE = 50


class Handover:
    """Handing a job over twice is harmless: the id is the job's own, and the second is dropped."""

    def __init__(self, redis: ArqRedis) -> None:
        self._redis = redis

    async def hand_over(self, jobs: Sequence[tuple[UUID, int, datetime]]) -> int:
        """(id, fence, run_at) of queued jobs; returns how many were new to Redis. Raises RedisError."""
        new = 0
        for start in range(0, len(jobs), AT_ONCE):
            part = jobs[start : start + AT_ONCE]
            handed = await asyncio.gather(*(self._one(job_id, fence, run_at) for job_id, fence, run_at in part))
            new += sum(handed)
        return new

    async def _one(self, job_id: UUID, fence: int, run_at: datetime) -> bool:
        handed = await self._redis.enqueue_job(
            FUNCTION, str(job_id), fence, _job_id=str(job_id), _queue_name=QUEUE, _defer_until=run_at
        )
        return handed is not None

    async def depth(self) -> int:
        """Jobs in Redis, waiting and running."""
        waiting: int = await self._redis.zcard(QUEUE)
        return waiting
