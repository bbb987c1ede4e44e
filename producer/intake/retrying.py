"""What did not complete of a batch, once more: a new batch of the same requests under the same lines and keys."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from core.clock import utc_now
from core.errors import ContentDeleted, Problem, RequestRefused
from core.ids import id_of_line
from core.jsonio import dump_json
from core.request import JobRequest
from producer.intake.making import PAGE, Making
from producer.intake.names import problems_of_line
from producer.limiting import Asked, ProjectLimits
from producer.submit import Caller, Submitter
from sql.batches import UnfinishedJob, select_unfinished
from sql.statements import Executor


class Retrial:
    """For one new batch, once. Answers of jobs that completed are taken from the earlier batch."""

    refused = 0

    def __init__(
        self,
        submitter: Submitter,
        limits: ProjectLimits,
        caller: Caller,
        batch_id: UUID,
        earlier: UUID,
        admitted: Asked = Asked(),  # noqa: B008  immutable
    ) -> None:
        self._submitter = submitter
        self._caller = caller
        self._batch_id = batch_id
        self._earlier = earlier
        self._making = Making(submitter, limits, caller, batch_id, admitted)
        self.last_line = 0

    @property
    def asked(self) -> Asked:
        """Of the limits of the project, once `run` has met them."""
        return self._making.asked

    async def run(self, db: Executor) -> None:
        """Raises RequestRefused where nothing can do a request any more, ContentDeleted where its content was, and
        what `Making.conclude` does."""
        while jobs := await select_unfinished(db, self._earlier, self.last_line, PAGE):
            self.last_line = jobs[-1].line
            if gone := next((job for job in jobs if job.deleted), None):
                raise ContentDeleted(
                    f"line {gone.line}: what it was asked or builds on is deleted: it cannot be tried again"
                )
            await self._making.add(db, self._rows(jobs))
        await self._making.conclude(db, 0)

    def _rows(self, jobs: Sequence[UnfinishedJob]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        problems: list[Problem] = []
        for job in jobs:
            request = JobRequest.model_validate_json(dump_json(job.request))
            again = [id_of_line(self._batch_id, line) for line in job.again]
            try:
                row = self._submitter.prepare(
                    self._caller, request, self._batch_id, job.line, [*job.kept, *again], utc_now()
                )
            except RequestRefused as error:
                problems += problems_of_line(error, job.line)
                continue
            self._making.count(job.line, request)
            state = "waiting" if again else "queued"
            rows.append(row | {"key": job.key, "retry_of": job.id, "blockers": len(again), "state": state})
        if problems:
            raise RequestRefused.of(problems)
        return rows
