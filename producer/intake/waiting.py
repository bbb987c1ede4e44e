"""Batches that are larger than what the limits of their project admit at once: they take their room part by part."""

from producer.limiting import Asked, ProjectLimits
from sql.admissions import add_admitted, put_admission, read_admission
from sql.batches import ValidatingBatch
from sql.pool import Database


class WaitingRoom:
    """What was taken is written down at once, so that whoever goes on after a crash does not begin anew."""

    def __init__(self, database: Database, limits: ProjectLimits) -> None:
        self._database = database
        self._limits = limits

    async def put(self, batch: ValidatingBatch, asked: Asked) -> None:
        """Until there was room for all of it, its lines are not read again."""
        await put_admission(self._database, batch.id, asked.requests, asked.tokens)

    async def go_on(self, batch: ValidatingBatch) -> Asked | None:
        """Take what there is room for. What has been taken in all; None while that is not all that it asks for.
        For the one process that holds the batch."""
        admission = await read_admission(self._database, batch.id)
        if admission is None:
            return Asked()
        had = Asked(admission.admitted_requests, admission.admitted_tokens)
        left = Asked(admission.requests, admission.tokens).beyond(had)
        taken, wait_s = await self._limits.admit_part(batch.project_id, left)
        await add_admitted(self._database, batch.id, taken.requests, taken.tokens, wait_s)
        return Asked(had.requests + taken.requests, had.tokens + taken.tokens) if taken == left else None
