"""Looks for what an operator must see to, and for what of it is over. One process of all does it."""

from dataclasses import replace
from datetime import datetime, timedelta

from broker.health import HealthBoard
from broker.queue import JobQueue
from core.alerting import (
    BREAKER,
    LATE,
    RETIRES,
    Changes,
    LateJobs,
    OpenAlert,
    changes_of,
    find_late,
    find_open,
    find_retiring,
    old_letters,
    over_credentials,
)
from core.clock import utc_now
from core.limits import Limits
from core.logging import get_logger
from core.settings import Settings
from sql.alerts import LateCount, raise_alert, resolve_alert_before, select_alerts, select_late_jobs
from sql.figures import FiguresFollower
from sql.following import CatalogFollower
from sql.pool import Database

EVERY_S = 10.0
_DUTY_S = 30.0
log = get_logger(__name__)


class AlertWatch:
    def __init__(
        self,
        database: Database,
        queue: JobQueue,
        board: HealthBoard,
        catalog: CatalogFollower,
        figures: FiguresFollower,
        settings: Settings,
        owner: str,
    ) -> None:
        self._database = database
        self._queue = queue
        self._board = board
        self._catalog = catalog
        self._figures = figures
        self._settings = settings
        self._owner = owner

    async def step(self, now: datetime | None = None) -> None:
        """`now` is for tests."""
        if not await self._queue.take_duty("alerts", self._owner, _DUTY_S):
            return
        now, catalog = now or utc_now(), self._catalog.current
        alerts = [
            OpenAlert(row["kind"], row["subject"], row["message"], row["last_at"])
            for row in await select_alerts(self._database, resolved=False)
        ]
        board = await self._board.read(now)
        settings = self._settings
        found = find_open(board.breakers, catalog, alerts, now, settings.alert_breaker_s)
        found += find_late(await self._late(now), settings.alert_wait_s)
        called = {(one.provider, one.model) for one in self._figures.current.values()}
        found += find_retiring(catalog, called, now)
        changes = changes_of(found, alerts, {BREAKER, LATE, RETIRES})
        over = [*changes.resolved, *over_credentials(alerts, catalog), *old_letters(alerts, now)]
        await self._apply(replace(changes, resolved=over))

    async def _late(self, now: datetime) -> list[LateJobs]:
        """Not of who is paused, nor of who runs as many as it may."""
        catalog = self._catalog.current
        if catalog.paused:
            return []
        wait = timedelta(seconds=self._settings.alert_wait_s)
        return [
            LateJobs(catalog.name_of(one.project_id), one.kind, one.jobs, one.oldest_s)
            for one in await select_late_jobs(self._database, wait, now)
            if not await self._waits_by_wish(one)
        ]

    async def _waits_by_wish(self, late: LateCount) -> bool:
        project = self._catalog.current.projects.get(late.project_id)
        if project is None or project.paused:  # a project that is not known yet is looked at next time
            return True
        cap = Limits.of(project.settings.get("limits")).concurrency
        return cap is not None and (await self._queue.count_running([project.id]))[0] >= cap

    async def _apply(self, changes: Changes) -> None:
        for one in changes.raised:
            log.warning("alert", alert=one.kind, subject=one.subject, reason=one.message)
            await raise_alert(self._database, one.kind, one.subject, one.message)
        for over in changes.resolved:
            log.info("alert over", alert=over.kind, subject=over.subject)
            await resolve_alert_before(self._database, over.kind, over.subject, None)
