"""The ledger: a line before each call's first byte, completed exactly once afterwards."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sql.statements import Executor, statement


async def abandon_calls(db: Executor, job_id: UUID, before_fence: int, now: datetime | None) -> None:
    """Open lines of an earlier holder become `unknown`: the provider may have been paid."""
    await db.execute(statement("abandon_calls"), job_id, before_fence, now)


async def open_call(
    db: Executor,
    call_id: UUID,
    job_id: UUID,
    fence: int,
    alias: str,
    attempt: int,
    part: int | None,
    endpoint_id: UUID,
    provider: str,
    model: str,
    variant: str | None,
    emulated: bool,
    started_at: datetime,
    max_cost: Decimal | None,
    price_ref: str | None,
) -> bool:
    """False when the job's fence is not mine any more or it is being cancelled: then do not call."""
    opened = await db.fetchval(
        statement("open_call"),
        call_id,
        job_id,
        fence,
        alias,
        attempt,
        part,
        endpoint_id,
        provider,
        model,
        variant,
        emulated,
        started_at,
        max_cost,
        price_ref,
    )
    return opened is not None


async def complete_call(
    db: Executor,
    call_id: UUID,
    outcome: str,
    finished_at: datetime,
    duration_ms: int,
    status: int | None,
    usage: dict[str, int] | None,
    cost: Decimal | None,
    provider_request_id: str | None,
    error_message: str | None,
) -> bool:
    """Write the end of a line. A fenced-out worker's late line is added to its job here, too."""
    completed = await db.fetchval(
        statement("complete_call"),
        call_id,
        outcome,
        finished_at,
        duration_ms,
        status,
        usage,
        cost,
        provider_request_id,
        error_message,
    )
    return completed is not None


async def select_calls(db: Executor, job_ids: list[UUID]) -> list[dict[str, Any]]:
    """The ledger lines of some jobs, in the order they were opened."""
    return [dict(row) for row in await db.fetch(statement("select_calls"), job_ids)]


async def select_usage(
    db: Executor,
    project_id: UUID,
    batch_id: UUID | None,
    since: datetime | None,
    until: datetime | None,
) -> list[dict[str, Any]]:
    """Spending by provider, model, kind and UTC day."""
    return [dict(row) for row in await db.fetch(statement("select_usage"), project_id, batch_id, since, until)]
