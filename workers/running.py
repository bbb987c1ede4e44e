"""The jobs that this process runs right now, and who asked to stop them."""

import asyncio
import contextlib
from collections.abc import Iterator
from uuid import UUID


class RunningJobs:
    """A cancel that arrives here reaches the job's task; one for a job elsewhere is ignored."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[object]] = {}
        self._cancelled: set[str] = set()

    @contextlib.contextmanager
    def running(self, job_id: UUID) -> Iterator[None]:
        """Around the work of the current task."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks[str(job_id)] = task
        try:
            yield
        finally:
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
