"""Reads what a run left behind and names every promise that was broken."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

Row = dict[str, Any]
OVER = frozenset({"completed", "failed", "cancelled", "expired"})


@dataclass(slots=True)
class Left:
    """What a run left: rows of Postgres, the calls that the provider counted, keys that are still in Redis."""

    jobs: list[Row]
    calls: list[Row]
    transitions: list[Row]
    seen: list[str]
    redis: dict[str, int]
    submitted: int
    poisoned: int
    kills: int
    slots: int
    most_per_kill: int = field(init=False)

    def __post_init__(self) -> None:
        self.most_per_kill = self.slots


def violations(left: Left) -> Iterator[str]:
    """Every broken promise, in words."""
    yield from _jobs(left)
    yield from _transitions(left)
    yield from _ledger(left)
    yield from _money(left)
    for key, length in left.redis.items():
        yield f"Redis still has {length} entries in {key}"


def _jobs(left: Left) -> Iterator[str]:
    if len(left.jobs) != left.submitted:
        yield f"{left.submitted} jobs were submitted, {len(left.jobs)} rows are there"
    states = Counter(job["state"] for job in left.jobs)
    if states["completed"] != left.submitted - left.poisoned:
        yield f"not every job completed: {dict(states)}"
    for job in left.jobs:
        if job["request"]["model"] == "nemesis/poison":
            if (job["error"] or {}).get("kind") != "worker_lost":
                yield f"job {job['id']} kills its workers and ended as {job['state']}: {job['error']}"
        elif job["state"] != "completed":
            yield f"job {job['id']} is {job['state']} after {job['attempts']} attempts: {job['error']}"
        elif not (job["result"] or {}).get("content"):
            yield f"job {job['id']} is completed and has no result"


def _transitions(left: Left) -> Iterator[str]:
    by_job: dict[UUID, list[Row]] = defaultdict(list)
    for one in left.transitions:
        by_job[one["job_id"]].append(one)
    for job in left.jobs:
        changes = by_job[job["id"]]
        ends = [one for one in changes if one["became"] in OVER]
        if len(ends) > 1:
            yield f"job {job['id']} ended {len(ends)} times"
        if any(one["was"] in OVER for one in changes):
            yield f"job {job['id']} changed after its end"
        if any(one["fence"] < one["fence_was"] for one in changes):
            yield f"the fence of job {job['id']} went back"
        if ends and ends[0]["fence"] != max(one["fence"] for one in changes):
            yield f"job {job['id']} was ended by a holder that had been overtaken"
        starts = sum(one["was"] == "queued" and one["became"] == "in_progress" for one in changes)
        released = sum(one["became"] == "queued" and one["attempts"] < one["attempts_was"] for one in changes)
        lost = sum(one["was"] == one["became"] == "in_progress" for one in changes)
        if job["attempts"] != starts - released:
            yield f"job {job['id']} counts {job['attempts']} attempts after {starts} starts and {released} releases"
        if job["lost_leases"] != lost:
            yield f"job {job['id']} counts {job['lost_leases']} lost leases after {lost}"


def _ledger(left: Left) -> Iterator[str]:
    lines = {str(call["id"]): call for call in left.calls}
    for call_id, times in Counter(left.seen).items():
        if call_id not in lines:
            yield f"the provider saw call {call_id}, which has no line"
        if times > 1:
            yield f"the provider saw call {call_id} {times} times"
    seen = set(left.seen)
    open_lines = [call_id for call_id, call in lines.items() if call["outcome"] is None]
    if open_lines:
        yield f"{len(open_lines)} lines were never completed, such as {open_lines[0]}"
    for call_id, call in lines.items():
        if call_id not in seen and call["outcome"] == "ok":
            yield f"line {call_id} is ok and the provider never saw it"
    unknown = sum(call["outcome"] == "unknown" for call in left.calls)
    if unknown > left.kills * left.most_per_kill:
        yield f"{unknown} lines are unknown after {left.kills} kills of workers with {left.slots} slots"
    oks = Counter(call["job_id"] for call in left.calls if call["outcome"] == "ok")
    doubled = {job["id"] for job in left.jobs if oks[job["id"]] > 1 and not job["lost_leases"]}
    if doubled:
        yield f"{len(doubled)} jobs were paid for twice and never lost a worker"


def _money(left: Left) -> Iterator[str]:
    spent: dict[UUID, Decimal] = defaultdict(Decimal)
    for call in left.calls:
        spent[call["job_id"]] += call["cost"] or 0
    for job in left.jobs:
        if job["state"] == "completed" and job["cost"] != spent[job["id"]]:
            yield f"job {job['id']} says {job['cost']} and its lines say {spent[job['id']]}"
