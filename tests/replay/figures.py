"""The figures of a replayed day. Pure."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import jsonschema_rs

from core.failover import CALLERS_FAULT
from tests.replay.day import SORTS
from tests.replay.remains import Remains, Row

TEXT_AND_EMBEDDINGS = ("chapters", "extraction", "embeddings")
CALLERS = {kind.value for kind in CALLERS_FAULT}
ALL = "all"


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one sort of request, or of all. Shares are 0..1, None where there was nothing to share; times in ms."""

    requests: int
    accepted: int
    availability: float
    failed_over: int
    failover_success: float | None
    with_schema: int
    schema_violations: int
    schema_yield: float | None
    cached: int
    hit_rate: float
    cost: Decimal
    direct_cost: Decimal
    reduction: float | None
    latency_mean_ms: float
    latency_ms: tuple[float, float, float]
    added_ms: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Invoice:
    """The ledger beside what providers counted. `known`: lines whose end is known; `uncertain`: those that broke off
    or ran out of time, of which the ledger says the most that they can have cost."""

    ledger_calls: int
    seen_calls: int
    ledger_usd: Decimal
    provider_usd: Decimal
    different: Sequence[str]
    uncertain_calls: int
    uncertain_most_usd: Decimal
    uncertain_billed_usd: Decimal
    beyond: Sequence[str]


def figures_of(remains: Remains) -> dict[str, Figures]:
    """By sort, and under ALL."""
    found = {sort.name: _figures(remains, lambda name, wanted=sort.name: name == wanted) for sort in SORTS}
    return {**found, ALL: _figures(remains, lambda _: True)}


def saving_of(remains: Remains) -> dict[str, Decimal]:
    """USD of text and embeddings: what direct calls would have cost, what was spent, and the cache's share of what was
    not; the rest of it is the routes', less what failed calls cost."""
    numbers = [one.number for one in remains.day if one.sort in TEXT_AND_EMBEDDINGS and one.number in remains.jobs]
    ids = {remains.jobs[number]["id"] for number in numbers}
    bought = [call for call in remains.calls if call["job_id"] in ids]
    hits = [hit for hit in remains.hits if hit["job_id"] in ids]
    by_cache = sum((hit["preferred_cost"] for hit in hits), Decimal(0))
    direct = by_cache + sum((call["preferred_cost"] for call in bought if call["outcome"] == "ok"), Decimal(0))
    spent = sum((call["cost"] for call in bought if call["cost"] is not None), Decimal(0))
    failed = sum((call["cost"] for call in bought if call["cost"] and call["outcome"] != "ok"), Decimal(0))
    return {"direct": direct, "spent": spent, "by_cache": by_cache, "failed": failed}


def _figures(remains: Remains, wanted: Callable[[str], bool]) -> Figures:
    planned = [one for one in remains.day if wanted(one.sort)]
    jobs = [remains.jobs[one.number] for one in planned if one.number in remains.jobs]
    ids = {job["id"] for job in jobs}
    calls: dict[Any, list[Row]] = {}
    for call in remains.calls:
        if call["job_id"] in ids:
            calls.setdefault(call["job_id"], []).append(call)
    failed_over = [job for job in jobs if any(call["outcome"] != "ok" for call in calls.get(job["id"], ()))]
    schema = [job for job in jobs if "response_format" in job["request"]]
    good = [job for job in schema if job["state"] == "completed"]
    broken = [job for job in good if _breaks_its_schema(job)]
    cached = [job for job in jobs if job["cached"]]
    cost = sum((job["cost"] for job in jobs if job["cost"] is not None), Decimal(0))
    direct = _direct_cost(remains, ids)
    took = [remains.asked[one.number].took_s * 1000 for one in planned if one.number in remains.asked]
    return Figures(
        requests=len(planned),
        accepted=len(jobs),
        availability=_share(sum(map(_ended_well, jobs)), len(jobs)) or 0.0,
        failed_over=len(failed_over),
        failover_success=_share(sum(job["state"] == "completed" for job in failed_over), len(failed_over)),
        with_schema=len(schema),
        schema_violations=len(broken),
        schema_yield=_share(len(good) - len(broken), len(schema)),
        cached=len(cached),
        hit_rate=_share(len(cached), len(jobs)) or 0.0,
        cost=cost,
        direct_cost=direct,
        reduction=float(1 - cost / direct) if direct else None,
        latency_mean_ms=statistics.fmean(took) if took else 0.0,
        latency_ms=percentiles(took),
        added_ms=percentiles(added_ms(remains, planned, calls)),
    )


def _ended_well(job: Row) -> bool:
    return job["state"] == "completed" or bool(job["error"] and job["error"]["kind"] in CALLERS)


def _breaks_its_schema(job: Row) -> bool:
    schema = job["request"]["response_format"]["json_schema"]["schema"]
    return not jsonschema_rs.is_valid(schema, job["result"].get("parsed"))


def _direct_cost(remains: Remains, ids: set[Any]) -> Decimal:
    """What the answers would have cost on the model that was preferred."""
    lines = [call for call in remains.calls if call["outcome"] == "ok"] + list(remains.hits)
    return sum((one["preferred_cost"] or Decimal(0) for one in lines if one["job_id"] in ids), Decimal(0))


def added_ms(remains: Remains, planned: Iterable[Any], calls: Mapping[Any, Sequence[Row]]) -> list[float]:
    """What the caller waited beyond the providers: less the time in which a call for the answer was under way, its own
    or, for one who joined an identical request, the other's."""
    sources = {hit["job_id"]: hit["source_job"] for hit in remains.hits if hit["source_job"] is not None}
    of_job: dict[Any, list[Row]] = {}
    for call in remains.calls:
        of_job.setdefault(call["job_id"], []).append(call)
    found = []
    for one in planned:
        job, asked = remains.jobs.get(one.number), remains.asked.get(one.number)
        if job is None or asked is None or job["finished_at"] is None:
            continue
        own = calls.get(job["id"]) or of_job.get(sources.get(job["id"]), ())
        spans = [
            (max(call["started_at"], job["created_at"]), min(call["finished_at"], job["finished_at"]))
            for call in own
            if call["finished_at"] is not None
        ]
        found.append(max(0.0, asked.took_s * 1000 - covered_ms(spans)))
    return found


def covered_ms(spans: Iterable[tuple[datetime, datetime]]) -> float:
    """How long at least one of them lasted."""
    total, reached = 0.0, None
    for begun, ended in sorted(span for span in spans if span[0] < span[1]):
        begun_at = begun if reached is None or begun > reached else reached
        if ended > begun_at:
            total += (ended - begun_at).total_seconds() * 1000
            reached = ended
    return total


def percentiles(values: Sequence[float]) -> tuple[float, float, float]:
    """p50, p95, p99."""
    ranked = sorted(values) or [0.0]
    return tuple(ranked[min(len(ranked) - 1, int(share * len(ranked)))] for share in (0.5, 0.95, 0.99))  # type: ignore[return-value]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def invoice_of(remains: Remains) -> Invoice:
    """Each call that a provider saw, priced by the list, beside its line in the ledger."""
    different, beyond = [], []
    ledger = billed = uncertain_billed = most = Decimal(0)
    uncertain = 0
    known = {str(call["id"]): call for call in remains.calls}
    for call_id, seen in remains.seen.items():
        call = known.get(call_id)
        if call is None:
            different.append(f"{call_id}: a provider saw it, the ledger has no line")
            continue
        price = _price(remains, seen, call)
        if call["cost"] is None:
            uncertain += 1
            uncertain_billed += price
            most += call["max_cost"] or Decimal(0)
            if price > (call["max_cost"] or Decimal(0)):
                beyond.append(f"{call_id}: billed {price}, at most {call['max_cost']} by the ledger")
        else:
            ledger += call["cost"]
            billed += price
            if call["cost"] != price:
                different.append(f"{call_id} {call['provider']}/{call['model']}: {call['cost']}, billed {price}")
    return Invoice(
        len(remains.calls), len(remains.seen), ledger, billed, different, uncertain, most, uncertain_billed, beyond
    )


_RATES = {
    "input": "input_usd_per_mtok",
    "cached": "cached_input_usd_per_mtok",
    "written": "cache_write_usd_per_mtok",
    "written_1h": "cache_write_1h_usd_per_mtok",
    "output": "output_usd_per_mtok",
    "characters": "audio_usd_per_mchar",
}


def _price(remains: Remains, seen: Row, call: Row) -> Decimal:
    """By the price list, in a few lines of its own; no request of the day reaches a threshold."""
    if not seen["billed"]:
        return Decimal(0)
    row = remains.prices[call["provider"], call["model"]]
    amounts = seen["billed"].items()
    return sum(
        (amount * (row[_RATES[unit]] or row[_RATES["input"]]) / 1_000_000 for unit, amount in amounts), Decimal(0)
    )
