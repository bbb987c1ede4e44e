"""Budgets in Postgres: what is spent by the ledger, what open jobs reserve, and who may reserve more.

A sum is checked and reserved under a lock of its project, so that two processes cannot both take the last dollar.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
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


async def lock_budget(db: Executor, project_id: UUID) -> None:
    """Until the end of the transaction, nobody else reserves for this project."""
    await db.execute(statement("lock_budget"), project_id)


async def read_account(db: Executor, project_id: UUID, now: datetime | None) -> Account:
    """The project's periods at a time, the ledger counted in where it is not yet."""
    row = await db.fetchrow(statement("read_account"), project_id, now)
    assert row is not None
    periods = [
        Period(
            name, row[f"{short}_starts_at"], row[f"{short}_ends_at"], row[f"{short}_spent"], row[f"{short}_uncertain"]
        )
        for name, short in (("daily", "day"), ("monthly", "month"))
    ]
    return Account(periods, row["reserved"])


async def read_job_account(db: Executor, job_id: UUID, fence: int) -> JobAccount | None:
    """Locks the job's row. None when the fence is not mine any more."""
    row = await db.fetchrow(statement("read_job_account"), job_id, fence)
    return JobAccount(**row) if row else None


async def reserve_for_job(db: Executor, job_id: UUID, fence: int, reserved_usd: Decimal) -> None:
    """What a running job may cost from its start to its end."""
    await db.execute(statement("reserve_for_job"), job_id, fence, reserved_usd)


async def lock_batch(db: Executor, batch_id: UUID, job_id: UUID) -> BatchAccount | None:
    """Until the end of the transaction, no other job of the batch reserves. None: it has no ceiling."""
    row = await db.fetchrow(statement("lock_batch"), batch_id, job_id)
    return BatchAccount(**row) if row else None


async def measure_calls(db: Executor, calls: int) -> None:
    """Measure anew what the last so many good calls used."""
    await db.execute(statement("measure_calls"), calls)


async def select_call_figures(db: Executor) -> dict[tuple[str, str, str], CallFigures]:
    """By provider, model and kind."""
    rows: list[Any] = await db.fetch(statement("select_call_figures"))
    return {
        (row["provider"], row["model"], row["kind"]): CallFigures(
            row["calls"], row["completion_tokens_mean"], row["completion_tokens_p99"]
        )
        for row in rows
    }
