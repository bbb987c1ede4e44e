"""Before each call: is there money for it? A request's ceiling, a batch's, a project's hard budgets.

A sum is found free and reserved in one transaction, under the lock of its project or batch. What was reserved when the
job was accepted covers the call that was foreseen; what goes beyond it is reserved anew, or the call is not made.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from types import TracebackType
from uuid import UUID

from core.budgets import HARD, Budgets, bound_of, budget_subject, budgets_of, find_short
from core.estimates import most_usage
from core.pricing import price_most
from core.provider import ProviderError
from core.request import JobRequest
from core.routing import Route
from core.tiers import asked_tier
from sql.alerts import raise_alert
from sql.budgets import (
    BatchAccount,
    JobAccount,
    lock_batch,
    lock_budget,
    read_account,
    read_batch_account,
    read_job_account,
    reserve_for_job,
)
from sql.figures import FiguresFollower
from sql.following import CatalogFollower
from sql.jobs import StartedJob
from sql.pool import Database
from sql.statements import Executor
from workers.limiting import AtLimit

LOOK_AGAIN_S = 1.0


class Unaffordable(Exception):
    """A call would go beyond what may be spent; the message says which ceiling and how far it is used up. `period`: of
    which budget. `after`: what the call before it brought, which this one was to mend."""

    after: ProviderError | None = None

    def __init__(self, why: str, period: str | None = None) -> None:
        super().__init__(why)
        self.period = period


class JobGone(Exception):
    """The job is somebody else's now, or is being cancelled."""


@dataclass(slots=True, eq=False)
class Begun:
    """A call that there is money for. The other parts of its job count it until it is `written` in the ledger, or this
    is left because it was not made."""

    job_id: UUID
    all: "dict[Begun, Decimal]"

    def written(self) -> None:
        self.all.pop(self, None)

    def __enter__(self) -> "Begun":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.written()


class Purse:
    """Jobs without any ceiling pass without a look."""

    def __init__(self, database: Database, catalog: CatalogFollower, figures: FiguresFollower) -> None:
        self._database = database
        self._catalog = catalog
        self._figures = figures
        self._begun: dict[Begun, Decimal] = {}

    async def open(self, job: StartedJob, request: JobRequest, route: Route) -> Begun:
        """Raises Unaffordable, AtLimit while others' reservations may yet be freed, or JobGone."""
        begun = Begun(job.id, self._begun)
        ceiling = request.requirements.max_cost_usd if request.requirements else None
        budgets = budgets_of(self._catalog.current.projects.get(job.project_id))
        hard = budgets if budgets is not None and budgets.is_hard else None
        if ceiling is None and hard is None and not job.batch_has_ceiling:
            return begun
        before = self._begun_of(job)
        beside: dict[Begun, Decimal] = {}
        try:
            async with self._database.acquire() as connection, connection.transaction():
                mine = await read_job_account(connection, job.id, job.fence)
                if mine is None:
                    raise JobGone
                beside = before | self._begun_of(job)
                wanted = bound_of(request, route, self._figures.current)
                if wanted is None and (job.batch_has_ceiling or (hard and not hard.allow_unknown_prices)):
                    raise Unaffordable(
                        f"the price of {route.model.name} is not known, and what may be spent is limited"
                    )
                wanted = wanted or Decimal(0)
                mine = replace(mine, uncertain=mine.uncertain + sum(beside.values()))
                if ceiling is not None:
                    _hold_to_ceiling(mine, request, route, ceiling)
                if hard is not None or job.batch_has_ceiling:
                    await self._reserve(connection, job, hard, mine, wanted)
                self._begun[begun] = wanted
        except Unaffordable as refusal:
            if beside:  # some of them may be in the ledger by now, and were counted twice
                raise AtLimit("other parts of the job are about to be paid for", LOOK_AGAIN_S) from None
            if refusal.period is not None:
                project = self._catalog.current.projects[job.project_id].name
                await raise_alert(self._database, HARD, budget_subject(project, refusal.period), str(refusal))
            raise
        return begun

    def _begun_of(self, job: StartedJob) -> dict[Begun, Decimal]:
        return {one: most for one, most in self._begun.items() if one.job_id == job.id}

    async def _reserve(
        self, connection: Executor, job: StartedJob, budgets: Budgets | None, mine: JobAccount, wanted: Decimal
    ) -> None:
        """What goes beyond the job's reservation, where it is free."""
        held, used = mine.reserved or Decimal(0), mine.spent + mine.uncertain
        if budgets is not None and held - used < wanted:
            await _hold_to_budgets(connection, job, budgets, mine, wanted)
        if job.batch_has_ceiling and job.batch_id is not None:
            await lock_batch(connection, job.batch_id)
            account = await read_batch_account(connection, job.batch_id, job.id)
            if account is not None:
                _hold_to_batch(account, mine, wanted)
        if held - used < wanted:
            await reserve_for_job(connection, job.id, job.fence, used + wanted)


async def _hold_to_budgets(
    connection: Executor, job: StartedJob, budgets: Budgets, mine: JobAccount, wanted: Decimal
) -> None:
    await lock_budget(connection, job.project_id)
    account = await read_account(connection, job.project_id, None)
    others = account.reserved - (mine.reserved or Decimal(0))
    if short := find_short(account, budgets, mine.uncertain + wanted, others):
        raise Unaffordable(str(short), short.period.name)


def _hold_to_ceiling(mine: JobAccount, request: JobRequest, route: Route, ceiling: Decimal) -> None:
    """A request's own ceiling bounds all of its calls together, failovers included. Of the first call, routing saw to
    it."""
    if not (mine.spent or mine.uncertain or mine.unpriced):
        return
    tier = asked_tier(request, route.model.provider, route.parameters)
    most = price_most(most_usage(request, route.model.max_output_tokens), route.price, route.endpoint.region, tier)
    spent = mine.spent + mine.uncertain
    if mine.unpriced or most is None or spent + most > ceiling:
        shown = "an unknown sum" if mine.unpriced else f"up to {spent:f} USD"
        raise Unaffordable(f"{shown} of max_cost_usd {ceiling:f} went into earlier calls; another might go beyond it")


def _hold_to_batch(account: BatchAccount, mine: JobAccount, wanted: Decimal) -> None:
    gone = account.spent + account.uncertain
    if gone + wanted > account.max_cost_usd:
        raise Unaffordable(
            f"max_cost_usd of the batch is {account.max_cost_usd:f}; {gone:f} USD are spent, and this job may cost "
            f"{wanted:f} more"
        )
    if gone + account.reserved + mine.uncertain + wanted > account.max_cost_usd:
        raise AtLimit("the batch waits for what its running jobs will really cost", LOOK_AGAIN_S)
