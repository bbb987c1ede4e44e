"""The jobs of one batch as they are made, page by page, in a transaction; and what holds for them all together."""

from array import array
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from core.errors import BudgetReached
from core.ids import id_of_line
from core.limits import tokens_asked
from core.request import JobRequest
from producer.limiting import Asked, ProjectLimits
from producer.submit import Caller, Submitter
from sql.batches import accept_batch, remove_jobs
from sql.budgets import Reservation
from sql.jobs import release_dependents
from sql.statements import Executor

PAGE = 200

Item = TypeVar("Item")


class BatchGone(Exception):
    """It was cancelled, or somebody else has accepted it."""


class Making:
    """For one batch, once."""

    def __init__(
        self,
        submitter: Submitter,
        limits: ProjectLimits,
        caller: Caller,
        batch_id: UUID,
        admitted: Asked = Asked(),  # noqa: B008  immutable
    ) -> None:
        """`admitted`: what the limits of the project have admitted of it already."""
        self._submitter = submitter
        self._limits = limits
        self._caller = caller
        self._batch_id = batch_id
        self._admitted = admitted
        self._counted = array("Q")  # of each job, its line and the tokens it is counted as
        self._removed: set[int] = set()
        self._reserved = Decimal(0)
        self._answered: set[UUID] = set()
        self.made = 0

    def count(self, line: int, request: JobRequest) -> None:
        """Towards the limits of the project."""
        if self._limits.holds(self._caller.project_id):
            self._counted.extend((line, tokens_asked(request)))

    async def add(self, db: Executor, rows: Sequence[dict[str, Any]]) -> None:
        """Rows of `Submitter.prepare`."""
        answered, reserved = await self._submitter.make(db, rows)
        self.made += len(rows)
        self._reserved += reserved
        self._answered |= answered & {row["id"] for row in rows if row["key"] is not None}

    async def take_back(self, db: Executor, lines: Sequence[int]) -> None:
        """Jobs of these lines are not to be."""
        for page in _pages(lines):
            self._reserved -= await remove_jobs(db, [id_of_line(self._batch_id, line) for line in page])
        self.made -= len(lines)
        self._removed.update(lines)

    async def find_unpaid(self, db: Executor) -> list[tuple[Reservation, BudgetReached]]:
        """Jobs that the budgets of the project have no room for beside the others."""
        return await self._submitter.find_unpaid(db, self._caller, self._batch_id, self._reserved)

    @property
    def asked(self) -> Asked:
        """Of the limits of the project, by all jobs that were made."""
        return Asked(self.made, sum(count for _, count in self._tokens()))

    async def conclude(self, db: Executor, refused: int) -> None:
        """Hold them to the limits and budgets of the project, and let them run. Raises RateLimited, RequestRefused,
        BudgetReached, or BatchGone: then the transaction is to be rolled back."""
        for page in _pages(list(self._answered)):
            await release_dependents(db, page, None)
        left = self.asked.beyond(self._admitted)
        if any(left):
            await self._limits.admit_counted(self._caller.project_id, *left, self._tokens())
        await self._submitter.reserve(db, self._caller, self._reserved)
        if not await accept_batch(db, self._batch_id, refused):
            raise BatchGone

    def _tokens(self) -> Iterator[tuple[UUID, int]]:
        for place in range(0, len(self._counted), 2):
            line, tokens = self._counted[place : place + 2]
            if line not in self._removed:
                yield id_of_line(self._batch_id, line), tokens


def _pages(items: Sequence[Item]) -> Iterator[list[Item]]:
    for start in range(0, len(items), PAGE):
        yield list(items[start : start + PAGE])
