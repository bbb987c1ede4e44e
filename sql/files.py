"""Files of projects, and the batches that are made of them at /v1/batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sql.statements import Executor, statement


@dataclass(frozen=True, slots=True)
class ExpiredFile:
    """`storage_key` is None for a file that is made of jobs."""

    id: UUID
    storage_key: str | None


async def insert_file(
    db: Executor,
    file_id: UUID,
    project_id: UUID,
    purpose: str,
    filename: str,
    size: int,
    storage_key: str,
    life_s: int | None,
) -> None:
    """An upload whose bytes are stored."""
    await db.execute(statement("insert_file"), file_id, project_id, purpose, filename, size, storage_key, life_s)


async def read_file(db: Executor, file_id: UUID, project_id: UUID, now: datetime | None) -> dict[str, Any] | None:
    """A file that is there and has not expired; `endpoint` is that of its batch."""
    row = await db.fetchrow(statement("read_file"), file_id, project_id, now)
    return dict(row) if row else None


async def select_files(
    db: Executor,
    project_id: UUID,
    after: UUID | None,
    purpose: str | None,
    ascending: bool,
    now: datetime | None,
    limit: int,
) -> list[dict[str, Any]]:
    """A page of files as `read_file` gives them, in the order of their making or against it."""
    rows = await db.fetch(statement("select_files"), project_id, after, purpose, ascending, now, limit)
    return [dict(row) for row in rows]


async def select_expired_files(db: Executor, now: datetime | None, limit: int) -> list[ExpiredFile]:
    return [ExpiredFile(**row) for row in await db.fetch(statement("select_expired_files"), now, limit)]


async def remove_files(db: Executor, file_ids: Sequence[UUID]) -> None:
    """Their bytes are gone."""
    await db.execute(statement("remove_files"), file_ids)


async def describe_openai_batch(
    db: Executor,
    batch_id: UUID,
    project_id: UUID,
    endpoint: str,
    input_file_id: UUID,
    cache: str,
    expires_at: datetime,
    output_life_s: int | None,
) -> None:
    """What a batch of `insert_batch` says besides; its files are shown once it is over."""
    await db.execute(
        statement("describe_openai_batch"),
        batch_id, project_id, endpoint, input_file_id, cache, expires_at, output_life_s,
    )  # fmt: skip


async def find_sent_batch(
    db: Executor,
    project_id: UUID,
    input_file_id: UUID,
    endpoint: str,
    metadata: dict[str, Any],
    within_s: float,
    now: datetime | None,
) -> UUID | None:
    """The youngest batch that the same order made."""
    found: UUID | None = await db.fetchval(
        statement("find_sent_batch"), project_id, input_file_id, endpoint, metadata, within_s, now
    )
    return found


async def read_openai_batch(db: Executor, batch_id: UUID, project_id: UUID) -> dict[str, Any] | None:
    """A batch that was made at /v1/batches."""
    row = await db.fetchrow(statement("read_openai_batch"), batch_id, project_id)
    return dict(row) if row else None


async def select_openai_batches(
    db: Executor, project_id: UUID, before: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """A page of batches as `read_openai_batch` gives them, the newest first."""
    return [dict(row) for row in await db.fetch(statement("select_openai_batches"), project_id, before, limit)]
