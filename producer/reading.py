"""The read side: jobs and batches as they are now, and waiting until they are what one waits for."""

import asyncio
import time
from typing import Any
from uuid import UUID

from core.errors import NotFound
from core.presenting import TERMINAL, present_batch, present_job
from producer.composition import Services
from producer.expecting import expect
from producer.submit import Accepted, Caller
from sql.batches import read_batch
from sql.calls import select_calls
from sql.reading import read_job

LOOK_AGAIN_S = 1.0
FIRST_LOOK_S = 0.05


async def read_job_with_calls(
    services: Services, caller: Caller, job_id: UUID
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A job and its ledger lines as they were at one moment. Raises NotFound, also for a job of another project."""
    async with (
        services.database.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        row = await read_job(connection, job_id, caller.project_id)
        if row is None:
            raise NotFound
        return row, await select_calls(connection, [job_id])


async def load_job(services: Services, caller: Caller, job_id: UUID) -> dict[str, Any]:
    """A Job. Raises NotFound, also for a job of another project."""
    return await _present(services, caller, *await read_job_with_calls(services, caller, job_id))


async def wait_for_job(services: Services, caller: Caller, job_id: UUID, wait_s: float) -> dict[str, Any]:
    """The Job once it is over, or as it is after `wait_s`."""
    row = await wait_for_row(services, caller, job_id, wait_s)
    if row["started_at"] is None:  # no provider was called yet
        return await _present(services, caller, row, [])
    return await load_job(services, caller, job_id)


async def _present(
    services: Services, caller: Caller, row: dict[str, Any], calls: list[dict[str, Any]]
) -> dict[str, Any]:
    position, eta_s = await expect(services, caller, row) if row["state"] == "queued" else (None, None)
    return present_job(row, calls, caller.project, position=position, eta_s=eta_s)


async def wait_for_answer(services: Services, caller: Caller, accepted: Accepted, wait_s: float) -> dict[str, Any]:
    """As `wait_for_row`, of a job that was accepted just now: of a new one there is nothing to read yet."""
    if accepted.is_new and wait_s > 0:
        with services.wakeups.waiting_for(accepted.id) as changed:
            await _changed_within(changed, min(wait_s, FIRST_LOOK_S))
    return await wait_for_row(services, caller, accepted.id, wait_s)


async def wait_for_row(services: Services, caller: Caller, job_id: UUID, wait_s: float) -> dict[str, Any]:
    """The job's row (of `read_job`) once it is over, or as it is after `wait_s`. A lost wake-up costs a second, no
    more. Raises NotFound, also for a job of another project."""
    until = time.monotonic() + wait_s
    with services.wakeups.waiting_for(job_id) as changed:
        while True:
            changed.clear()
            row = await services.looks.read_job(job_id, caller.project_id)
            if row is None:
                raise NotFound
            left_s = 0.0 if services.closing.begun else until - time.monotonic()
            if row["state"] in TERMINAL or left_s <= 0:
                return row
            await _changed_within(changed, min(left_s, LOOK_AGAIN_S))


async def wait_for_batch(
    services: Services, caller: Caller, batch_id: UUID, wait_s: float, seen: int | None
) -> dict[str, Any]:
    """The batch once it has changed since `seen` (its `sequence`) or, without that, once it is over."""
    until = time.monotonic() + wait_s
    with services.wakeups.waiting_for(batch_id) as changed:
        while True:
            changed.clear()
            row = await read_batch(services.database, batch_id, caller.project_id)
            if row is None:
                raise NotFound
            batch = present_batch(row)
            left_s = 0.0 if services.closing.begun else until - time.monotonic()
            news = batch["sequence"] != seen if seen is not None else False
            if batch["finished_at"] is not None or news or left_s <= 0:
                return batch
            await _changed_within(changed, min(left_s, LOOK_AGAIN_S))


async def _changed_within(changed: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        return
