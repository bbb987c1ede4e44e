"""Answers that are given again, and flights: identical requests of a project of which one makes the call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sql.jobs import ReleasedJob
from sql.statements import Executor, statement


@dataclass(frozen=True, slots=True)
class Boarding:
    """A started job that asks who makes its call. Not `looks_up`: the cache is not asked. `fingerprint` in hex."""

    id: UUID
    fence: int
    project_id: UUID
    fingerprint: str
    looks_up: bool


@dataclass(frozen=True, slots=True)
class Boarded:
    """`part`: the job `leads` (it makes the call), `waits` for the job `source` (it is queued and in no line), has
    `found` its answer in the job `source`, or is `gone` (its fence is not mine any more)."""

    id: UUID
    part: str
    source: UUID | None


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """What a completed job answered."""

    result: dict[str, Any]
    provider: str
    model: str
    variant: str | None
    usage: dict[str, int]


@dataclass(frozen=True, slots=True)
class CacheFigures:
    """What a project's cache holds and has saved. `unpriced` hits saved an unknown sum."""

    entries: int
    hits: int
    parts_found: int
    saved_usd: Decimal
    unpriced: int


async def board_flights(db: Executor, boarding: Sequence[Boarding]) -> list[Boarded]:
    """Who leads, waits, has found."""
    return [Boarded(**row) for row in await db.fetch(statement("board_flights"), boarding)]


async def unpark_landed(db: Executor, job_ids: list[UUID], leaders: list[UUID]) -> set[UUID]:
    """Of jobs that have just begun to wait for these leaders, those whose leader is ending or has ended: they are in
    no line, and wait no more. To be asked after `board_flights` was committed: who ends takes along who waits."""
    return {row["id"] for row in await db.fetch(statement("unpark_landed"), job_ids, leaders)}


async def unpark_lost(db: Executor) -> list[ReleasedJob]:
    """Jobs that wait for nobody any more, or whose deadline passed while they waited: they go back into line."""
    return [ReleasedJob(**row) for row in await db.fetch(statement("unpark_lost"))]


async def read_answer(db: Executor, job_id: UUID) -> CachedAnswer | None:
    row = await db.fetchrow(statement("read_answer"), job_id)
    return CachedAnswer(**row) if row else None


async def evict_entries(db: Executor, bounds: Mapping[UUID, int]) -> int:
    """Forget what has expired, and the oldest of projects that have more entries than they may. How many went."""
    rows = [{"project_id": project, "most": most} for project, most in bounds.items()]
    return len(await db.fetch(statement("evict_entries"), rows))


async def find_cached(db: Executor, project_id: UUID, fingerprints: list[bytes]) -> set[bytes]:
    """Those whose answer the cache would give now."""
    return {row["fingerprint"] for row in await db.fetch(statement("find_cached"), project_id, fingerprints)}


async def select_cached_audio(db: Executor, project_id: UUID, fingerprints: list[bytes]) -> dict[bytes, str]:
    """Where the recordings are that the cache would give."""
    rows = await db.fetch(statement("select_cached_audio"), project_id, fingerprints)
    return {row["fingerprint"]: row["storage_key"] for row in rows}


async def forget_entry(db: Executor, project_id: UUID, fingerprint: bytes) -> None:
    """The answer cannot be given any more."""
    await db.execute(statement("forget_entry"), project_id, fingerprint)


async def clear_cache(db: Executor, project_id: UUID) -> int:
    """Forget all of a project's answers. How many there were."""
    return len(await db.fetch(statement("clear_cache"), project_id))


async def read_cache(db: Executor, project_id: UUID, since: datetime | None) -> CacheFigures:
    row = await db.fetchrow(statement("read_cache"), project_id, since)
    assert row is not None
    return CacheFigures(**row)


async def insert_part_hits(db: Executor, job_id: UUID, text_hashes: list[bytes]) -> None:
    """Write down, once, what the found parts of a narration saved."""
    await db.execute(statement("insert_part_hits"), job_id, text_hashes)
