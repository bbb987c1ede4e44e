"""The jobs that this process runs right now, and who asked to stop them."""

import asyncio
from uuid import UUID


class RunningJobs:
    """A cancel that arrives here reaches the job's task; one for a job elsewhere is ignored."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[object]] = {}
        self._cancelled: set[str] = set()

    def begin(self, job_id: UUID) -> None:
        """The current task works on it, until its `end`."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks[str(job_id)] = task

    def end(self, job_id: UUID) -> None:
        self._tasks.pop(str(job_id), None)
        self._cancelled.discard(str(job_id))

    def cancel(self, job_id: str) -> None:
        """Somebody wants this job stopped."""
        if (task := self._tasks.get(job_id)) is not None and job_id not in self._cancelled:
            self._cancelled.add(job_id)
            task.cancel()

    def ids(self) -> list[UUID]:
        """Of everything that runs here."""
        return [UUID(job_id) for job_id in self._tasks]

    def was_cancelled(self, job_id: UUID) -> bool:
        """Was the CancelledError that I got a caller's wish (and not the worker's stop)?"""
        return str(job_id) in self._cancelled
