"""What an operator must see to."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sql.statements import Executor, statement


async def raise_alert(db: Executor, kind: str, subject: str, message: str) -> None:
    """One open alert for each subject and kind; raised again, it counts."""
    await db.execute(statement("raise_alert"), kind, subject, message)


async def resolve_alert(db: Executor, subject: str) -> None:
    """Everything about this subject is well again."""
    await db.execute(statement("resolve_alert"), subject)


async def resolve_alert_before(db: Executor, kind: str, subject: str, before: datetime | None) -> None:
    """What was last said of it before that time is over; `before` None: whenever it was said."""
    await db.execute(statement("resolve_alert_before"), kind, subject, before)


async def select_alerts(db: Executor, *, resolved: bool) -> list[dict[str, Any]]:
    """The newest first; `resolved`: also those that are over."""
    return [dict(row) for row in await db.fetch(statement("select_alerts"), resolved)]


@dataclass(frozen=True, slots=True)
class LateCount:
    project_id: UUID
    kind: str
    jobs: int
    oldest_s: float


async def select_late_jobs(db: Executor, wait: timedelta, now: datetime | None) -> list[LateCount]:
    """Ready jobs that have waited longer than that, but for those of priority `batch`, which may."""
    return [LateCount(**row) for row in await db.fetch(statement("select_late_jobs"), wait, now)]


@dataclass(frozen=True, slots=True)
class AlertDelivery:
    """Mine until `leased_until`, with its alert as it is now."""

    id: UUID
    type: str
    attempts: int
    leased_until: datetime
    alert_id: int
    kind: str
    subject: str
    message: str
    raised_at: datetime
    last_at: datetime
    times: int
    resolved_at: datetime | None


async def claim_alert_deliveries(
    db: Executor, most: int, lease: timedelta, now: datetime | None
) -> list[AlertDelivery]:
    """What the operator's webhook is to be told now, of the last day."""
    return [AlertDelivery(**row) for row in await db.fetch(statement("claim_alert_deliveries"), most, lease, now)]


async def record_alert_delivery(
    db: Executor,
    delivery_id: UUID,
    leased_until: datetime,
    status: int | None,
    error: str | None,
    next_at: datetime | None,
    now: datetime,
) -> None:
    """One try by the holder of the lease; `next_at` None: it is over."""
    await db.execute(statement("record_alert_delivery"), delivery_id, leased_until, status, error, next_at, now)


async def prune_alert_deliveries(db: Executor, before: datetime) -> None:
    """Forget what was said, and what was not, before a time."""
    await db.execute(statement("prune_alert_deliveries"), before)
