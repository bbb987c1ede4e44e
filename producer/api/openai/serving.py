"""What every OpenAI-compatible endpoint does: read, submit or join, wait."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import Request

from core.errors import NotFound
from core.fingerprint import policy_of
from core.jsonio import decimal_text
from core.presenting import TERMINAL
from producer.api.access import key_sent
from producer.api.bodies import JSON_TYPES, MAX_WAIT_S, idempotency_of, preferred_wait_s, read_body
from producer.composition import Services
from producer.openai.asking import Asked, read_object, to_request
from producer.openai.errors import OpenAiError, Refusal, error_of_failure, moved, still_running
from producer.openai.parameters import Table, check_parameters
from producer.reading import wait_for_answer
from producer.submit import Accepted, Caller
from sql.jobs import find_sent_job

CACHE_HEADER = "x-factory-cache"
CACHE_WORDS = ("use", "refresh", "off")
# Longer than a client that lost its connection waits for an answer before it sends the request again (600 s).
JOINED_WITHIN_S = 900.0


class Ended(Exception):
    """There is no answer, and why: the job failed, or goes on while the wait is over."""

    def __init__(self, error: OpenAiError, job_id: UUID) -> None:
        super().__init__(error.message)
        self.error = error
        self.job_id = job_id


@dataclass(frozen=True, slots=True)
class Order:
    """The bytes that were sent and what they say; all parameters are known."""

    raw: bytes
    body: Mapping[str, Any]


async def take_order(request: Request, services: Services, table: Table) -> Order:
    """Raises RequestRefused."""
    raw = await read_body(request, services.settings.max_body_mb, JSON_TYPES)
    body = read_object(raw)
    check_parameters(body, table)
    return Order(raw, body)


async def place_order(request: Request, services: Services, caller: Caller, order: Order, asked: Asked) -> Accepted:
    """The job that was made, or that an earlier sending of the same request made."""
    wanted = to_request(asked, cache_word(request, services, caller))
    sent_hash = _sent_hash(request, order.raw)
    if is_retry(request):
        earlier = await find_sent_job(services.database, caller.project_id, sent_hash, JOINED_WITHIN_S, None)
        if earlier is not None:
            return Accepted(earlier, is_new=False)
    return await services.submitter.accept(caller, wanted, idempotency_of(request, order.raw), sent_hash)


def cache_word(request: Request, services: Services, caller: Caller) -> str:
    """Two equal requests are two samples to OpenAI's callers: the cache is for those who ask for it."""
    said = request.headers.get(CACHE_HEADER)
    if said is None:
        project = services.catalog.current.projects.get(caller.project_id)
        return "use" if policy_of(project).openai else "off"
    if said not in CACHE_WORDS:
        raise Refusal(f"The header {CACHE_HEADER} is one of {', '.join(CACHE_WORDS)}.", CACHE_HEADER)
    return said


def _sent_hash(request: Request, raw: bytes) -> bytes:
    head = f"{key_sent(request)}\n{request.url.path}\n"
    return hashlib.sha256(head.encode() + raw).digest()


def is_retry(request: Request) -> bool:
    """OpenAI's clients say so."""
    return re.fullmatch(r"0*[1-9][0-9]*", request.headers.get("x-stainless-retry-count", "")) is not None


async def wait_for_completion(
    request: Request, services: Services, caller: Caller, accepted: Accepted
) -> dict[str, Any]:
    """The row of the completed job. Raises Ended."""
    wait_s = preferred_wait_s(request, MAX_WAIT_S)
    row = await wait_for_answer(services, caller, accepted, wait_s)
    raise_if_moved(services, row)
    if row["state"] not in TERMINAL:
        raise Ended(still_running(accepted.id, wait_s), accepted.id)
    raise_if_failed(row)
    return row


def raise_if_moved(services: Services, row: Mapping[str, Any]) -> None:
    """Raises Ended when this process stops before the job does."""
    if row["state"] not in TERMINAL and services.closing.begun:
        raise Ended(moved(row["id"]), row["id"])


def raise_if_failed(row: Mapping[str, Any]) -> None:
    """Raises Ended for a job that is over without an answer, NotFound where its answer was deleted."""
    if row["content_deleted_at"] is not None:
        raise NotFound("what this job answered is deleted")
    if row["state"] in TERMINAL and row["state"] != "completed":
        raise Ended(error_of_failure(row["error"], row["state"]), row["id"])


def headers_of(row: Mapping[str, Any]) -> dict[str, str]:
    """What the factory knows of a job, for those who read no body."""
    shown = {"x-factory-job-id": str(row["id"])}
    if (result := row["result"]) is None:
        return shown
    cost = row["cost"]
    shown |= {
        "x-factory-provider": _ascii(result["provider"]),
        "x-factory-model": _ascii(result["model"]),
        "x-factory-cost": "unknown" if cost is None else decimal_text(cost),
        "x-factory-cached": str(result["cached"]).lower(),
    }
    return shown | ({"x-factory-warnings": json.dumps(result["warnings"])} if result.get("warnings") else {})


def _ascii(text: str) -> str:
    """What a header can hold."""
    return text.encode("ascii", "replace").decode()
