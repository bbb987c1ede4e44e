"""The ledger: a line before each call's first byte, completed exactly once afterwards."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.records import record
from sql.statements import Executor, statement


async def abandon_calls(db: Executor, job_id: UUID, before_fence: int, now: datetime | None) -> None:
    """Open lines of an earlier holder become `unknown`: the provider may have been paid."""
    await db.execute(statement("abandon_calls"), job_id, before_fence, now)


@record
class OpenedCall:
    """A line to open. `max_cost`: the most it can cost. `asked`: how a JSON schema is asked for (`native prompt`), or
    `repair` for JSON that is asked for once more. `preferred`: the PROVIDER/MODEL that the asked name means first."""

    id: UUID
    job_id: UUID
    fence: int
    alias: str
    attempt: int
    part: int | None
    endpoint_id: UUID
    provider: str
    model: str
    variant: str | None
    emulated: bool
    started_at: datetime
    max_cost: Decimal | None
    price_ref: str | None
    asked: str | None = None
    preferred: str | None = None


@record
class CompletedCall:
    """The end of a line. `schema_outcome`: `valid mended invalid`, where a JSON schema was asked for and answered.
    `preferred_cost`: what the answer would have cost on the preferred model."""

    id: UUID
    outcome: str
    finished_at: datetime
    duration_ms: int
    status: int | None
    usage: dict[str, int] | None
    cost: Decimal | None
    provider_request_id: str | None
    error_message: str | None
    schema_outcome: str | None = None
    preferred_cost: Decimal | None = None


async def open_calls(db: Executor, opened: Sequence[OpenedCall], job_ids: list[UUID]) -> set[UUID]:
    """The lines that were written. The others' jobs are not mine any more, or are being
    cancelled: do not call."""
    return {row["id"] for row in await db.fetch(statement("open_calls"), opened, job_ids)}


async def complete_calls(db: Executor, completed: Sequence[CompletedCall]) -> set[UUID]:
    """Write the ends of lines. A fenced-out worker's late line is added to its job here."""
    return {row["id"] for row in await db.fetch(statement("complete_calls"), completed)}


async def select_missed(db: Executor, job_id: UUID, before_fence: int) -> list[Decimal | None]:
    """What the calls of earlier holders cost that did not bring what a job's JSON schema wants, in their order: answers
    that broke it, and refusals of the schema itself."""
    return [row["cost"] for row in await db.fetch(statement("select_missed"), job_id, before_fence)]


async def select_calls(db: Executor, job_ids: list[UUID]) -> list[dict[str, Any]]:
    """The ledger lines of some jobs, in the order they were opened."""
    return [dict(row) for row in await db.fetch(statement("select_calls"), job_ids)]
