"""Deleting what jobs were asked and what they answered. Rows stay as shells, and what was spent in the ledger."""

from uuid import UUID

from core.errors import Conflict, NotFound
from core.presenting import TERMINAL
from producer.composition import Services
from producer.submit import Caller
from sql.deleting import (
    delete_batch_content,
    delete_content,
    forget_answers,
    lock_deletable,
    lock_deletable_batch,
    select_batch_content,
)
from sql.expiry import select_storage_keys

PAGE = 500


async def delete_job(services: Services, caller: Caller, job_id: UUID) -> None:
    """Idempotent. Raises NotFound, and Conflict while the job or one that comes after it is not over.

    Nothing is answered with it from the first transaction on; then the bytes go, and last the texts: a crash in
    between is mended by the next call."""
    async with services.database.acquire() as connection, connection.transaction():
        found = await lock_deletable(connection, job_id, caller.project_id)
        if found is None:
            raise NotFound
        if found.deleted:
            return
        if found.state not in TERMINAL:
            raise Conflict(f"the job is {found.state}: only a job that is over can be deleted; cancel it first")
        if found.needed:
            raise Conflict("jobs that come after this one need its answer and are not over")
        await forget_answers(connection, [job_id])
    await _delete_content(services, [job_id])


async def delete_batch(services: Services, caller: Caller, batch_id: UUID) -> None:
    """Of all its jobs, some hundred at once. Idempotent: what a crash leaves, the next call deletes. Raises NotFound,
    and Conflict while the batch, or a job elsewhere that comes after one of its jobs, is not over."""
    async with services.database.acquire() as connection, connection.transaction():
        found = await lock_deletable_batch(connection, batch_id, caller.project_id)
    if found is None:
        raise NotFound
    if found.deleted:
        return
    if not found.over:
        raise Conflict(f"the batch is {found.state}: only a batch that is over can be deleted; cancel it first")
    if found.needed:
        raise Conflict("jobs that come after some of this batch need their answers and are not over")
    for line in range(0, found.last_line, PAGE):
        if job_ids := await select_batch_content(services.database, batch_id, line, line + PAGE):
            await forget_answers(services.database, job_ids)
            await _delete_content(services, job_ids)
    await delete_batch_content(services.database, batch_id, None)


async def _delete_content(services: Services, job_ids: list[UUID]) -> None:
    """After nothing is answered with them any more."""
    await services.storage.delete(await select_storage_keys(services.database, job_ids))
    await delete_content(services.database, job_ids, None)
