"""What callers think of answers: one word a job, the newest."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sql.statements import Executor, statement


@dataclass(frozen=True, slots=True)
class GivenFeedback:
    """`state` is the job's; the rest is None where the job is not completed, and nothing was written."""

    state: str
    id: UUID | None
    score: Decimal | None
    label: str | None
    created_at: datetime | None


async def give_feedback(
    db: Executor, feedback_id: UUID, job_id: UUID, project_id: UUID, score: Decimal | None, label: str | None
) -> GivenFeedback | None:
    """Write it, in place of what was there. None: the project has no such job."""
    row = await db.fetchrow(statement("give_feedback"), feedback_id, job_id, project_id, score, label)
    return GivenFeedback(**row) if row else None
