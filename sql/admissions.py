"""Batches that wait for the limits of their project: what they ask for, and what was taken for them so far."""

from dataclasses import dataclass
from uuid import UUID

from sql.statements import Executor, statement


@dataclass(frozen=True, slots=True)
class Admission:
    requests: int
    tokens: int
    admitted_requests: int
    admitted_tokens: int


async def read_admission(db: Executor, batch_id: UUID) -> Admission | None:
    """None where the batch does not wait."""
    row = await db.fetchrow(statement("read_admission"), batch_id)
    return Admission(**row) if row else None


async def put_admission(db: Executor, batch_id: UUID, requests: int, tokens: int) -> None:
    """What it asks for in all, unless it is over by now. What was taken before stays."""
    await db.execute(statement("put_admission"), batch_id, requests, tokens)


async def add_admitted(db: Executor, batch_id: UUID, requests: int, tokens: int, wait_s: float) -> None:
    """More was taken; it is looked at again after `wait_s`."""
    await db.execute(statement("add_admitted"), batch_id, requests, tokens, wait_s)
