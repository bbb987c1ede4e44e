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


def _page(name: str) -> Schema:
    return _object({"data": {"type": "array", "items": _ref(name)}, "next_cursor": {"type": ["string", "null"]}})


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
        "id": ID, "object": {"const": "job_batch"},
        "status": {"enum": ["validating", "in_progress", "completed", "failed", "cancelled"]},
        "name": {"type": ["string", "null"]}, "total": WHOLE, "refused": WHOLE,
        "counts": _object(dict.fromkeys(COUNTS, WHOLE)), "error": _or_null(ANY), "cost": USD, "max_cost_usd": USD,
        "on_error": {"enum": ["reject", "skip"]}, "retry_of": _or_null(ID), "sequence": WHOLE, "created_at": TIME,
        "finished_at": _or_null(TIME), "content_deleted_at": _or_null(TIME), "metadata": ANY, "urls": ANY,
    },
)  # fmt: skip
ENDPOINT = _object(
    {
        "id": ID, "object": {"const": "webhook_endpoint"}, "url": TEXT, "events": {"type": "array", "items": TEXT},
        "include_content": {"type": "boolean"}, "active": {"type": "boolean"},
        "disabled_reason": {"type": ["string", "null"]}, "failing_since": _or_null(TIME),
        "old_secret_expires_at": _or_null(TIME), "created_at": TIME,
    },
    {"secret": {"type": "string", "description": "shown when it is made, and in no other answer"}},
)  # fmt: skip
SECRET = _object({"object": {"const": "webhook_secret"}, "secret": TEXT, "old_secret_expires_at": _or_null(TIME)})
DELIVERY = _object(
    {
        "id": ID, "object": {"const": "webhook_delivery"}, "webhook_id": TEXT, "endpoint_id": _or_null(ID),
        "type": TEXT, "job_id": _or_null(ID), "batch_id": _or_null(ID), "url": TEXT,
        "state": {"enum": ["pending", "delivered", "failed"]}, "attempts": WHOLE,
        "last_status": {"type": ["integer", "null"]}, "next_at": _or_null(TIME), "delivered_at": _or_null(TIME),
        "failed_at": _or_null(TIME), "created_at": TIME, "log": {"type": "array"},
    },
)  # fmt: skip
OPENAI_ERROR = _object(
    {
        "error": _object(
            {"message": TEXT, "type": TEXT, "param": {"type": ["string", "null"]}, "code": {"type": ["string", "null"]}}
        )
    }
)
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
AMOUNT: Schema = {"type": "number", "minimum": 0}
PERHAPS: Schema = {"type": ["number", "null"]}
WORK = _object(
    {
        "kind": TEXT, "model": TEXT, "ready": AMOUNT, "running": AMOUNT, "service_s": AMOUNT,
        "ceiling": {"type": ["number", "null"], "description": "as of the pool, of these alone"},
        "call_tokens": {"type": ["number", "null"], "description": "what a call counts as against tokens a minute"},
        "calls_at_once": {"type": "number", "description": "places that a job takes at its provider while it runs"},
    },
)  # fmt: skip
POOL_DEMAND = _object(
    {
        "slots": WHOLE, "workers": WHOLE, "reason": TEXT, "reactive_slots": WHOLE,
        "predicted_slots": {"type": ["integer", "null"], "description": "by the forecast; null without one"},
        "ready": WHOLE, "running": WHOLE, "ready_service_s": AMOUNT, "oldest_wait_s": AMOUNT, "arrivals_per_s": AMOUNT,
        "service_s": AMOUNT, "forecast_per_s": PERHAPS,
        "ceiling": {"type": ["number", "null"], "description": "jobs that providers let run at once; null: any number"},
        "busy_ago_s": {"type": ["number", "null"], "description": "null: nothing ran lately, or nobody knows"},
        "live_workers": WHOLE, "full_workers": WHOLE, "work": {"type": "array", "items": WORK},
        "limits": {
            "type": "object", "description": "places for calls, by scope, and the limit that says so",
            "additionalProperties": _object({"places": WHOLE, "by": TEXT}),
        },
    },
)  # fmt: skip
DEMAND = _object(
    {
        "at": TIME, "slots": WHOLE, "workers": {"type": "integer", "description": "of those that take all pools"},
        "pools": _object({"text": _ref("PoolDemand"), "speech": _ref("PoolDemand")}), "slots_per_worker": WHOLE,
        "target_wait_s": AMOUNT, "cool_down_s": AMOUNT,
        "fleet": {"anyOf": [{"type": "array", "items": ANY}, {"type": "null"}], "description": "null: Redis is away"},
    },
)  # fmt: skip
COMPONENTS: dict[str, Schema] = {
    "Usage": USAGE,
    "Result": RESULT,
    "Call": CALL,
    "Job": JOB,
    "JobPage": _page("Job"),
    "JobBatch": BATCH,
    "JobBatchPage": _page("JobBatch"),
    "WebhookEndpoint": ENDPOINT,
    "WebhookEndpoints": _object({"data": {"type": "array", "items": _ref("WebhookEndpoint")}}),
    "WebhookSecret": SECRET,
    "WebhookDelivery": DELIVERY,
    "WebhookDeliveryPage": _page("WebhookDelivery"),
    "OpenAiError": OPENAI_ERROR,
    "Link": _object({"url": TEXT, "expires_at": TIME}),
    "Problem": PROBLEM,
    "PoolDemand": POOL_DEMAND,
    "Demand": DEMAND,
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
    ("get", "/v1/job-batches"): {"200": "JobBatchPage"},
    ("get", "/v1/job-batches/{batch_id}"): {"200": "JobBatch"},
    ("post", "/v1/job-batches/{batch_id}/retry-failed"): {"202": "JobBatch"},
    ("post", "/v1/job-batches/{batch_id}/cancel"): {"200": "JobBatch"},
    ("post", "/v1/job-batches/{batch_id}/links"): {"201": "Link"},
    ("post", "/v1/events/links"): {"201": "Link"},
    ("post", "/v1/webhook-endpoints"): {"201": "WebhookEndpoint"},
    ("get", "/v1/webhook-endpoints"): {"200": "WebhookEndpoints"},
    ("get", "/v1/webhook-endpoints/{endpoint_id}"): {"200": "WebhookEndpoint"},
    ("patch", "/v1/webhook-endpoints/{endpoint_id}"): {"200": "WebhookEndpoint"},
    ("post", "/v1/webhook-endpoints/{endpoint_id}/rotate-secret"): {"200": "WebhookEndpoint"},
    ("delete", "/v1/webhook-endpoints/{endpoint_id}/old-secret"): {"200": "WebhookEndpoint"},
    ("get", "/v1/webhook-endpoints/{endpoint_id}/deliveries"): {"200": "WebhookDeliveryPage"},
    ("get", "/v1/webhook-deliveries"): {"200": "WebhookDeliveryPage"},
    ("post", "/v1/webhook-deliveries/{delivery_id}/redeliver"): {"202": "WebhookDelivery"},
    ("get", "/v1/autoscaling"): {"200": "Demand"},
    ("get", "/v1/webhook-secret"): {"200": "WebhookSecret"},
    ("post", "/v1/webhook-secret/rotate"): {"200": "WebhookSecret"},
}
