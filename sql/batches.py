"""Batches in Postgres: lines that wait to become jobs, states, counts, what was wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sql.jobs import JobState, OpenJob
from sql.pool import Database
from sql.statements import Executor, statement


@dataclass(frozen=True, slots=True)
class ValidatingBatch:
    """A batch whose lines are stored and are no jobs yet, or that takes them from the batch `retry_of`. With an
    `endpoint` of OpenAI's they are in a file, whose `storage_key` is None once it was deleted."""

    id: UUID
    project_id: UUID
    project: str
    endpoint: str | None = None
    cache: str | None = None
    expires_at: datetime | None = None
    storage_key: str | None = None
    retry_of: UUID | None = None


@dataclass(frozen=True, slots=True)
class UnfinishedJob:
    """A job that is over and did not complete: the completed jobs it came after, and the lines of the others.
    `deleted`: what it was asked, or what one of those answered, is gone."""

    id: UUID
    line: int
    key: str | None
    request: dict[str, Any]
    deleted: bool
    kept: list[UUID]
    again: list[int]


async def insert_batch(
    db: Executor,
    batch_id: UUID,
    project_id: UUID,
    name: str | None,
    total: int,
    max_cost_usd: Decimal | None,
    metadata: dict[str, Any],
    on_error: str,
    retry_of: UUID | None,
) -> None:
    """In the state `validating`."""
    await db.execute(
        statement("insert_batch"), batch_id, project_id, name, total, max_cost_usd, metadata, on_error, retry_of
    )


async def accept_batch(db: Executor, batch_id: UUID, refused: int) -> bool:
    """Its jobs are made: count them. False when it is not `validating` any more."""
    return await db.fetchval(statement("accept_batch"), batch_id, refused) is not None


async def refuse_batch(db: Executor, batch_id: UUID, refused: int, error: dict[str, Any]) -> bool:
    """It makes no job. False when it is not `validating` any more."""
    return await db.fetchval(statement("refuse_batch"), batch_id, refused, error) is not None


async def cancel_validating(db: Executor, batch_id: UUID, project_id: UUID) -> bool:
    """Stop it before it has jobs. False when it has, or is over."""
    return await db.fetchval(statement("cancel_validating"), batch_id, project_id) is not None


async def cancel_batch(db: Executor, batch_id: UUID, project_id: UUID, now: datetime | None) -> list[JobState]:
    """Every job of it that is not over; `mark_cancelled` follows, in the same transaction."""
    return [JobState(**row) for row in await db.fetch(statement("cancel_batch"), batch_id, project_id, now)]


async def mark_cancelled(db: Executor, batch_id: UUID, project_id: UUID, now: datetime | None) -> None:
    """It ends as `cancelled`, unless it has ended already."""
    await db.execute(statement("mark_cancelled"), batch_id, project_id, now)


async def read_batch(db: Executor, batch_id: UUID, project_id: UUID) -> dict[str, Any] | None:
    """The batch with the counts of its jobs by state."""
    row = await db.fetchrow(statement("read_batch"), batch_id, project_id)
    return dict(row) if row else None


async def select_batches(
    db: Executor,
    project_id: UUID,
    before: UUID | None,
    state: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> list[dict[str, Any]]:
    """A page of batches as `read_batch` gives them, the newest first."""
    rows = await db.fetch(statement("select_batches"), project_id, before, state, since, until, limit)
    return [dict(row) for row in rows]


async def count_try(db: Executor, batch_id: UUID) -> int:
    """How often somebody has begun to read its lines."""
    tries: int = await db.fetchval(statement("count_try"), batch_id)
    return tries


async def select_validating(db: Executor) -> list[ValidatingBatch]:
    """The oldest first, without those that wait for the limits of their project."""
    return [ValidatingBatch(**row) for row in await db.fetch(statement("select_validating"))]


async def lock_validating(db: Executor, batch_id: UUID) -> str | None:
    """Its `on_error`, when nobody else is reading its lines. Held until the end of the transaction, which the server
    breaks off when a minute passes without a word."""
    on_error: str | None = await db.fetchval(statement("lock_validating"), batch_id)
    return on_error


async def copy_lines(database: Database, batch_id: UUID, lines: Sequence[tuple[int, bytes]]) -> None:
    """Store lines by number; durable when this returns."""
    records = [(batch_id, line, body) for line, body in lines]
    async with database.acquire() as connection:
        await connection.copy_records_to_table(
            "batch_lines", schema_name="factory", columns=("batch_id", "line", "body"), records=records
        )


async def select_lines(
    db: Executor, batch_id: UUID, after_line: int, limit: int, most_bytes: int
) -> list[tuple[int, bytes]]:
    """A page of stored lines; the last of them may go beyond the bytes."""
    rows = await db.fetch(statement("select_lines"), batch_id, after_line, limit, most_bytes)
    return [(row["line"], row["body"]) for row in rows]


async def select_named_lines(db: Executor, batch_id: UUID, lines: Sequence[int]) -> list[tuple[int, bytes]]:
    rows = await db.fetch(statement("select_named_lines"), batch_id, lines)
    return [(row["line"], row["body"]) for row in rows]


async def drop_lines(db: Executor, batch_id: UUID) -> None:
    """They are jobs, or never will be; what they waited for is forgotten too."""
    await db.execute(statement("drop_lines"), batch_id)


async def drop_lost_lines(db: Executor, before: UUID) -> None:
    """Those of uploads that broke off, with ids smaller than this."""
    await db.execute(statement("drop_lost_lines"), before)


async def insert_batch_errors(db: Executor, batch_id: UUID, wrong: Sequence[dict[str, Any]]) -> None:
    """Rows of `line`, `key` and `problems`."""
    await db.execute(statement("insert_batch_errors"), batch_id, wrong)


async def select_batch_errors(db: Executor, batch_id: UUID, after_line: int, limit: int) -> list[dict[str, Any]]:
    """A page of lines with their problems."""
    return [dict(row) for row in await db.fetch(statement("select_batch_errors"), batch_id, after_line, limit)]


async def read_last_line(db: Executor, batch_id: UUID) -> int:
    """Of its jobs; 0 where it has none."""
    line: int = await db.fetchval(statement("read_last_line"), batch_id)
    return line


async def select_batch_results(
    db: Executor, batch_id: UUID, after_line: int, until_line: int, state: str | None
) -> list[dict[str, Any]]:
    """Jobs of a stretch of lines that are over, in the order of their lines; a stretch and no limit, as in
    `select_part_lines`."""
    rows = await db.fetch(statement("select_batch_results"), batch_id, after_line, until_line, state)
    return [dict(row) for row in rows]


async def select_batch_queue(db: Executor, batch_id: UUID, after_line: int, until_line: int) -> list[OpenJob]:
    """Those that belong in Redis, of a stretch of lines."""
    rows = await db.fetch(statement("select_batch_queue"), batch_id, after_line, until_line)
    return [OpenJob(**row) for row in rows]


async def remove_jobs(db: Executor, job_ids: Sequence[UUID]) -> Decimal:
    """Take back jobs that this transaction made. What they had reserved, in USD."""
    reserved: Decimal = await db.fetchval(statement("remove_jobs"), job_ids)
    return reserved


async def select_unfinished(db: Executor, batch_id: UUID, after_line: int, limit: int) -> list[UnfinishedJob]:
    """A page of jobs that are over and did not complete."""
    rows = await db.fetch(statement("select_unfinished"), batch_id, after_line, limit)
    return [UnfinishedJob(**row) for row in rows]
