"""What answers look like, as JSON Schema for the OpenAPI document. Examples are real answers, shortened."""

from typing import Any

from core.presenting import TERMINAL
from core.request import Kind

Schema = dict[str, Any]
STATES = ["waiting", "queued", "in_progress", "cancelling", *sorted(TERMINAL)]


def _object(required: dict[str, Any], more: dict[str, Any] | None = None, **rest: Any) -> Schema:
    return {"type": "object", "required": list(required), "properties": {**required, **(more or {})}, **rest}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


ID: Schema = {"type": "string", "format": "uuid"}
TIME: Schema = {"type": "string", "format": "date-time"}
TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
USD: Schema = {"type": ["number", "null"], "description": "USD with exact digits; null is unknown, never 0"}
ANY: Schema = {"type": "object", "additionalProperties": True}

USAGE = _object(
    {"prompt_tokens": WHOLE, "completion_tokens": WHOLE, "total_tokens": WHOLE},
    dict.fromkeys(("cached_tokens", "cache_write_tokens", "reasoning_tokens", "characters", "audio_tokens"), WHOLE),
)
RESULT = _object(
    {
        "content": {"type": ["string", "null"]}, "model": TEXT, "provider": TEXT, "usage": _ref("Usage"), "cost": USD,
        "cached": {"type": "boolean"},
    },
    {"finish_reason": {"type": ["string", "null"]}, "warnings": {"type": "array"}, "audio": ANY},
    example={
        "content": "The lamp was lit at four.", "model": "gpt-6-luna", "provider": "openai",
        "usage": {"prompt_tokens": 50, "completion_tokens": 50, "total_tokens": 100}, "cost": 0.002, "cached": False,
    },
)  # fmt: skip
CALL = _object(
    {
        "id": ID, "attempt": WHOLE, "part": {"type": ["integer", "null"]}, "provider": TEXT, "model": TEXT,
        "outcome": {"type": ["string", "null"]}, "cost": USD, "started_at": TIME,
    },
)  # fmt: skip
JOB = _object(
    {
        "id": ID, "object": {"const": "job"}, "status": {"enum": STATES}, "kind": {"enum": [one.value for one in Kind]},
        "model": TEXT, "project": TEXT, "batch_id": _or_null(ID), "key": {"type": ["string", "null"]},
        "priority": {"enum": ["interactive", "standard", "batch"]},
        "position": {"type": ["integer", "null"], "minimum": 1, "description": "in the own project's line"},
        "eta_s": {"type": ["number", "null"], "description": "seconds until it may be over; null is unknown"},
        "attempts": WHOLE, "calls": {"type": "array", "items": _ref("Call")}, "result": _or_null(_ref("Result")),
        "error": _or_null(ANY), "cost": USD, "uncertain_cost": USD, "created_at": TIME, "started_at": _or_null(TIME),
        "finished_at": _or_null(TIME), "expires_at": _or_null(TIME), "content_deleted_at": _or_null(TIME),
        "metadata": ANY, "urls": ANY,
    },
)  # fmt: skip
COUNTS = ("waiting", "queued", "in_progress", "completed", "failed", "cancelled", "expired")
BATCH = _object(
    {
        "id": ID, "object": {"const": "job_batch"}, "status": TEXT, "name": {"type": ["string", "null"]},
        "total": WHOLE,
        "counts": _object(dict.fromkeys(COUNTS, WHOLE)), "cost": USD, "sequence": WHOLE, "created_at": TIME,
        "finished_at": _or_null(TIME), "metadata": ANY, "urls": ANY,
    },
)  # fmt: skip
PROBLEM = _object(
    {"type": TEXT, "title": TEXT, "status": WHOLE, "code": TEXT, "detail": TEXT},
    {
        "request_id": TEXT,
        "problems": {"type": "array", "items": _object({"message": TEXT}, {"field": TEXT, "line": WHOLE})},
        "job": _ref("Job"),
    },
    example={
        "type": "urn:factory:error:invalid_request", "title": "The request cannot be accepted", "status": 400,
        "code": "invalid_request", "detail": "temprature: this field is not known here", "request_id": "req-7",
        "problems": [{"field": "temprature", "message": "this field is not known here"}],
    },
)  # fmt: skip
COMPONENTS: dict[str, Schema] = {
    "Usage": USAGE,
    "Result": RESULT,
    "Call": CALL,
    "Job": JOB,
    "JobPage": _object({"data": {"type": "array", "items": _ref("Job")}, "next_cursor": {"type": ["string", "null"]}}),
    "JobBatch": BATCH,
    "Link": _object({"url": TEXT, "expires_at": TIME}),
    "Problem": PROBLEM,
}
# By method and path: the answers whose shape is said, by status.
ANSWERS: dict[tuple[str, str], dict[str, str]] = {
    ("post", "/v1/generate"): {"200": "Result", "202": "Job"},
    ("post", "/v1/jobs"): {"202": "Job"},
    ("get", "/v1/jobs"): {"200": "JobPage"},
    ("get", "/v1/jobs/{job_id}"): {"200": "Job"},
    ("post", "/v1/jobs/{job_id}/cancel"): {"200": "Job"},
    ("post", "/v1/jobs/{job_id}/retry"): {"202": "Job"},
    ("post", "/v1/jobs/{job_id}/links"): {"201": "Link"},
    ("post", "/v1/job-batches"): {"202": "JobBatch"},
    ("get", "/v1/job-batches/{batch_id}"): {"200": "JobBatch"},
    ("post", "/v1/job-batches/{batch_id}/cancel"): {"200": "JobBatch"},
    ("post", "/v1/job-batches/{batch_id}/links"): {"201": "Link"},
    ("post", "/v1/events/links"): {"201": "Link"},
}
