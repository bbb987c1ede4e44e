"""Delivers webhooks: what the outbox in Postgres says is due, a few at once for each receiver.

At least once: a try that nobody recorded, because its worker died, is made again when its lease is over.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from adapters.outbound import Outbound, OutboundRefused
from core import metrics
from core.alerting import DEAD_LETTERS
from core.clock import utc_now
from core.logging import get_logger
from core.outbound import Allowed, check_webhook_url
from core.presenting import present_batch, present_job
from core.signing import secret_digest, sign_webhook, webhook_secret
from core.tracing import OFF, Tracing
from core.webhooks import (
    FAILING_FOR,
    AgainAt,
    Answered,
    Delivered,
    EndpointGone,
    GivenUp,
    Verdict,
    judge,
    readable,
    webhook_body,
)
from sql.alerts import raise_alert
from sql.batches import read_batch
from sql.calls import select_calls
from sql.patience import GONE
from sql.pool import Database
from sql.reading import read_job
from sql.webhooks import (
    ClaimedDelivery,
    claim_deliveries,
    disable_webhook_endpoint,
    note_webhook_failure,
    note_webhook_success,
    prune_deliveries,
    put_off_delivery,
    record_delivery,
)

EVERY_S = 0.5
PRUNE_EVERY_S = 60.0
KEPT = timedelta(days=30)
TIMEOUT_S = 15.0
LEASE = timedelta(seconds=45)
AT_ONCE = 32
AT_ONCE_PER_LANE = 5
ANSWER_CHARACTERS = 500
DISABLED = "webhook_disabled"
OTHER_KEY = "webhook_key"
_OTHER_KEY_WAIT = timedelta(minutes=1)
_STOP_WITHIN_S = 5.0
_PRUNED_AT_ONCE = 1000

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Tried:
    answered: Answered
    duration_ms: int
    answer: str | None = None


class _NothingToSay(Exception):
    """The delivery can never be made; the message says why."""


class WebhookDelivery:
    """`secret` is what FACTORY_SECRET_KEY holds. `clock` and `draw` are for tests: what is due goes by the clock of
    Postgres."""

    def __init__(
        self,
        database: Database,
        outbound: Outbound,
        allowed: Allowed,
        secret: bytes,
        *,
        tracing: Tracing = OFF,
        clock: Callable[[], datetime | None] = lambda: None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._outbound = outbound
        self._allowed = allowed
        self._secret = secret
        self._tracing = tracing
        self._clock = clock
        self._draw = draw
        self._claiming = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    def _now(self) -> datetime:
        return self._clock() or utc_now()

    async def step(self) -> None:
        """Begin what is due; it goes on while there is more."""
        await self._begin_due()

    async def settled(self) -> None:
        """Until nothing is under way here."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self) -> None:
        """Posts under way get a moment to end; what is cut off is delivered again by others."""
        self._stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_STOP_WITHIN_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _begin_due(self) -> None:
        async with self._claiming:
            free = AT_ONCE - len(self._tasks)
            if free <= 0 or self._stopping:
                return
            for claimed in await claim_deliveries(self._database, free, AT_ONCE_PER_LANE, LEASE, self._clock()):
                task = asyncio.create_task(self._deliver(claimed), name=f"webhook {claimed.id}")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _deliver(self, claimed: ClaimedDelivery) -> None:
        """One try, and then whatever became due. While Postgres is away, deliveries are left to their leases."""
        try:
            try:
                await self._try(claimed)
            except GONE:
                raise
            except Exception:
                log.exception("a webhook was not delivered", delivery=str(claimed.id))
                await self._settle(claimed, _Tried(Answered(None, "a fault of the factory: its log says why"), 0))
            await self._begin_due()
        except GONE as error:
            log.warning("webhooks wait for Postgres", error=type(error).__name__)

    async def _try(self, claimed: ClaimedDelivery) -> None:
        if not claimed.active:
            await self._give_up(claimed, "the endpoint is switched off")
            return
        if (secrets := await self._secrets_of(claimed)) is None:
            return
        try:
            body = await self._render(claimed)
        except _NothingToSay as reason:
            await self._give_up(claimed, str(reason))
            return
        with self._tracing.webhook(claimed.traceparent, claimed.type, claimed.attempts + 1) as span:
            tried = await self._post(claimed, body, secrets)
            span.set(http__response__status_code=tried.answered.status)
        await self._settle(claimed, tried)

    async def _settle(self, claimed: ClaimedDelivery, tried: _Tried) -> None:
        verdict = judge(tried.answered, claimed.attempts + 1, self._now(), self._draw())
        await self._record(claimed, tried, verdict)
        if isinstance(verdict, GivenUp):
            await self._mourn(claimed, tried)
        if claimed.endpoint_id is not None:
            await self._judge_endpoint(claimed.endpoint_id, claimed.project, verdict)

    async def _secrets_of(self, claimed: ClaimedDelivery) -> list[str] | None:
        """Those in force, the newest first. None, and the delivery is left to others, where this worker's key is not
        the one that the endpoint's secret was made with."""
        owner = claimed.endpoint_id or claimed.project_id
        numbers = [claimed.secret_number, claimed.old_secret_number]
        secrets = [webhook_secret(self._secret, owner, one) for one in numbers if one is not None]
        if claimed.secret_digest is None or secret_digest(secrets[0]) == claimed.secret_digest:
            return secrets
        message = "a worker's FACTORY_SECRET_KEY is not the one that the secret was made with: give it that, or rotate"
        subject = f"webhook endpoint {owner}" if claimed.endpoint_id else f"project {claimed.project} webhook_url"
        log.warning("alert", alert=OTHER_KEY, subject=subject, reason=message)
        await raise_alert(self._database, OTHER_KEY, subject, message)
        await put_off_delivery(self._database, claimed.id, claimed.leased_until, self._now() + _OTHER_KEY_WAIT)
        return None

    async def _render(self, claimed: ClaimedDelivery) -> bytes:
        """The job or batch as it is now, as the API shows it."""
        if claimed.job_id is None:
            batch = await read_batch(self._database, claimed.batch_id or UUID(int=0), claimed.project_id)
            if batch is None:
                raise _NothingToSay("the batch is not there any more")
            return webhook_body(claimed.type, batch["finished_at"], present_batch(batch))
        job = await read_job(self._database, claimed.job_id, claimed.project_id)
        if job is None:
            raise _NothingToSay("the job is not there any more")
        calls = await select_calls(self._database, [claimed.job_id])
        shown = present_job(job, calls, claimed.project, content=claimed.include_content)
        return webhook_body(claimed.type, job["finished_at"], shown)

    async def _post(self, claimed: ClaimedDelivery, body: bytes, secrets: list[str]) -> _Tried:
        began = time.monotonic()
        headers = {
            "content-type": "application/json",
            "user-agent": "ai-provider-factory",
            **sign_webhook(secrets, f"msg_{claimed.id.hex}", self._now(), body),
        }
        try:
            if fault := check_webhook_url(claimed.url, self._allowed):
                raise OutboundRefused(f"has an address that {fault}")
            fetched = await self._outbound.post(claimed.url, content=body, headers=headers, timeout_s=TIMEOUT_S)
        except OutboundRefused as refused:
            return _Tried(Answered(None, f"the receiver {refused}"), _ms_since(began))
        error = "a redirect is not followed: name the address it leads to" if 300 <= fetched.status < 400 else None
        return _Tried(
            Answered(fetched.status, error, fetched.headers.get("retry-after")),
            _ms_since(began),
            readable(fetched.body, ANSWER_CHARACTERS),
        )

    async def _record(self, claimed: ClaimedDelivery, tried: _Tried, verdict: Verdict) -> None:
        next_at = verdict.at if isinstance(verdict, AgainAt) else None
        match verdict:
            case Delivered():
                state = "delivered"
            case AgainAt():
                state = "pending"
            case GivenUp() | EndpointGone():
                state = "failed"
        metrics.count(metrics.DELIVERIES, state if state != "pending" else "again")
        now = self._now()
        line = {
            "at": now,
            "status": tried.answered.status,
            "duration_ms": tried.duration_ms,
            "answer": tried.answer,
            "error": tried.answered.error,
        }
        await record_delivery(
            self._database, claimed.id, claimed.leased_until, [line], tried.answered.status, state, next_at, now
        )

    async def _mourn(self, claimed: ClaimedDelivery, tried: _Tried) -> None:
        subject = f"webhooks of project {claimed.project}"
        said = tried.answered.error or f"the receiver answered {tried.answered.status}"
        message = f"delivery {claimed.id} of {claimed.type} was given up after {claimed.attempts + 1} tries: {said}"
        log.warning("alert", alert=DEAD_LETTERS, subject=subject, reason=message)
        await raise_alert(self._database, DEAD_LETTERS, subject, message)

    async def _give_up(self, claimed: ClaimedDelivery, reason: str) -> None:
        await self._record(claimed, _Tried(Answered(None, reason), 0), GivenUp())

    async def _judge_endpoint(self, endpoint_id: UUID, project: str, verdict: Verdict) -> None:
        if isinstance(verdict, Delivered):
            await note_webhook_success(self._database, endpoint_id)
            return
        now = self._now()
        since = await note_webhook_failure(self._database, endpoint_id, now)
        if isinstance(verdict, EndpointGone):
            reason = "it answered 410 Gone"
        elif since is not None and now - since >= FAILING_FOR:
            reason = f"it has failed for {FAILING_FOR.days} days"
        else:
            return
        if await disable_webhook_endpoint(self._database, endpoint_id, reason):
            message = f"an endpoint of project {project} was switched off: {reason}"
            log.warning("alert", alert=DISABLED, endpoint=str(endpoint_id), reason=message)
            await raise_alert(self._database, DISABLED, f"webhook endpoint {endpoint_id}", message)


class DeliveryPruning:
    """Forgets deliveries that are over, a month after their event."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def step(self, now: datetime | None = None) -> int:
        """How many went."""
        return await prune_deliveries(self._database, (now or utc_now()) - KEPT, _PRUNED_AT_ONCE)


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
