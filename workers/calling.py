"""One provider call with its ledger line: opened before the first byte, completed once afterwards."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from adapters.registry import load_handler
from adapters.splitting import SpokenPart
from core.catalog import Price
from core.clock import utc_now
from core.credentials import address_of
from core.estimates import most_usage
from core.failover import SCHEMA_VIOLATION
from core.ids import new_id
from core.jsonio import dump_json
from core.logging import get_logger
from core.pricing import price_usage
from core.provider import ErrorKind, ProviderAnswer, ProviderCall, ProviderError
from core.request import JobRequest
from core.routing import Route
from core.json_text import find_values, make_storable, write_json
from core.schema_checks import find_violation
from sql.calls import CompletedCall, OpenedCall
from sql.jobs import StartedJob
from workers.ledger import Ledger
from workers.services import WorkerServices

GRACE_S = 2.0
UNCERTAIN = frozenset({ErrorKind.timeout, ErrorKind.connection})


class FenceLost(Exception):
    """The job is somebody else's now, or is being cancelled: make no call."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A checked answer; `parsed` is its JSON where JSON was asked for. `cost` None: not known."""

    answer: ProviderAnswer
    parsed: Any
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Line:
    """An open line of the ledger. `began` is a monotonic time."""

    ledger: Ledger
    call_id: UUID
    route: Route
    price: Price | None
    began: float

    async def close(self, answer: ProviderAnswer | None, error: ProviderError | None) -> Decimal | None:
        """Complete it: an answer, an error, both (an answer that was not what was asked for), or neither
        (nobody knows what became of the call). What it cost, if that is known."""
        usage = error.usage if error else answer.usage if answer else None
        if usage is not None:
            cost = price_usage(usage, self.price, self.route.endpoint.region)
        else:
            cost = None if error is None or error.kind in UNCERTAIN else Decimal(0)
        outcome = error.kind.value if error else "ok" if answer else "unknown"
        duration_ms = round((time.monotonic() - self.began) * 1000)
        await self.ledger.complete(
            CompletedCall(
                id=self.call_id,
                outcome=outcome,
                finished_at=utc_now(),
                duration_ms=duration_ms,
                status=error.status if error else answer.status if answer else None,
                usage=usage.as_dict() if usage else None,
                cost=cost,
                provider_request_id=error.request_id if error else answer.request_id if answer else None,
                error_message=error.message[:500] if error else None,
            )
        )
        get_logger(__name__).info(
            "call",
            provider=self.route.model.provider,
            model=self.route.model.model_id,
            outcome=outcome,
            duration_ms=duration_ms,
            cost_usd=str(cost) if cost is not None else None,
        )
        return cost


async def call_provider(
    services: WorkerServices,
    job: StartedJob,
    request: JobRequest,
    route: Route,
    images: Mapping[str, tuple[str, bytes]],
    timeout_s: float,
    part: SpokenPart | None = None,
) -> Answered:
    """Raises ProviderError (recorded in the ledger already) or FenceLost. `part`: which of a long narration."""
    base_url, api_key = address_of(route.endpoint, services.emulator_url)
    line = await _open(services, job, request, route, part.number if part else None)
    call = ProviderCall(
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
    )
    answer = None
    try:
        answer = await _ask(services, call)
        parsed = check_answer(request, answer)
    except ProviderError as error:
        await asyncio.shield(line.close(answer, error))
        await services.health.note_error(route, error)
        raise
    except BaseException:  # cancelled, or a fault of ours: the provider may bill for it all the same
        await asyncio.shield(line.close(None, None))
        raise
    cost = await asyncio.shield(line.close(answer, None))
    await services.health.note_answer(route, (time.monotonic() - line.began) * 1000)
    return Answered(answer, parsed, cost)


async def _open(services: WorkerServices, job: StartedJob, request: JobRequest, route: Route, part: int | None) -> Line:
    call_id, started, began = new_id(), utc_now(), time.monotonic()
    price = services.catalog.current.price_at(route.model, started)
    opened = OpenedCall(
        id=call_id,
        job_id=job.id,
        fence=job.fence,
        alias=request.model,
        attempt=job.attempts,
        part=part,
        endpoint_id=route.endpoint.id,
        provider=route.model.provider,
        model=route.model.model_id,
        variant=route.variant,
        emulated=services.emulator_url is not None and route.endpoint.seeded,
        started_at=started,
        max_cost=price_usage(most_usage(request, route.model.max_output_tokens), price, route.endpoint.region),
        price_ref=price.reference if price else None,
    )
    if not await services.ledger.open(opened):
        raise FenceLost
    return Line(services.ledger, call_id, route, price, began)


async def _ask(services: WorkerServices, call: ProviderCall) -> ProviderAnswer:
    """The adapter has its own timeout; this one stands behind it. What is no ProviderError is a fault of ours."""
    handler = load_handler(call.endpoint.handler_function, services.providers)
    try:
        async with asyncio.timeout(call.timeout_s + GRACE_S):
            return await handler(call)
    except TimeoutError:
        raise ProviderError(ErrorKind.timeout, f"no answer within {call.timeout_s:.0f} s") from None


def check_answer(request: JobRequest, answer: ProviderAnswer) -> Any:
    """The parsed JSON where JSON was asked for; raises ProviderError(invalid_response) if it is not what was asked."""
    if not request.wants_json or answer.tool_calls or answer.content is None:
        return None
    try:
        parsed = make_storable(find_values(answer.content)[0])
    except ValueError:
        cut = " (it was cut off)" if answer.finish_reason == "length" else ""
        raise _invalid(f"the answer is not JSON{cut}", answer) from None
    answer.content = write_json(parsed)
    schema = request.output_schema
    if schema is not None and (violation := find_violation(parsed, schema)):
        raise _invalid(f"the answer breaks the schema at {violation}", answer)
    return parsed


def _invalid(message: str, answer: ProviderAnswer) -> ProviderError:
    return ProviderError(
        ErrorKind.invalid_response,
        message,
        status=answer.status,
        code=SCHEMA_VIOLATION,
        request_id=answer.request_id,
        usage=answer.usage,
    )
