"""One provider call with its ledger line: opened before the first byte, completed once afterwards.

While Postgres writes the line, the adapter makes the request ready; the pool holds its first byte back (`may_go`).
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from adapters.registry import import_handler, load_handler
from adapters.splitting import SpokenPart
from core import metrics
from core.catalog import Price, Project
from core.clock import utc_now
from core.counterfactual import find_preferred, price_directly
from core.credentials import address_of
from core.estimates import most_usage
from core.ids import new_id
from core.json_text import NotJson, find_values, write_json
from core.logging import get_logger
from core.mending import mend_answer
from core.pricing import price_most, price_usage
from core.provider import ErrorKind, ProviderAnswer, ProviderCall, ProviderError
from core.records import record
from core.request import JobRequest
from core.result import SchemaMet, Usage
from core.routing import Route
from core.schema_checks import SchemaViolated, Violation, find_violations
from core.tiers import asked_tier
from sql.calls import CompletedCall, OpenedCall
from sql.jobs import StartedJob
from workers.ledger import Ledger
from workers.services import WorkerServices
from workers.spending import Begun, JobGone

GRACE_S = 2.0
MOST_SHOWN = 8
MOST_CHARACTERS = 1500
_NOT_JSON = Violation("", "it is not one whole JSON value")
# An answer that says nothing of its usage may have been billed, whatever else is wrong with it.
UNCERTAIN = frozenset({ErrorKind.timeout, ErrorKind.connection, ErrorKind.invalid_response})
NEVER_SENT = ProviderError(ErrorKind.connection, "given up before it was sent", usage=Usage())

log = get_logger(__name__)


class FenceLost(Exception):
    """The job is somebody else's now, or is being cancelled: make no call."""


@record
class Answered:
    """A checked answer; `parsed` is its JSON where JSON was asked for. `cost` None: not known. `schema_outcome`: how it
    satisfies the caller's schema (`valid mended`), `schema` by which step, where one was asked for."""

    answer: ProviderAnswer
    parsed: Any
    cost: Decimal | None
    schema_outcome: str | None = None
    schema: SchemaMet | None = None


@dataclass(slots=True)
class Line:
    """A line of the ledger. `opening`: is it on disk, and the job still ours? `began` is a monotonic time; `sent`: the
    call was let go. `preferred_price` is that of the model which the name asked for means first; `asked_first` the
    usage of the call whose answer this one repairs."""

    ledger: Ledger
    call_id: UUID
    begun: Begun
    opening: "asyncio.Future[bool]"
    project: Project | None
    route: Route
    price: Price | None
    preferred_price: Price | None
    asked_first: Usage | None
    began: float
    sent: bool = False

    async def opened(self) -> None:
        """Raises FenceLost, or what kept it from being written. A cancellation comes after it."""
        if not await self.opening:
            raise FenceLost
        self.sent = True
        self.begun.written()

    async def abandon(self) -> None:
        """Nobody knows what became of the call, and the provider may bill for it; unless it was not sent yet."""
        sent = self.sent
        await asyncio.wait([self.opening])
        if not self.opening.cancelled() and self.opening.exception() is None and self.opening.result():
            await self.close(None, None if sent else NEVER_SENT)

    async def close(
        self, answer: ProviderAnswer | None, error: ProviderError | None, schema_outcome: str | None = None
    ) -> Decimal | None:
        """Complete it. What it cost, if that is known. Raises as `opened`: then no call was made."""
        await self.opened()
        end = self.end(answer, error, schema_outcome)
        log.info(
            "call",
            provider=self.route.model.provider,
            model=self.route.model.model_id,
            outcome=end.outcome,
            duration_ms=end.duration_ms,
            cost_usd=str(end.cost) if end.cost is not None else None,
        )
        await self.ledger.complete(end)
        return end.cost

    def end(
        self, answer: ProviderAnswer | None, error: ProviderError | None, schema_outcome: str | None = None
    ) -> CompletedCall:
        """How it is completed: an answer, an error, both (an answer that was not what was asked for), or neither
        (nobody knows what became of the call)."""
        usage = error.usage if error else answer.usage if answer else None
        if usage is not None:
            cost = price_usage(usage, self.price, self.route.endpoint.region)
        else:
            cost = None if error is None or error.kind in UNCERTAIN else Decimal(0)
        outcome = error.kind.value if error else "ok" if answer else "unknown"
        direct = None
        if answer is not None and error is None and self.preferred_price is self.price and self.asked_first is None:
            direct = cost
        elif answer is not None and error is None:
            elsewhere = self.preferred_price is not None and self.preferred_price.provider != self.route.model.provider
            used = replace(answer.usage, service_tier=None) if elsewhere else answer.usage
            direct = price_directly(used, self.asked_first, self.preferred_price, self.route.endpoint.region)
        duration_ms = round((time.monotonic() - self.began) * 1000)
        metrics.count_call(self.route.model, self.project, outcome, duration_ms / 1000, usage, cost)
        return CompletedCall(
            id=self.call_id,
            outcome=outcome,
            finished_at=utc_now(),
            duration_ms=duration_ms,
            status=error.status if error else answer.status if answer else None,
            usage=usage.as_dict() if usage else None,
            cost=cost,
            provider_request_id=error.request_id if error else answer.request_id if answer else None,
            error_message=error.message[:500] if error else None,
            schema_outcome=schema_outcome,
            preferred_cost=direct,
        )


async def call_provider(
    services: WorkerServices,
    job: StartedJob,
    request: JobRequest,
    route: Route,
    images: Mapping[str, tuple[str, bytes]],
    timeout_s: float,
    part: SpokenPart | None = None,
    *,
    patience_s: float = 0.0,
    wanted: JobRequest | None = None,
    asked: str | None = None,
    asked_first: Usage | None = None,
    owe: Callable[[CompletedCall], None] | None = None,
) -> Answered:
    """Raises ProviderError (recorded in the ledger already); or FenceLost, Unaffordable, AtLimit: then nothing was
    called, though it waited `patience_s` for a place. `part`: which of a long narration. `wanted`: what the answer is
    held against, where that is not what is sent; `asked`: how its schema is asked for; `asked_first`: what the call
    used that this one repairs. `owe`: is given the end of a good call's ledger line, to be written by the caller."""
    wanted = wanted or request
    asked_at = time.monotonic()
    try:
        begun = await services.purse.open(job, request, route)
    except JobGone:
        raise FenceLost from None
    with begun:
        taken = await services.limits.enter(route, request, patience_s)
        outcome: ProviderAnswer | ProviderError | None = None
        try:
            timeout_s = max(1.0, timeout_s - (time.monotonic() - asked_at))
            line = _open(services, job, request, route, begun, part.number if part else None, asked, asked_first)
            call = _call_of(services, line, request, images, timeout_s, part)
            answered = await _heed(services, line, call, wanted, owe)
            outcome = answered.answer
        except ProviderError as error:
            outcome = error
            raise
        finally:
            leaving = services.limits.leave(taken, outcome)
            if owe is None or not isinstance(outcome, ProviderAnswer):
                await asyncio.shield(leaving)
    return answered


async def _heed(
    services: WorkerServices,
    line: Line,
    call: ProviderCall,
    wanted: JobRequest,
    owe: Callable[[CompletedCall], None] | None,
) -> Answered:
    """Make the call, complete its line, and tell the others how it went."""
    route, answer = line.route, None
    try:
        with services.tracing.call(call) as span:
            answer = await _ask(services, call)
            span.answered(answer)
            came = answer.content
            parsed = check_answer(wanted, answer)
    except ProviderError as error:
        sent = line.sent
        if not sent:
            error.usage = Usage()
        if answer is not None:
            error.limits = answer.limits
        broken = isinstance(error, SchemaViolated) and wanted.output_schema is not None
        cost = await asyncio.shield(line.close(answer, error, "invalid" if broken else None))
        if isinstance(error, SchemaViolated):
            error.cost = cost
        if sent or error.kind is not ErrorKind.timeout:  # the time that our own disk took is not the provider's
            await services.health.note_error(route, error)
        raise
    except BaseException:  # cancelled, or a fault of ours
        await asyncio.shield(line.abandon())
        raise
    outcome = None
    if wanted.output_schema is not None and answer.content is not None and not answer.tool_calls:
        outcome = "valid" if answer.content == came else "mended"
    if owe is not None:
        end = line.end(answer, None, outcome)
        owe(end)
        cost = end.cost
    else:
        cost = await asyncio.shield(line.close(answer, None, outcome))
    await services.health.note_answer(route, (time.monotonic() - line.began) * 1000)
    return Answered(answer, parsed, cost, outcome)


def _call_of(
    services: WorkerServices,
    line: Line,
    request: JobRequest,
    images: Mapping[str, tuple[str, bytes]],
    timeout_s: float,
    part: SpokenPart | None,
) -> ProviderCall:
    route = line.route
    base_url, api_key = address_of(route.endpoint, services.emulator_url)
    return ProviderCall(
        call_id=line.call_id,
        request=request,
        model=route.model,
        endpoint=route.endpoint,
        base_url=base_url,
        api_key=api_key,
        timeout_s=timeout_s,
        parameters=route.parameters,
        voice=route.voice,
        images=images,
        previous_text=part.previous if part else "",
        next_text=part.following if part else "",
        may_go=line.opened,
    )


def _open(
    services: WorkerServices,
    job: StartedJob,
    request: JobRequest,
    route: Route,
    begun: Begun,
    part: int | None,
    asked: str | None,
    asked_first: Usage | None,
) -> Line:
    call_id, started, began = new_id(), utc_now(), time.monotonic()
    catalog, model = services.catalog.current, route.model
    price = catalog.price_at(model, started)
    preferred = find_preferred(catalog, request.model, job.project_id, model, started)
    most = most_usage(request, model.max_output_tokens)
    tier = asked_tier(request, model.provider, route.parameters)
    opened = OpenedCall(
        id=call_id,
        job_id=job.id,
        fence=job.fence,
        alias=request.model,
        attempt=job.attempts,
        part=part,
        endpoint_id=route.endpoint.id,
        provider=model.provider,
        model=model.model_id,
        variant=route.variant,
        emulated=services.emulator_url is not None and route.endpoint.seeded,
        started_at=started,
        max_cost=price_most(most, price, route.endpoint.region, tier),
        price_ref=price.reference if price else None,
        asked=asked,
        preferred=preferred.name if preferred else None,
    )
    opening = services.ledger.open(opened)
    preferred_price = price if preferred is model else catalog.price_at(preferred, started) if preferred else None
    ledger, project = services.ledger, catalog.projects.get(job.project_id)
    return Line(ledger, call_id, begun, opening, project, route, price, preferred_price, asked_first, began)


async def _ask(services: WorkerServices, call: ProviderCall) -> ProviderAnswer:
    """The adapter has its own timeout; this one stands behind it. What is no ProviderError is a fault of ours."""
    await import_handler(call.endpoint.handler_function)
    handler = load_handler(call.endpoint.handler_function, services.providers)
    try:
        with services.deadlines.within(call.timeout_s + GRACE_S):
            return await handler(call)
    except TimeoutError:
        raise ProviderError(ErrorKind.timeout, f"no answer within {call.timeout_s:.0f} s") from None


def check_answer(request: JobRequest, answer: ProviderAnswer) -> Any:
    """The parsed JSON where JSON was asked for, mended where its form alone was wrong; then `content` says the same.
    Raises SchemaViolated if it is not what was asked for."""
    if not request.wants_json or answer.tool_calls or answer.content is None:
        return None
    cut_off = answer.finish_reason == "length"
    mended = mend_answer(answer.content, request.output_schema, cut_off=cut_off)
    if mended is None:
        raise _violated(request, answer, cut_off=cut_off)
    if not mended.as_it_came:
        answer.content = write_json(mended.value)
    return mended.value


def _violated(request: JobRequest, answer: ProviderAnswer, *, cut_off: bool) -> SchemaViolated:
    found = _find_faults(answer.content or "", request.output_schema)
    if cut_off:
        limit = f" of {request.max_output_tokens}" if request.max_output_tokens else ""
        message = f"the answer is no whole JSON: it was cut off at the limit{limit} output tokens"
    elif request.output_schema is None or found[0] is _NOT_JSON:
        message = f"the answer is not JSON: {found[0].message}"
    else:
        more = f" (and {len(found) - MOST_SHOWN} more)" if len(found) > MOST_SHOWN else ""
        message = "the answer breaks the schema at " + "; ".join(map(str, found[:MOST_SHOWN])) + more
    return SchemaViolated(message[:MOST_CHARACTERS], answer, found, cut_off=cut_off)


def _find_faults(text: str, schema: dict[str, Any] | None) -> list[Violation]:
    """At least one: what is wrong with an answer that could not be mended."""
    try:
        values = find_values(text)
    except NotJson:
        return [_NOT_JSON]
    if len(values) > 1:
        return [Violation("", "it holds more than one JSON value")]
    return (find_violations(values[0], schema) if schema else []) or [_NOT_JSON]
