"""Idempotency keys of single jobs: the first to come owns the key, and whoever repeats it gets the owner's job."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from core.errors import IdempotencyConflict
from sql.idempotency import KeptKey, claim_idempotency_keys, drop_idempotency_keys, find_idempotency_key
from sql.statements import Executor

KEY_LIFE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Idempotency:
    """The caller's key and the whole body it came with."""

    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that a new job would have for its own."""

    project_id: UUID
    key_hash: bytes
    request_hash: bytes
    job_id: UUID

    @classmethod
    def of(cls, project_id: UUID, idempotency: Idempotency, job_id: UUID) -> "Claim":
        key_hash, request_hash = (hashlib.sha256(one).digest() for one in (idempotency.key.encode(), idempotency.body))
        return cls(project_id, key_hash, request_hash, job_id)

    def answer(self, kept: KeptKey) -> UUID | IdempotencyConflict:
        """The job that the key stands for: mine, or an earlier one."""
        if kept.request_hash != self.request_hash:
            return IdempotencyConflict()
        return kept.job_id or self.job_id


async def find_earlier(db: Executor, claim: Claim, now: datetime) -> UUID | None:
    """The job that has the key already. Raises IdempotencyConflict."""
    kept = await find_idempotency_key(db, claim.project_id, claim.key_hash, now)
    if kept is None:
        return None
    if isinstance(answer := claim.answer(kept), IdempotencyConflict):
        raise answer
    return answer


async def claim_keys(db: Executor, claims: Sequence[Claim], now: datetime) -> Mapping[UUID, UUID | IdempotencyConflict]:
    """What each of these new jobs is answered: its own id if the key is now its own. In the transaction that makes the
    jobs, and before anything else in it: keys are locked in their order, here and everywhere."""
    first = {(one.project_id, one.key_hash): one for one in reversed(claims)}
    rows = [
        {
            "project_id": one.project_id,
            "key_hash": one.key_hash.hex(),
            "request_hash": one.request_hash.hex(),
            "job_id": one.job_id,
        }
        for one in first.values()
    ]
    kept = {(one.project_id, one.key_hash): one for one in await claim_idempotency_keys(db, rows, now + KEY_LIFE, now)}
    return {one.job_id: one.answer(kept[one.project_id, one.key_hash]) for one in claims}


async def give_back_keys(db: Executor, claims: Sequence[Claim]) -> None:
    """Their jobs were not made after all."""
    await drop_idempotency_keys(db, [one.project_id for one in claims], [one.key_hash for one in claims])
