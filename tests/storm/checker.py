"""What a storm must not have done, out of what it left in Postgres."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import jsonschema_rs

IN_FORCE_WITHIN = timedelta(seconds=1)
NEW_ENDPOINT = UUID("00000000-0000-4000-8000-000000000001")
LEAST_COMPLETED = Decimal("0.999")


@dataclass(frozen=True, slots=True)
class After:
    """Rows of jobs and of calls (with their endpoint's `region`), and when each edit was committed."""

    jobs: list[dict[str, Any]]
    calls: list[dict[str, Any]]
    edits: dict[str, datetime]


def violations(after: After, within: timedelta = IN_FORCE_WITHIN) -> Iterator[str]:
    """Every promise that was broken. `within`: how soon an edit must be in force."""
    yield from _completion(after.jobs)
    yield from _schemas(after.jobs)
    yield from _voices(after.jobs)
    yield from _regions(after)
    yield from _costs(after)
    yield from _edits(after, within)


def share_completed(jobs: list[dict[str, Any]]) -> Decimal:
    return Decimal(sum(job["state"] == "completed" for job in jobs)) / max(1, len(jobs))


def with_schema(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [job for job in jobs if (job["request"].get("response_format") or {}).get("json_schema")]


def _completion(jobs: list[dict[str, Any]]) -> Iterator[str]:
    for name, group in (("jobs", jobs), ("jobs with a schema", with_schema(jobs))):
        if (share := share_completed(group)) < LEAST_COMPLETED:
            errors = sorted({f"{job['state']}: {job['error']}"[:300] for job in group if job["state"] != "completed"})
            yield f"{share:.4%} of the {name} completed; {errors[:5]}"


def _schemas(jobs: list[dict[str, Any]]) -> Iterator[str]:
    for job in with_schema(jobs):
        schema = job["request"]["response_format"]["json_schema"]["schema"]
        if job["state"] == "completed" and not jsonschema_rs.is_valid(schema, job["result"].get("parsed")):
            yield f"job {job['id']} delivered what its schema refuses"


def _voices(jobs: list[dict[str, Any]]) -> Iterator[str]:
    speakers: dict[UUID, set[tuple[str, str]]] = {}
    for job in jobs:
        if job["kind"] == "speech" and job["state"] == "completed":
            speakers.setdefault(job["batch_id"], set()).add((job["provider"], job["model"]))
    yield from (f"batch {batch} has {len(heard)} voices" for batch, heard in speakers.items() if len(heard) > 1)


def _regions(after: After) -> Iterator[str]:
    european = {job["id"] for job in after.jobs if (job["request"].get("requirements") or {}).get("region") == "eu"}
    for call in after.calls:
        if call["job_id"] in european and call["region"] != "eu":
            yield f"job {call['job_id']} asked for the EU and was sent to {call['region']}"


def _costs(after: After) -> Iterator[str]:
    spent: dict[UUID, Decimal] = {}
    for call in after.calls:
        spent[call["job_id"]] = spent.get(call["job_id"], Decimal(0)) + (call["cost"] or Decimal(0))
    for job in after.jobs:
        if job["cost"] != spent.get(job["id"], Decimal(0)):
            yield f"job {job['id']} cost {job['cost']}, its lines say {spent.get(job['id'])}"


def _edits(after: After, within: timedelta) -> Iterator[str]:
    def late(edit: str, **about: Any) -> list[dict[str, Any]]:
        if edit not in after.edits:
            return []
        since = after.edits[edit] + within
        return [
            call
            for call in after.calls
            if call["started_at"] > since and all(call[name] == value for name, value in about.items())
        ]

    if calls := late("alias", alias="storm", provider="anthropic"):
        yield f"{len(calls)} calls to a target switched off a second before"
    if calls := [one for one in late("endpoint", model="gemini-3.5-flash-lite") if one["endpoint_id"] != NEW_ENDPOINT]:
        yield f"{len(calls)} calls to the endpoint that was replaced a second before"
    if calls := [
        one for one in late("price", model="gpt-6-luna") if one["price_ref"].endswith("@2026-01-01T00:00:00Z")
    ]:
        yield f"{len(calls)} calls at the price of a second before"
    if calls := late("active", model="gemini-3.5-flash-lite"):
        yield f"{len(calls)} calls to a model switched off a second before"
