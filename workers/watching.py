"""Looks at budgets: says when a soft one is used up, and when what was said of a budget is over."""

from datetime import datetime

from broker.queue import JobQueue
from core.budgets import HARD, SOFT, Budgets, Period, budget_subject, budgets_of, soft_passed
from core.logging import get_logger
from sql.alerts import raise_alert, resolve_alert_before
from sql.budgets import select_periods
from sql.following import CatalogFollower
from sql.pool import Database

EVERY_S = 5.0
_DUTY_S = 12.0


class BudgetWatch:
    """One process of all does it."""

    def __init__(self, database: Database, queue: JobQueue, catalog: CatalogFollower, owner: str) -> None:
        self._database = database
        self._queue = queue
        self._catalog = catalog
        self._owner = owner
        self._seen: dict[str, tuple[Budgets, datetime, bool]] = {}

    async def step(self) -> None:
        if not await self._queue.take_duty("budgets", self._owner, _DUTY_S):
            self._seen.clear()
            return
        for project in list(self._catalog.current.projects.values()):
            if (budgets := budgets_of(project)) is not None:
                for period in await select_periods(self._database, project.id, None):
                    await self._look(project.name, budgets, period)

    async def _look(self, project: str, budgets: Budgets, period: Period) -> None:
        """A word for each change alone."""
        subject, soft = budget_subject(project, period.name), soft_passed(period, budgets)
        seen = (budgets, period.starts_at, soft is None)
        if self._seen.get(subject) == seen:
            return
        self._seen[subject] = seen
        await resolve_alert_before(self._database, HARD, subject, period.starts_at)
        if soft is None:
            await resolve_alert_before(self._database, SOFT, subject, None)
            return
        message = f"{period.spent:f} USD are spent of a soft {period.name} budget of {soft:f} USD"
        get_logger(__name__).warning("alert", alert=SOFT, project=project, period=period.name, reason=message)
        await raise_alert(self._database, SOFT, subject, message)
