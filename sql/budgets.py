"""Budgets in Postgres: what is spent by the ledger, what open jobs reserve, and who may reserve more.

A sum is checked and reserved under a lock of its project, so that two processes cannot both take the last dollar.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from core.budgets import Account, CallFigures, Period
from sql.statements import Executor, statement


@dataclass(frozen=True, slots=True)
class JobAccount:
    """A running job: what it reserved (None: nothing), what its calls cost, and may have cost. `unpriced`: one of them
    has no known price."""

    reserved: Decimal | None
    spent: Decimal
    uncertain: Decimal
    unpriced: bool


@dataclass(frozen=True, slots=True)
class BatchAccount:
    """A batch with a ceiling; `reserved` by its other running jobs."""

    max_cost_usd: Decimal
    spent: Decimal
    uncertain: Decimal
    reserved: Decimal


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a job of a batch may cost, in USD."""

    line: int
    key: str | None
    usd: Decimal


async def lock_budget(db: Executor, project_id: UUID) -> None:
    """Until the end of the transaction, nobody else reserves for this project."""
    await db.execute(statement("lock_budget"), project_id)


async def read_account(db: Executor, project_id: UUID, now: datetime | None) -> Account:
    """What a project has spent in the periods of a time, and what its open jobs have reserved: read first, so that a
    job that ends meanwhile is counted twice rather than not at all."""
    reserved = await read_reserved(db, project_id)
    return Account(await select_periods(db, project_id, now), reserved)


async def select_periods(db: Executor, project_id: UUID, now: datetime | None) -> list[Period]:
    """The ledger is counted in where it is not yet."""
    return [Period(**row) for row in await db.fetch(statement("select_periods"), project_id, now)]


async def read_reserved(db: Executor, project_id: UUID) -> Decimal:
    """USD that the project's open jobs may yet cost."""
    reserved: Decimal = await db.fetchval(statement("read_reserved"), project_id)
    return reserved


async def select_reservations(db: Executor, batch_id: UUID) -> list[Reservation]:
    """Of the jobs of a batch that have not begun, in the order of its lines."""
    return [Reservation(**row) for row in await db.fetch(statement("select_reservations"), batch_id)]


async def read_job_account(db: Executor, job_id: UUID, fence: int) -> JobAccount | None:
    """Locks the job's row. None when the fence is not mine any more."""
    row = await db.fetchrow(statement("read_job_account"), job_id, fence)
    return JobAccount(**row) if row else None


async def reserve_for_job(db: Executor, job_id: UUID, fence: int, reserved_usd: Decimal) -> None:
    """What a running job may cost from its start to its end."""
    await db.execute(statement("reserve_for_job"), job_id, fence, reserved_usd)


async def lock_batch(db: Executor, batch_id: UUID) -> None:
    """Until the end of the transaction, no other job of the batch reserves."""
    await db.execute(statement("lock_batch"), batch_id)


async def read_batch_account(db: Executor, batch_id: UUID, job_id: UUID) -> BatchAccount | None:
    """To be read after the lock, by a statement of its own: one that waited for the lock does not see what was reserved
    meanwhile. None: the batch has no ceiling."""
    row = await db.fetchrow(statement("read_batch_account"), batch_id, job_id)
    return BatchAccount(**row) if row else None


async def measure_calls(db: Executor, calls: int) -> None:
    """Measure anew what the last so many good calls used."""
    await db.execute(statement("measure_calls"), calls)


async def select_call_figures(db: Executor) -> list[CallFigures]:
    return [CallFigures(**row) for row in await db.fetch(statement("select_call_figures"))]
