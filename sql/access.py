"""Projects and API keys. A key is 256 random bits; only its SHA-256 is stored."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sql.statements import Executor, statement


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key in force. `project_id` is None for an operator's key; `seems_unused`: its use is to be noted again."""

    key_hash: bytes
    id: UUID
    prefix: str
    project_id: UUID | None
    scopes: list[str]
    project_name: str | None
    project_active: bool | None
    seems_unused: bool


@dataclass(frozen=True, slots=True)
class FoundProject:
    id: UUID
    name: str
    active: bool


def hash_key(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


async def find_api_keys(db: Executor, hashes: list[bytes], now: datetime | None) -> list[FoundKey]:
    """Those of them that are neither revoked nor expired."""
    return [FoundKey(**row) for row in await db.fetch(statement("find_api_keys"), hashes, now)]


async def touch_api_key(db: Executor, key_id: UUID) -> None:
    """Remember that it was used, to the minute."""
    await db.execute(statement("touch_api_key"), key_id)


async def insert_api_key(
    db: Executor,
    key_hash: bytes,
    prefix: str,
    name: str | None,
    project_id: UUID | None,
    scopes: list[str],
    expires_at: datetime | None,
) -> UUID:
    key_id: UUID = await db.fetchval(
        statement("insert_api_key"), key_hash, prefix, name, project_id, scopes, expires_at
    )
    return key_id


async def insert_project(db: Executor, name: str) -> UUID | None:
    """None when the name is taken."""
    project_id: UUID | None = await db.fetchval(statement("insert_project"), name)
    return project_id


async def pause_project(db: Executor, name: str, paused: bool) -> bool:
    """Its queued jobs wait, or go on; False when there is no such project."""
    return await db.fetchval(statement("pause_project"), name, paused) is not None


async def pause_everything(db: Executor, paused: bool) -> None:
    """No job is started anywhere, or they are again."""
    await db.execute(statement("pause_everything"), paused)


async def find_project(db: Executor, name: str) -> FoundProject | None:
    row = await db.fetchrow(statement("find_project"), name)
    return FoundProject(**row) if row else None


async def read_job_owner(db: Executor, job_id: UUID) -> FoundProject | None:
    """The project that a job belongs to."""
    row = await db.fetchrow(statement("read_job_owner"), job_id)
    return FoundProject(**row) if row else None


async def read_batch_owner(db: Executor, batch_id: UUID) -> FoundProject | None:
    """The project that a batch belongs to."""
    row = await db.fetchrow(statement("read_batch_owner"), batch_id)
    return FoundProject(**row) if row else None


async def read_project(db: Executor, project_id: UUID) -> FoundProject | None:
    row = await db.fetchrow(statement("read_project"), project_id)
    return FoundProject(**row) if row else None


async def select_api_keys(db: Executor) -> list[dict[str, Any]]:
    """Every key with its prefix, project and dates; the keys themselves are not known."""
    return [dict(row) for row in await db.fetch(statement("select_api_keys"))]
