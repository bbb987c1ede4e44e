"""Stopping jobs and batches, with what waits for them."""

from uuid import UUID

from core.errors import Conflict, NotFound
from core.result import JobError
from producer.composition import Services
from producer.submit import Caller
from sql.batches import cancel_batch, cancel_validating, drop_lines, mark_cancelled, read_batch
from sql.jobs import JobState, cancel_job, fail_dependents
from sql.reading import read_job


async def stop_job(services: Services, caller: Caller, job_id: UUID) -> None:
    """`cancelled` at once when it was not running, else `cancelling`. Raises Conflict when it is over."""
    row = await read_job(services.database, job_id, caller.project_id)
    if row is None:
        raise NotFound
    downstream: list[UUID] = []
    async with services.database.acquire() as connection, connection.transaction():
        changed = await cancel_job(connection, job_id, caller.project_id, None)
        if changed is None and row["state"] != "cancelling":
            raise Conflict(f"the job is {row['state']}: there is nothing left to cancel")
        if changed is not None and changed.state == "cancelled" and row["batch_id"] is not None:
            reason = JobError(
                "dependency_failed", f"job {row['key'] or job_id}, which this one comes after, is cancelled"
            )
            downstream = await fail_dependents(connection, job_id, reason.as_dict(), None)
    await services.cancels.publish(job_id)
    await services.wakeups.publish(job_id, row["batch_id"], caller.project_id, *downstream)


async def stop_batch(services: Services, caller: Caller, batch_id: UUID) -> None:
    """Every job of the batch that is not over."""
    if await read_batch(services.database, batch_id, caller.project_id) is None:
        raise NotFound
    changed: list[JobState] = []
    async with services.database.acquire() as connection, connection.transaction():
        if await cancel_validating(connection, batch_id, caller.project_id):
            await drop_lines(connection, batch_id)
        else:
            changed = await cancel_batch(connection, batch_id, caller.project_id, None)
            await mark_cancelled(connection, batch_id, caller.project_id, None)
    await services.cancels.publish(*(one.id for one in changed if one.state == "cancelling"))
    await services.wakeups.publish(batch_id, caller.project_id, *(one.id for one in changed))
