"""Webhook endpoints, and the outbox of their deliveries. Rows for callers are plain dicts with the statement's columns.

What is to be delivered is written by triggers on `factory.jobs` and `factory.batches`, in the transaction that ends
the job or batch.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sql.statements import Executor, statement


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """Mine until `leased_until`, which is the token to record its try with. `endpoint_id` is None for a job's own
    `webhook_url`, `secret_digest` where no secret was shown yet, `old_secret_number` where no older one is in force.
    `active`: the endpoint is not switched off."""

    id: UUID
    project_id: UUID
    project: str
    endpoint_id: UUID | None
    job_id: UUID | None
    batch_id: UUID | None
    type: str
    url: str
    attempts: int
    leased_until: datetime
    active: bool
    include_content: bool
    secret_number: int
    secret_digest: bytes | None
    old_secret_number: int | None
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class ProjectSecret:
    """Which secret a project's `webhook_url`s are signed with, and until when the one before signs too."""

    secret_number: int
    secret_digest: bytes
    old_secret_number: int | None
    old_secret_until: datetime | None


@dataclass(frozen=True, slots=True)
class KnownDelivery:
    id: UUID
    active: bool


async def claim_deliveries(
    db: Executor, most: int, per_lane: int, lease: timedelta, now: datetime | None
) -> list[ClaimedDelivery]:
    """Due ones that nobody is at, of the lanes that have waited longest; a lane (an endpoint, or the `webhook_url`s of
    a project) has at most `per_lane` under way in the whole fleet."""
    rows = await db.fetch(statement("claim_deliveries"), most, per_lane, lease, now)
    return [ClaimedDelivery(**row) for row in rows]


async def record_delivery(
    db: Executor,
    delivery_id: UUID,
    leased_until: datetime,
    tried: list[dict[str, Any]],
    status: int | None,
    state: str,
    next_at: datetime | None,
    now: datetime,
) -> bool:
    """One try, by the holder of the lease: `delivered`, `failed` for good, or `pending` until `next_at`."""
    given = (delivery_id, leased_until, tried, status, state, next_at, now)
    return await db.fetchval(statement("record_delivery"), *given) is not None


async def put_off_delivery(db: Executor, delivery_id: UUID, leased_until: datetime, next_at: datetime) -> None:
    """Given back without a try."""
    await db.execute(statement("put_off_delivery"), delivery_id, leased_until, next_at)


async def note_webhook_success(db: Executor, endpoint_id: UUID) -> None:
    await db.execute(statement("note_webhook_success"), endpoint_id)


async def note_webhook_failure(db: Executor, endpoint_id: UUID, now: datetime) -> datetime | None:
    """Since when there has been nothing but failures; None when the endpoint is gone."""
    since: datetime | None = await db.fetchval(statement("note_webhook_failure"), endpoint_id, now)
    return since


async def disable_webhook_endpoint(db: Executor, endpoint_id: UUID, reason: str) -> bool:
    """False when it was off already."""
    return await db.fetchval(statement("disable_webhook_endpoint"), endpoint_id, reason) is not None


async def prune_deliveries(db: Executor, before: datetime, most: int) -> int:
    """Forget deliveries that are over and were made before that time. How many went."""
    return len(await db.fetch(statement("prune_deliveries"), before, most))


async def insert_webhook_endpoint(
    db: Executor,
    endpoint_id: UUID,
    project_id: UUID,
    url: str,
    events: list[str],
    include_content: bool,
    active: bool,
    secret_digest: bytes,
    most: int,
) -> dict[str, Any] | None:
    """None when the project has `most` already."""
    given = (endpoint_id, project_id, url, events, include_content, active, secret_digest, most)
    row = await db.fetchrow(statement("insert_webhook_endpoint"), *given)
    return dict(row) if row else None


async def select_webhook_endpoints(db: Executor, project_id: UUID, endpoint_id: UUID | None) -> list[dict[str, Any]]:
    """All of a project, or the one."""
    return [dict(row) for row in await db.fetch(statement("select_webhook_endpoints"), project_id, endpoint_id)]


async def change_webhook_endpoint(
    db: Executor,
    endpoint_id: UUID,
    project_id: UUID,
    url: str | None,
    events: list[str] | None,
    include_content: bool | None,
    active: bool | None,
) -> dict[str, Any] | None:
    """None leaves a field as it is. Switched on, the endpoint begins without a past."""
    row = await db.fetchrow(
        statement("change_webhook_endpoint"), endpoint_id, project_id, url, events, include_content, active
    )
    return dict(row) if row else None


async def rotate_webhook_secret(
    db: Executor, endpoint_id: UUID, project_id: UUID, number: int, old_until: datetime, digest: bytes
) -> dict[str, Any] | None:
    """From secret `number` to the next, whose digest is given. None when another rotation came first."""
    row = await db.fetchrow(statement("rotate_webhook_secret"), endpoint_id, project_id, number, old_until, digest)
    return dict(row) if row else None


async def end_old_webhook_secret(db: Executor, endpoint_id: UUID, project_id: UUID) -> dict[str, Any] | None:
    row = await db.fetchrow(statement("end_old_webhook_secret"), endpoint_id, project_id)
    return dict(row) if row else None


async def remove_webhook_endpoint(db: Executor, endpoint_id: UUID, project_id: UUID) -> bool:
    """With its deliveries."""
    return await db.fetchval(statement("remove_webhook_endpoint"), endpoint_id, project_id) is not None


async def read_webhook_secret(db: Executor, project_id: UUID) -> ProjectSecret | None:
    """None while none was shown: then it is number 1."""
    row = await db.fetchrow(statement("read_webhook_secret"), project_id)
    return ProjectSecret(**row) if row else None


async def put_webhook_secret(
    db: Executor,
    project_id: UUID,
    number: int,
    new_number: int,
    digest: bytes,
    old_number: int | None,
    old_until: datetime | None,
) -> ProjectSecret | None:
    """What holds from now on, where secret `number` held. None when a rotation came in between."""
    given = (project_id, number, new_number, digest, old_number, old_until)
    row = await db.fetchrow(statement("put_webhook_secret"), *given)
    return ProjectSecret(**row) if row else None


async def select_deliveries(
    db: Executor,
    project_id: UUID,
    endpoint_id: UUID | None,
    job_id: UUID | None,
    state: str | None,
    before: UUID | None,
    limit: int,
) -> list[dict[str, Any]]:
    """A page of deliveries, the newest first. `state`: `pending`, `delivered`, `failed`."""
    rows = await db.fetch(statement("select_deliveries"), project_id, endpoint_id, job_id, state, before, limit)
    return [dict(row) for row in rows]


async def read_delivery(db: Executor, delivery_id: UUID, project_id: UUID) -> KnownDelivery | None:
    row = await db.fetchrow(statement("read_delivery"), delivery_id, project_id)
    return KnownDelivery(**row) if row else None


async def redeliver(db: Executor, delivery_id: UUID, project_id: UUID, now: datetime | None) -> dict[str, Any] | None:
    """The schedule from its beginning. None while a worker is at it."""
    row = await db.fetchrow(statement("redeliver"), delivery_id, project_id, now)
    return dict(row) if row else None
