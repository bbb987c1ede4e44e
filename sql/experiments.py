"""Feedback, and what became of the jobs that drew a variant."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sql.statements import Executor, statement


@dataclass(frozen=True, slots=True)
class DrawnJob:
    """A job whose alias drew a variant for it. `took_s` from its first start to its end; counts are of its calls."""

    variant: str
    state: str
    took_s: float | None
    cost: Decimal | None
    answered_by: str | None
    with_schema: bool | None
    calls: int
    failed_calls: int
    valid: int
    mended: int
    invalid: int
    score: Decimal | None
    label: str | None


async def put_feedback(
    db: Executor, project_id: UUID, job_id: UUID, score: Decimal | None, label: str | None
) -> dict[str, Any]:
    """What a caller thought of an answer; given again, it replaces."""
    rows = await db.fetch(statement("put_feedback"), project_id, job_id, score, label)
    return dict(rows[0])


async def select_experiment(
    db: Executor, project_id: UUID, alias: str, since: datetime | None, until: datetime | None
) -> list[DrawnJob]:
    """The project's jobs of an alias that drew, whose calls fall into the time."""
    rows = await db.fetch(statement("select_experiment"), project_id, alias, since, until)
    return [DrawnJob(**row) for row in rows]
