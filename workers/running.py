"""The jobs that this process runs right now, and who asked to stop them."""

import asyncio
from uuid import UUID


class RunningJobs:
    """A cancel that arrives here reaches the job's task; one for a job elsewhere is ignored."""

    def __init__(self) -> None:
        self._tasks: dict[UUID, asyncio.Task[object]] = {}
        self._cancelled: set[UUID] = set()

    def begin(self, job_id: UUID) -> None:
        """The current task works on it, until its `end`."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks[job_id] = task

    def end(self, job_id: UUID) -> None:
        self._tasks.pop(job_id, None)
        self._cancelled.discard(job_id)

    def cancel(self, job_id: UUID) -> None:
        """Somebody wants this job stopped."""
        if (task := self._tasks.get(job_id)) is not None and job_id not in self._cancelled:
            self._cancelled.add(job_id)
            task.cancel()

    def ids(self) -> list[UUID]:
        """Of everything that runs here."""
        return list(self._tasks)

    def was_cancelled(self, job_id: UUID) -> bool:
        """Was the CancelledError that I got a caller's wish (and not the worker's stop)?"""
        return job_id in self._cancelled
