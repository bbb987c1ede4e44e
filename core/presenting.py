"""Rows as callers see them: Job, Result, Batch, events. The shapes of the public API."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from core.result import Usage

TERMINAL = frozenset({"completed", "failed", "cancelled", "expired"})


def present_result(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """`cost` counts all calls of the job, with its exact digits."""
    stored = row["result"]
    if stored is None:
        return None
    first = ("content", "model", "provider", "usage", "cost", "cached")
    shown: dict[str, Any] = {name: stored[name] for name in first} | stored | {"cost": row["cost"]}
    shown["usage"] = present_usage(stored["usage"])
    if audio := stored.get("audio"):
        expired = row["audio_expired_at"] is not None
        shown["audio"] = {"url": None if expired else f"/v1/jobs/{row['id']}/audio"} | {
            name: value for name, value in audio.items() if name != "storage_key"
        }
        if expired:
            shown["audio"]["expired"] = True
    return shown


def present_usage(stored: Mapping[str, int] | None) -> dict[str, int] | None:
    """The totals first: jsonb keeps an order of its own."""
    return Usage.from_dict(dict(stored)).as_dict() if stored is not None else None


def present_job(
    row: Mapping[str, Any],
    calls: Sequence[Mapping[str, Any]],
    project: str,
    *,
    position: int | None = None,
    eta_s: float | None = None,
    content: bool = True,
) -> dict[str, Any]:
    """A row of `read_job` with its ledger lines."""
    place = f"/v1/jobs/{row['id']}"
    urls = {"self": place, "events": f"{place}/events", "cancel": f"{place}/cancel"}
    if row["kind"] == "speech":
        urls["audio"] = f"{place}/audio"
    return {
        "id": row["id"],
        "object": "job",
        "status": row["state"],
        "kind": row["kind"],
        "model": row["request"]["model"],
        "project": project,
        "batch_id": row["batch_id"],
        "key": row["key"],
        "priority": row["priority"],
        "position": position,
        "eta_s": eta_s,
        "attempts": row["attempts"],
        "calls": [present_call(call) for call in calls],
        "result": present_result(row) if content else None,
        "error": row["error"],
        "cost": row["cost"],
        "uncertain_cost": row["uncertain_cost"],
        "created_at": row["created_at"],
        "started_at": row["started_at"],
        "finished_at": row["finished_at"],
        "expires_at": row["deadline"],
        "content_deleted_at": row["content_deleted_at"],
        "metadata": row["metadata"],
        "feedback": _present_feedback(row),
        "urls": urls,
    }


def _present_feedback(row: Mapping[str, Any]) -> dict[str, Any] | None:
    score, label = row["feedback_score"], row["feedback_label"]
    return None if score is None and label is None else {"score": score, "label": label}


def present_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the ledger; `outcome` is null while the provider has not answered. `asked` and `schema_outcome` are
    null where no JSON schema was asked for."""
    return {
        "id": call["id"],
        "attempt": call["attempt"],
        "part": call["part"],
        "provider": call["provider"],
        "model": call["model"],
        "endpoint": call["endpoint_id"],
        "emulated": call["emulated"],
        "outcome": call["outcome"],
        "status": call["status"],
        "started_at": call["started_at"],
        "duration_ms": call["duration_ms"],
        "usage": present_usage(call["usage"]),
        "cost": call["cost"],
        "message": call["error_message"],
        "asked": call["asked"],
        "schema_outcome": call["schema_outcome"],
    }


COUNTED = ("waiting", "queued", "in_progress", "completed", "failed", "cancelled", "expired")


def present_batch(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `read_batch`. `completed` once no job can change any more, whatever became of them; `failed` when its
    lines were refused: then `error` says why."""
    place = f"/v1/job-batches/{row['id']}"
    return {
        "id": row["id"],
        "object": "job_batch",
        "status": row["state"],
        "name": row["name"],
        "total": row["total"],
        "refused": row["refused"],
        "counts": {state: row[state] for state in COUNTED},
        "error": row["error"],
        "cost": None if row["unpriced"] else row["cost_usd"],
        "max_cost_usd": row["max_cost_usd"],
        "on_error": row["on_error"],
        "retry_of": row["retry_of"],
        "sequence": row["seq"],
        "created_at": row["created_at"],
        "finished_at": row["finished_at"],
        "content_deleted_at": row["content_deleted_at"],
        "metadata": row["metadata"],
        "urls": {"self": place}
        | {part: f"{place}/{part}" for part in ("events", "results", "errors", "cancel", "retry-failed")},
    }


def present_batch_result(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `select_batch_results`: a job that is over, in a line."""
    return {
        "line": row["line"],
        "key": row["key"],
        "job_id": row["id"],
        "status": row["state"],
        "result": present_result(row),
        "error": row["error"],
        "cost": row["cost"],
    }


def derive_events(row: Mapping[str, Any], calls: Sequence[Mapping[str, Any]], project: str) -> list[dict[str, Any]]:
    """Every event of a job so far, numbered from 1. Derived from Postgres alone, so that the numbers survive
    restarts: queued, started, one `job.attempt` per finished call, the end."""
    found: list[tuple[str, Any, dict[str, Any]]] = [("job.queued", row["created_at"], {"status": "queued"})]
    if row["started_at"] is not None:
        found.append(("job.started", row["started_at"], {"status": "in_progress"}))
    ended = sorted((call for call in calls if call["outcome"] is not None), key=lambda call: call["finished_at"])
    found += [("job.attempt", call["finished_at"], present_call(call)) for call in ended]
    if row["state"] in TERMINAL:
        found.append((f"job.{row['state']}", row["finished_at"], present_job(row, calls, project)))
    return [
        {"type": kind, "job_id": row["id"], "sequence": number, "at": at, "data": data}
        for number, (kind, at, data) in enumerate(found, start=1)
    ]


def failure_status(kind: str) -> int:
    """The HTTP status of a job that failed while its caller waited."""
    return {
        "invalid_request": 400,
        "no_route": 400,
        "budget": 402,
        "context_length": 413,
        "content_policy": 422,
        "schema_violation": 422,
        "dependency_failed": 424,
        "cancelled": 409,
        "internal": 500,
        "worker_lost": 500,
        "deadline": 504,
    }.get(kind, 502)


def job_url(job_id: UUID) -> str:
    return f"/v1/jobs/{job_id}"
