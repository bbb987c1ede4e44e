"""Finished pieces of speech, and who speaks in a batch."""

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sql.statements import Executor, statement


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of speech that is stored. `found`: this job did not buy it. `model` is the one that was routed to."""

    job_id: UUID
    text_hash: bytes
    n: int
    endpoint_id: UUID | None
    provider: str
    model: str
    storage_key: str
    bytes: int
    sha256: str
    duration_s: float
    words: list[dict[str, Any]] | None
    usage: dict[str, int]
    cost: Decimal | None
    found: bool


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks: a provider's model."""

    provider: str
    model: str


async def select_parts(
    db: Executor, project_id: UUID, text_hashes: list[bytes], only_job: UUID | None, job_id: UUID
) -> dict[bytes, Part]:
    """What the project has of these sounds, the job's own first, then the youngest; `only_job` leaves others out."""
    rows = await db.fetch(statement("select_parts"), project_id, text_hashes, only_job, job_id)
    return {row["text_hash"]: Part(**row) for row in rows}


async def insert_parts(db: Executor, job_id: UUID, parts: list[Part]) -> None:
    """Parts that the job has already stay as they are."""
    rows = [asdict(part) | {"text_hash": part.text_hash.hex()} for part in parts]
    await db.execute(statement("insert_parts"), job_id, rows)


async def read_job_voice(db: Executor, job_id: UUID) -> Speaker | None:
    """Who spoke the first part of a job."""
    row = await db.fetchrow(statement("read_job_voice"), job_id)
    return Speaker(**row) if row else None


async def read_batch_voice(db: Executor, batch_id: UUID, name: str) -> Speaker | None:
    """Who spoke first under this name in a batch."""
    row = await db.fetchrow(statement("read_batch_voice"), batch_id, name)
    return Speaker(**row) if row else None


async def keep_batch_voice(db: Executor, batch_id: UUID, name: str, provider: str, model: str) -> Speaker:
    """The first to come decides for all; everybody gets who that was."""
    row = await db.fetchrow(statement("keep_batch_voice"), batch_id, name, provider, model)
    assert row is not None
    return Speaker(**row)
