"""Tells the operator's own webhook (FACTORY_ALERT_WEBHOOK_URL) of alerts, out of an outbox in Postgres.

At least once, on the schedule of the other webhooks, and through the same guard.
"""

import random
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta

from adapters.outbound import Outbound, OutboundRefused
from core.alerting import alert_body
from core.clock import utc_now
from core.jsonio import dump_json
from core.logging import get_logger
from core.outbound import Allowed, check_webhook_url
from core.signing import sign_webhook
from core.webhooks import AgainAt, Answered, Delivered, judge
from sql.alerts import AlertDelivery, claim_alert_deliveries, prune_alert_deliveries, record_alert_delivery
from sql.pool import Database

EVERY_S = 1.0
TIMEOUT_S = 15.0
KEPT = timedelta(days=30)
_LEASE = timedelta(seconds=45)
_AT_ONCE = 10
_OWN = ("id", "type", "attempts", "leased_until", "alert_id")
log = get_logger(__name__)


class AlertTelling:
    """`secret` None: it is not signed. `clock` is for tests."""

    def __init__(
        self,
        database: Database,
        outbound: Outbound,
        allowed: Allowed,
        url: str,
        secret: str | None,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._outbound = outbound
        self._allowed = allowed
        self._url = url
        self._secret = secret
        self._clock = clock

    async def step(self) -> None:
        """What is due, one after the other."""
        for delivery in await claim_alert_deliveries(self._database, _AT_ONCE, _LEASE, self._clock()):
            answered = await self._post(delivery)
            now = self._clock()
            verdict = judge(answered, delivery.attempts + 1, now, random.random())  # noqa: S311  spreading
            next_at = verdict.at if isinstance(verdict, AgainAt) else None
            if not isinstance(verdict, Delivered):
                log.warning("alert not told", alert=delivery.kind, status=answered.status, error=answered.error)
            await record_alert_delivery(
                self._database, delivery.id, delivery.leased_until, answered.status, answered.error, next_at, now
            )

    async def _post(self, delivery: AlertDelivery) -> Answered:
        alert = {"id": delivery.alert_id} | {k: v for k, v in asdict(delivery).items() if k not in _OWN}
        resolved = delivery.type == "alert.resolved" and delivery.resolved_at
        body = dump_json(alert_body(delivery.type, resolved or delivery.raised_at, alert))
        headers = {"content-type": "application/json", "user-agent": "ai-provider-factory"}
        if self._secret is not None:
            headers |= sign_webhook([self._secret], f"msg_{delivery.id.hex}", self._clock(), body)
        try:
            if fault := check_webhook_url(self._url, self._allowed):
                raise OutboundRefused(f"has an address that {fault}")
            fetched = await self._outbound.post(self._url, content=body, headers=headers, timeout_s=TIMEOUT_S)
        except OutboundRefused as refused:
            return Answered(None, f"the receiver {refused}")
        return Answered(fetched.status, None, fetched.headers.get("retry-after"))


class AlertDeliveryPruning:
    """Forgets what was told a month ago."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def step(self, now: datetime | None = None) -> None:
        await prune_alert_deliveries(self._database, (now or utc_now()) - KEPT)
