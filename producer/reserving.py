"""What a job may cost is set aside when it is accepted, where its project has a hard budget."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.budgets import HARD, Budgets, Period, bound_of, budget_subject, budgets_of, find_short
from core.errors import BudgetReached
from core.health import Health
from core.logging import get_logger
from core.request import JobRequest
from sql.alerts import raise_alert
from sql.budgets import Reservation, lock_budget, read_account, select_reservations
from sql.figures import FiguresFollower
from sql.following import CatalogFollower
from sql.pool import Database
from sql.statements import Executor


class Reserver:
    """A project without budgets costs nothing here."""

    def __init__(self, database: Database, catalog: CatalogFollower, figures: FiguresFollower) -> None:
        self._database = database
        self._catalog = catalog
        self._figures = figures
        self._told: set[str] = set()

    def budgets(self, project_id: UUID) -> Budgets | None:
        """Those of a project that has any."""
        return budgets_of(self._catalog.current.projects.get(project_id))

    def estimate(self, project_id: UUID, request: JobRequest, now: datetime) -> Decimal | None:
        """USD to set aside for a job: what the call that is foreseen will hardly exceed. None: nothing, as the project
        has no hard budget. Raises BudgetReached where the price is not known and the project does not allow that."""
        budgets = self.budgets(project_id)
        if budgets is None or not budgets.is_hard:
            return None
        route = self._catalog.router.plan(request, project_id, Health(), now).routes[0]
        bound = bound_of(request, route, self._figures.current)
        if bound is None and not budgets.allow_unknown_prices:
            raise BudgetReached(
                f"the price of {route.model.name} is not known, and the project has a hard budget; the operator can "
                "give the model a price, or set budgets.allow_unknown_prices"
            )
        return bound or Decimal(0)

    async def reserve(
        self, db: Executor, project_id: UUID, rows: Sequence[Mapping[str, Any]]
    ) -> dict[UUID, BudgetReached]:
        """Which of these new jobs have no money, by id; in the transaction that makes the others."""
        budgets = self.budgets(project_id)
        if budgets is None:
            return {}
        await lock_budget(db, project_id)
        account = await read_account(db, project_id, None)
        refused: dict[UUID, BudgetReached] = {}
        held = account.reserved
        for row in rows:
            if short := find_short(account, budgets, row["reserved_usd"], held):
                refused[row["id"]] = BudgetReached(str(short))
                await self._tell(project_id, short.period, str(short))
            else:
                held += row["reserved_usd"]
        return refused

    async def reserve_whole(self, db: Executor, project_id: UUID, wanted: Decimal) -> None:
        """For many new jobs at once, whose rows are in this transaction already: all or none. Raises BudgetReached."""
        budgets = self.budgets(project_id)
        if budgets is None or not budgets.is_hard:
            return
        await lock_budget(db, project_id)
        account = await read_account(db, project_id, None)
        if short := find_short(account, budgets, wanted, account.reserved - wanted):
            await self._tell(project_id, short.period, str(short))
            raise BudgetReached(str(short))

    async def find_unpaid(
        self, db: Executor, project_id: UUID, batch_id: UUID, wanted: Decimal
    ) -> list[tuple[Reservation, BudgetReached]]:
        """For the new jobs of a batch, which want so much in all and are in this transaction already: those that there
        is no money for, beside the others of lines before and after them."""
        budgets = self.budgets(project_id)
        if budgets is None or not budgets.is_hard:
            return []
        await lock_budget(db, project_id)
        account = await read_account(db, project_id, None)
        held = account.reserved - wanted
        if find_short(account, budgets, wanted, held) is None:
            return []
        unpaid = []
        for one in await select_reservations(db, batch_id):
            if short := find_short(account, budgets, one.usd, held):
                unpaid.append((one, BudgetReached(str(short))))
                await self._tell(project_id, short.period, str(short))
            else:
                held += one.usd
        return unpaid

    async def _tell(self, project_id: UUID, period: Period, message: str) -> None:
        """Once per period from this process; the alert counts over all."""
        project = self._catalog.current.projects[project_id].name
        subject = budget_subject(project, period.name)
        if (told := f"{subject} {period.starts_at}") in self._told:
            return
        self._told.add(told)
        get_logger(__name__).warning("alert", alert=HARD, project=project, period=period.name, reason=message)
        await raise_alert(self._database, HARD, subject, message)
