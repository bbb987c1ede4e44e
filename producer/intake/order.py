"""A batch that is held in memory: as JSON, or as lines that are only to be quoted."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from core.errors import Problem, RequestRefused
from core.request import JobRequest, Shape
from core.request_checks import find_unstorable, problems_of, read_request
from producer.intake.names import Names, problems_of_line
from producer.submit import Caller, Submitter

MAX_JOBS = 10_000
LINES_TYPES = ("application/jsonl", "application/x-ndjson", "application/x-jsonlines")
OnError = Literal["reject", "skip"]


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """What a batch says besides its lines. `on_error`: `reject` makes nothing when any line is wrong, `skip` makes the
    others."""

    name: str | None = None
    metadata: Mapping[str, Any] | None = None
    max_cost_usd: Decimal | None = None
    on_error: OnError = "reject"

    def check(self) -> None:
        """Raises RequestRefused for what Postgres cannot hold."""
        named = {"name": self.name, "metadata": self.metadata}
        if problems := [Problem(message, field) for field, message in find_unstorable(named)]:
            raise RequestRefused.of(problems)


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """Jobs that belong together, read and found in order."""

    requests: Sequence[JobRequest]
    max_cost_usd: Decimal | None = None


class BatchBody(Shape):
    """A batch as one JSON object."""

    jobs: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_JOBS)]
    name: Annotated[str, Field(max_length=200)] | None = None
    metadata: Annotated[dict[str, Any], Field(default_factory=dict)]
    max_cost_usd: Annotated[Decimal, Field(ge=0, strict=False)] | None = None
    on_error: OnError | None = None


def is_lines(content_type: str) -> bool:
    return content_type.split(";", maxsplit=1)[0].strip().lower() in LINES_TYPES


def read_json(body: bytes, header: BatchHeader) -> tuple[BatchHeader, dict[int, bytes]]:
    """What the body says goes before what the address says; jobs by number. Raises RequestRefused."""
    try:
        shape = BatchBody.model_validate_json(body)
    except ValidationError as error:
        raise RequestRefused.of(problems_of(error, body)) from None
    lines = {number: json.dumps(job).encode() for number, job in enumerate(shape.jobs, start=1)}
    ceiling = shape.max_cost_usd if shape.max_cost_usd is not None else header.max_cost_usd
    said = BatchHeader(shape.name or header.name, shape.metadata, ceiling, shape.on_error or header.on_error)
    return said, lines


def read_order(body: bytes, content_type: str, max_cost_usd: Decimal | None) -> BatchOrder:
    """Raises RequestRefused with the line and field of everything that is wrong."""
    header = BatchHeader(max_cost_usd=max_cost_usd)
    if is_lines(content_type):
        lines = {number: line for number, line in enumerate(body.split(b"\n"), start=1) if line.strip()}
        if not 1 <= len(lines) <= MAX_JOBS:
            raise RequestRefused.of(
                [Problem(f"1 to {MAX_JOBS} jobs are quoted at once, these are {len(lines)}", "jobs")]
            )
    else:
        header, lines = read_json(body, header)
    requests: list[JobRequest] = []
    problems: list[Problem] = []
    for number, line in lines.items():
        match read_request(line, number):
            case JobRequest() as request:
                requests.append(request)
            case list() as faults:
                problems += faults
    if problems:
        raise RequestRefused.of(problems)
    return BatchOrder(requests, header.max_cost_usd)


def check_order(submitter: Submitter, caller: Caller, order: BatchOrder, now: datetime) -> None:
    """What accepting the batch would say against it. Raises RequestRefused, Forbidden."""
    names, problems = Names(), []
    for line, request in enumerate(order.requests, start=1):
        if fault := names.add(line, request.key):
            problems.append(fault)
    for line, request in enumerate(order.requests, start=1):
        problems += names.join(line, request)
        try:
            submitter.check(caller, request, now)
        except RequestRefused as error:
            problems += problems_of_line(error, line)
    if problems := problems or names.find_stuck():
        raise RequestRefused.of(problems)
