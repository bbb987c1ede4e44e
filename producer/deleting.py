"""Deleting what a job was asked and what it answered. The row stays as a shell, and what was spent in the ledger."""

from uuid import UUID

from core.errors import Conflict, NotFound
from core.presenting import TERMINAL
from producer.composition import Services
from producer.submit import Caller
from sql.deleting import delete_content, forget_answers, lock_deletable
from sql.expiry import select_storage_keys


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
    await services.storage.delete(await select_storage_keys(services.database, [job_id]))
    await delete_content(services.database, [job_id], None)
