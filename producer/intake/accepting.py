"""From lines to the jobs of a batch, inside one transaction: all that can be said against them, or all of them made."""

import asyncio
from array import array
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from core.clock import utc_now
from core.errors import BudgetReached, FactoryError, Problem, RequestRefused
from core.ids import id_of_line
from producer.intake.line_readers import LineReader, read_own
from producer.intake.lines import PAGE_LINES, Line, LineSource
from producer.intake.making import Making
from producer.intake.names import Names, problems_of_line
from producer.limiting import Asked, ProjectLimits
from producer.submit import Caller, Submitter
from sql.batches import insert_batch_errors
from sql.statements import Executor

MOST_TOLD = 1000
BREATH_LINES = 25


class _Refused(Exception):
    """A line that makes no job."""

    def __init__(self, key: str | None, problems: Sequence[Problem]) -> None:
        self.key = key
        self.problems = problems


class Acceptance:
    """For one batch, once. `on_error`: `reject` makes nothing when any line is wrong, `skip` makes the others; with
    `keyed` it makes them when every wrong line has a key to be told of by, and a line without money is a wrong one."""

    def __init__(
        self,
        submitter: Submitter,
        limits: ProjectLimits,
        caller: Caller,
        batch_id: UUID,
        on_error: str,
        read: LineReader = read_own,
        *,
        keyed: bool = False,
        admitted: Asked = Asked(),  # noqa: B008  immutable
    ) -> None:
        self._reader = read
        self._submitter = submitter
        self._caller = caller
        self._batch_id = batch_id
        self._rejects = on_error == "reject"
        self._keyed = keyed
        self._fatal = False
        self._making = Making(submitter, limits, caller, batch_id, admitted)
        self._names = Names()
        self._postponed = array("L")
        self._problems: list[Problem] = []
        self._wrong: list[dict[str, Any]] = []
        self._adding: asyncio.Task[None] | None = None
        self.refused = 0
        self.last_line = 0

    async def run(self, db: Executor, source: LineSource) -> None:
        """Raises RequestRefused with the line of every problem (the first thousand), and what `Making.conclude` does.
        Then the transaction is to be rolled back."""
        try:
            await self._read(db, source)
            await self._settled()
        finally:
            if self._adding is not None:
                self._adding.cancel()
                await asyncio.gather(self._adding, return_exceptions=True)
        if not self._fatal:
            await self._untangle(db)
        if self._keyed and not self._fatal:
            await self._refuse_unpaid(db)
        await self._keep_wrong(db)
        if self._fatal or (self.refused and not self._making.made and not self._keyed):
            raise RequestRefused.of(self._problems)
        if not self._making.made and not self.refused:
            raise FactoryError("the lines of this batch are not there any more")
        await self._making.conclude(db, self.refused)

    @property
    def asked(self) -> Asked:
        """Of the limits of the project, once `run` has met them."""
        return self._making.asked

    async def _read(self, db: Executor, source: LineSource) -> None:
        """Lines that come after lines not seen yet are taken at the end, when all keys are known."""
        while page := await source.page(self.last_line):
            self.last_line = page[-1][0]
            for start in range(0, len(page), PAGE_LINES):
                await self._take(db, page[start : start + PAGE_LINES], postponing=True)
        for start in range(0, len(self._postponed), PAGE_LINES):
            lines = await source.named(self._postponed[start : start + PAGE_LINES].tolist())
            await self._take(db, lines, postponing=False)

    async def _take(self, db: Executor, lines: Sequence[Line], *, postponing: bool) -> None:
        rows = []
        for place, (line, body) in enumerate(lines):
            if place % BREATH_LINES == BREATH_LINES - 1:
                await asyncio.sleep(0)  # others of this process have their turn
            try:
                row = self._prepare(line, body, postponing=postponing)
            except _Refused as refused:
                self._refuse(line, refused.key, refused.problems)
                continue
            if row is not None:
                rows.append(row)
        await self._settled()
        await self._keep_wrong(db)
        if rows and not self._fatal:
            self._adding = asyncio.create_task(self._making.add(db, rows))

    async def _settled(self) -> None:
        """While Postgres takes a page, the next one is read here."""
        if self._adding is not None:
            await self._adding
            self._adding = None

    def _prepare(self, line: int, body: bytes, *, postponing: bool) -> dict[str, Any] | None:
        """The row of its job; None when it is put off."""
        key, request = self._reader(body, line)
        if isinstance(request, list):
            if self._keyed and (fault := self._names.add(line, key)):
                raise _Refused(None, [fault])
            raise _Refused(key, request)
        if postponing and (fault := self._names.add(line, key)):
            raise _Refused(None, [fault])
        if postponing and not self._names.knows_all(request):
            self._postponed.append(line)
            return None
        if faults := self._names.join(line, request):
            raise _Refused(key, faults)
        after = [id_of_line(self._batch_id, one) for one in self._names.lines_before(request)]
        try:
            row = self._submitter.prepare(self._caller, request, self._batch_id, line, after, utc_now())
        except RequestRefused as error:
            raise _Refused(key, problems_of_line(error, line)) from None
        except BudgetReached as error:
            if not self._keyed:
                raise
            raise _Refused(key, [_unpaid(line, error)]) from None
        self._making.count(line, request)
        return row | {"key": key}

    def _refuse(self, line: int, key: str | None, problems: Sequence[Problem]) -> None:
        self._names.refuse(line, key)
        self.refused += 1
        fatal = self._rejects or (self._keyed and key is None)
        self._fatal |= fatal
        if fatal or not self._keyed:
            self._problems += problems[: MOST_TOLD - len(self._problems)]
        if not self._rejects:
            self._wrong.append({"line": line, "key": key, "problems": [one.as_dict() for one in problems]})

    async def _keep_wrong(self, db: Executor) -> None:
        if self._wrong:
            await insert_batch_errors(db, self._batch_id, self._wrong)
            self._wrong = []

    async def _untangle(self, db: Executor) -> None:
        """Jobs that would wait for ever are taken back."""
        stuck = self._names.find_stuck()
        for problem in stuck:
            self._refuse(problem.line or 0, None, [problem])
        await self._making.take_back(db, [problem.line for problem in stuck if problem.line])

    async def _refuse_unpaid(self, db: Executor) -> None:
        """Jobs that there is no money for are taken back."""
        unpaid = await self._making.find_unpaid(db)
        for job, error in unpaid:
            self._refuse(job.line, job.key, [_unpaid(job.line, error)])
        await self._making.take_back(db, [job.line for job, _ in unpaid])


def _unpaid(line: int, error: BudgetReached) -> Problem:
    return Problem(error.message, line=line, code=error.code)
