"""What jobs would cost: checked as a submit checks them, and nothing is made, called or charged."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError

from core.budgets import Account, budgets_of
from core.clock import utc_now
from core.credentials import address_of, endpoints_without_credential
from core.fingerprint import is_asked_at_submit
from core.health import Board, Health, health_of
from core.limits import Limits, tokens_asked
from core.quoting import (
    ASSUMPTIONS,
    Foreseen,
    LineQuote,
    Totals,
    group_quotes,
    quote_lines,
    why_beyond,
    why_unaffordable,
)
from core.request import Kind
from core.settings import has_provider_keys
from producer.budgeting import present_budget
from producer.composition import Services
from producer.intake.order import BatchOrder, check_order
from producer.submit import Caller
from sql.budgets import read_account
from sql.cache import find_cached, select_cached_audio

BREATH = 200  # lines, between which others have their turn


@dataclass(frozen=True, slots=True)
class Quote:
    """Every line, and what the project has. `account` None: it has no budgets. `limit_minutes`: in how many minutes its
    limits admit the lines, rounded up; None: it has none."""

    lines: list[LineQuote]
    account: Account | None
    limit_minutes: int | None


async def make_quote(services: Services, caller: Caller, order: BatchOrder, *, in_batch: bool = True) -> Quote:
    """Raises what a submit would raise for these lines. Not `in_batch`: for a job of its own."""
    now = utc_now()
    if in_batch:
        check_order(services.submitter, caller, order, now)
    else:
        services.submitter.check(caller, order.requests[0], now)
    health, router = await read_health(services), services.catalog.router
    uses = [services.submitter.cache_use(caller, one, in_batch=in_batch) for one in order.requests]
    shared = [use.fingerprint if use and use.looks_up else None for use in uses]
    known = await _known(services, caller.project_id, order, shared)
    lines = []
    for number, (request, same) in enumerate(zip(order.requests, shared, strict=True), start=1):
        if number % BREATH == 0:
            await asyncio.sleep(0)
        planned = router.plan(request, caller.project_id, Health(), now).routes[0]
        plan = router.plan(request, caller.project_id, health, now, f"line {number}")
        at_rest = [route for route, _ in plan.resting]
        route = next(iter([*plan.routes, *at_rest]), planned)
        lines.append(Foreseen(request, route, planned, same, same in known and is_asked_at_submit(request)))
    project = services.catalog.current.projects.get(caller.project_id)
    budgets, limits = budgets_of(project), Limits.of(project.settings.get("limits") if project else None)
    account = await read_account(services.database, caller.project_id, None) if budgets else None
    minutes = limits.minutes_for(len(order.requests), sum(map(tokens_asked, order.requests)))
    return Quote(quote_lines(lines, services.figures.current), account, minutes)


async def _known(services: Services, project_id: UUID, order: BatchOrder, shared: list[bytes | None]) -> set[bytes]:
    """What the cache would answer now. A recording that is not in the store any more is no answer."""
    known = await find_cached(services.database, project_id, sorted({one for one in shared if one}))
    spoken = {
        one for one, request in zip(shared, order.requests, strict=True) if one in known and request.kind is Kind.speech
    }
    if spoken:
        for fingerprint, key in (await select_cached_audio(services.database, project_id, list(spoken))).items():
            if not await services.storage.has(key):
                known.discard(fingerprint)
    return known


async def read_health(services: Services) -> Health:
    """Which routes rest now, as workers see it; none by the word of a Redis that is away."""
    try:
        board = await services.health.read(utc_now())
    except (RedisError, OSError):
        board = Board()
    emulator_url = None if has_provider_keys() else services.settings.emulator_url or "http://emulator"
    catalog = services.catalog.current
    return health_of(
        board,
        catalog,
        endpoints_without_credential(catalog, emulated=emulator_url is not None),
        lambda endpoint: address_of(endpoint, emulator_url)[1],
    )


def present_quote(
    services: Services, caller: Caller, quote: Quote, max_cost_usd: Decimal | None, *, with_lines: bool
) -> dict[str, Any]:
    """The public shape; sums in USD, null where the price of at least one job is not known."""
    project = services.catalog.current.projects.get(caller.project_id)
    totals = Totals.of(quote.lines)
    unaffordable = why_unaffordable(quote.lines, quote.account, budgets_of(project))
    beyond = why_beyond(totals, max_cost_usd)
    shown: dict[str, Any] = {
        "object": "quote",
        "project": caller.project,
        "totals": _present_totals(totals),
        "fits": unaffordable is None,
        "reason": unaffordable,
        "budget": present_budget(project, quote.account) if quote.account else None,
        "max_cost_usd": max_cost_usd,
        "max_cost_is_enough": None if max_cost_usd is None else beyond is None,
        "max_cost_reason": beyond,
        "limit_minutes": quote.limit_minutes,
        "groups": [
            {"asked": one.asked, "kind": one.kind, "provider": one.provider, "model": one.model} | _present_totals(sums)
            for one, sums in group_quotes(quote.lines)
        ],
        "assumptions": ASSUMPTIONS,
    }
    return shown | ({"lines": [_present_line(one) for one in quote.lines]} if with_lines else {})


def _present_totals(totals: Totals) -> dict[str, Any]:
    return {
        "jobs": totals.jobs,
        "cached_jobs": totals.cached_jobs,
        "repeated_jobs": totals.repeated_jobs,
        "unpriced_jobs": totals.unpriced_jobs,
        "usage": totals.usage.as_dict(),
        "expected_usd": totals.expected_usd,
        "most_usd": totals.most_usd,
        "reserve_usd": totals.reserve_usd,
    }


def _present_line(one: LineQuote) -> dict[str, Any]:
    return {
        "line": one.line,
        "key": one.key,
        "kind": one.kind,
        "asked": one.asked,
        "provider": one.provider,
        "model": one.model,
        "usage": one.usage.as_dict(),
        "expected_by": "measured" if one.measured else "most",
        "expected_usd": one.expected_usd,
        "most_usd": one.most_usd,
        "reserve_usd": one.reserve_usd,
        "cached": one.cached,
        "same_as": one.same_as,
    }
