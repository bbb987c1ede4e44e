"""Conformance: every refusal that a provider is known to give, sent as it sends it and read through its SDK, by every
handler of its dialect: one kind each, and never a second try."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from adapters.pool import ProviderPool
from adapters.registry import load_handler
from core.jsonio import dump_json
from core.provider import ErrorKind, ProviderError
from tests.adapters.calls import make_call
from tests.adapters.server import Asked, Reply, serving
from tests.adapters.suite import ALL, MODELS


@dataclass(frozen=True)
class Row:
    """A refusal as it comes, and what it means."""

    name: str
    status: int
    body: Any
    kind: str
    headers: dict[str, str] = field(default_factory=dict)
    wait_s: float | None = None


def openai(status: int, code: str | None, kind: str, message: str = "no", family: str | None = None) -> Row:
    error = {"message": message, "type": family or "invalid_request_error", "param": None, "code": code}
    return Row(f"{status} {code or message}", status, {"error": error}, kind, {"x-request-id": "req_1"})


def google(status: int, name: str, kind: str, message: str = "no", *details: dict[str, Any]) -> Row:
    error = {"code": status, "message": message, "status": name, "details": list(details)}
    return Row(f"{status} {name} {message}", status, {"error": error}, kind, {"x-request-id": "req_1"})


def anthropic(status: int, family: str, kind: str, message: str = "no", code: str | None = None) -> Row:
    error = {"type": family, "message": message, "details": {"error_code": code} if code else None}
    body = {"type": "error", "error": error, "request_id": "req_1"}
    return Row(f"{status} {code or message or family}", status, body, kind, {"request-id": "req_1"})


def mistral(status: int, kind: str, message: str = "no", family: str | None = None, code: str | None = None) -> Row:
    body = {"object": "error", "message": message, "type": family, "param": None, "code": code}
    return Row(f"{status} {code or family or message}", status, body, kind, {"mistral-correlation-id": "req_1"})


def elevenlabs(status: int, code: str, kind: str) -> Row:
    detail = {"type": "t", "code": code, "message": "no", "status": code, "request_id": "req_1", "param": None}
    return Row(f"{status} {code}", status, {"detail": detail}, kind)


PER_DAY = {"@type": "x/google.rpc.QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDayPerProject"}]}
PER_MINUTE = {"@type": "x/google.rpc.QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerMinute"}]}
WAIT = {"@type": "x/google.rpc.RetryInfo", "retryDelay": "36s"}
BAD_KEY = {"@type": "x/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
ROWS: dict[str, list[Row]] = {
    "openai": [
        openai(400, "context_length_exceeded", "context_length"),
        openai(400, None, "context_length", "This model's maximum context length is 8192 tokens."),
        openai(400, None, "context_length", "[{'type': 'string_too_long', 'loc': ('body', 'input')}]"),
        openai(400, "unsupported_parameter", "invalid_request"),
        openai(400, "unsupported_value", "invalid_request"),
        openai(400, "invalid_json_schema", "invalid_request"),
        openai(400, "content_policy_violation", "content_policy"),
        openai(400, "invalid_prompt", "content_policy"),
        openai(401, "invalid_api_key", "auth"),
        openai(401, None, "auth", "Your IP address is not authorized."),
        openai(403, "unsupported_country_region_territory", "not_available"),
        openai(403, None, "not_available", "The project does not have access to the model."),
        openai(404, "model_not_found", "not_available"),
        openai(408, None, "timeout", "slow"),
        openai(409, None, "server_error", "locked"),
        openai(422, None, "invalid_request", "wrong"),
        openai(429, "rate_limit_exceeded", "rate_limited", family="tokens"),
        openai(429, "slow_down", "rate_limited", family="rate_limit_error"),
        *(
            openai(429, code, "quota_exhausted", family="insufficient_quota")
            for code in (
                "insufficient_quota",
                "credit_balance_exhausted",
                "organization_spend_limit_exceeded",
                "project_spend_limit_exceeded",
                "organization_usage_limit_exceeded",
            )
        ),
        openai(500, None, "server_error", "oops", "server_error"),
        openai(502, None, "server_error", "bad gateway"),
        openai(503, "server_is_overloaded", "overloaded", family="service_unavailable_error"),
        openai(503, "slow_down", "rate_limited"),
        openai(504, None, "timeout", "late"),
        Row("a wait in ms", 429, {"error": {"message": "no"}}, "rate_limited", {"retry-after-ms": "250"}, 0.25),
        Row("a page", 502, "<html>nginx</html>", "server_error"),
    ],
    "google": [
        google(400, "INVALID_ARGUMENT", "auth", "API key not valid.", BAD_KEY),
        google(400, "INVALID_ARGUMENT", "context_length", "The input token count (9) exceeds the maximum"),
        google(400, "INVALID_ARGUMENT", "invalid_request", "Invalid JSON payload received."),
        google(400, "FAILED_PRECONDITION", "not_available", "Please enable it in your project."),
        google(402, "RESOURCE_EXHAUSTED", "quota_exhausted", "Your prepaid credit is used up."),
        google(403, "PERMISSION_DENIED", "not_available", "No access to the model"),
        google(404, "NOT_FOUND", "not_available", "models/x is not found"),
        google(429, "RESOURCE_EXHAUSTED", "rate_limited", "Quota exceeded", PER_MINUTE),
        google(429, "RESOURCE_EXHAUSTED", "quota_exhausted", "Quota exceeded", PER_DAY),
        google(429, "RESOURCE_EXHAUSTED", "quota_exhausted", "You reached your spend limit"),
        google(499, "CANCELLED", "connection", "cancelled"),
        google(500, "INTERNAL", "server_error", "internal"),
        google(503, "UNAVAILABLE", "overloaded", "overloaded"),
        google(504, "DEADLINE_EXCEEDED", "timeout", "late"),
        Row("a wait in details", 429, {"error": {"code": 429, "message": "no", "details": [WAIT]}}, "rate_limited",
            wait_s=36.0),
        Row("a page", 502, "<html>nginx</html>", "server_error"),
    ],
    "anthropic": [
        anthropic(400, "invalid_request_error", "context_length", "prompt is too long: 9 tokens > 8 maximum"),
        anthropic(400, "invalid_request_error", "quota_exhausted", "You have reached your specified API usage limits."),
        anthropic(400, "invalid_request_error", "not_available", "The compiled grammar is too large"),
        anthropic(400, "invalid_request_error", "invalid_request", "temperature: Extra inputs are not permitted"),
        anthropic(401, "authentication_error", "auth"),
        anthropic(402, "billing_error", "quota_exhausted"),
        anthropic(403, "permission_error", "not_available"),
        anthropic(404, "not_found_error", "not_available"),
        anthropic(408, "timeout_error", "timeout"),
        anthropic(409, "conflict_error", "server_error"),
        anthropic(413, "request_too_large", "invalid_request"),
        anthropic(422, "invalid_request_error", "invalid_request"),
        anthropic(429, "rate_limit_error", "rate_limited"),
        anthropic(429, "rate_limit_error", "quota_exhausted", code="enforced_spend_limit_reached"),
        anthropic(429, "rate_limit_error", "quota_exhausted", code="contract_spend_limit_reached"),
        anthropic(429, "rate_limit_error", "rate_limited", code="ramp_limit_exceeded"),
        anthropic(499, "client_closed_request", "connection"),
        anthropic(500, "api_error", "server_error"),
        anthropic(503, "api_error", "overloaded"),
        anthropic(504, "timeout_error", "timeout"),
        anthropic(529, "overloaded_error", "overloaded"),
        Row("a wait", 429, {"error": {"type": "rate_limit_error", "message": "no"}}, "rate_limited",
            {"retry-after": "7"}, 7.0),
        Row("a page", 502, "<html>nginx</html>", "server_error"),
    ],
    "mistral": [
        mistral(400, "context_length", "Prompt contains 9 tokens and 0 draft tokens, too large for model with 5 maximum "
                "context length", "invalid_request_prompt", "3051"),
        mistral(400, "not_available", "Invalid model: x", "invalid_model", "1500"),
        mistral(400, "invalid_request", "Unexpected role 'tool' after role 'user'", "invalid_request_message_order", "3230"),
        mistral(402, "quota_exhausted", "Your credits are used up."),
        mistral(403, "not_available", "This model is not on your plan."),
        mistral(403, "content_policy", "The guardrail blocked this request."),
        mistral(404, "not_available", "There is no such model.", "not_found"),
        mistral(408, "timeout", "slow"),
        mistral(429, "rate_limited", "Rate limit exceeded", "rate_limited", "1300"),
        mistral(429, "overloaded", "Service tier capacity exceeded for this model.", None, "3505"),
        mistral(500, "server_error"),
        mistral(502, "server_error"),
        mistral(503, "overloaded"),
        mistral(504, "timeout"),
        Row("a text", 401, {"detail": "Unauthorized"}, "auth"),
        Row("a used-up plan", 401, {"message": "You have reached your usage limit."}, "quota_exhausted"),
        Row("a list", 422, {"detail": [{"loc": ["body", "model"], "msg": "required", "type": "x"}]}, "invalid_request"),
        Row("a list inside a message", 422, {"object": "error", "message": {"detail": [
            {"loc": ["body", "input"], "msg": "String should have at most 4096 characters", "type": "string_too_long"},
        ]}}, "context_length"),
        Row("a wait", 429, {"message": "Requests rate limit exceeded"}, "rate_limited", {"retry-after": "7"}, 7.0),
        Row("a page", 502, "<html>nginx</html>", "server_error"),
    ],
    "elevenlabs": [
        elevenlabs(400, "max_character_limit_exceeded", "context_length"),
        elevenlabs(400, "voice_not_found", "invalid_request"),
        elevenlabs(404, "voice_not_found", "invalid_request"),
        elevenlabs(401, "invalid_api_key", "auth"),
        elevenlabs(401, "missing_permissions", "auth"),
        elevenlabs(401, "quota_exceeded", "quota_exhausted"),
        elevenlabs(402, "quota_exceeded", "quota_exhausted"),
        elevenlabs(429, "quota_exceeded", "quota_exhausted"),
        elevenlabs(403, "output_format_not_allowed", "not_available"),
        elevenlabs(422, "value_error", "invalid_request"),
        elevenlabs(429, "rate_limit_exceeded", "rate_limited"),
        elevenlabs(429, "concurrent_limit_exceeded", "rate_limited"),
        elevenlabs(429, "too_many_concurrent_requests", "rate_limited"),
        elevenlabs(429, "system_busy", "overloaded"),
        elevenlabs(500, "internal_server_error", "server_error"),
        elevenlabs(503, "system_busy", "overloaded"),
        Row("a list", 422, {"detail": [{"loc": ["body", "text"], "msg": "required", "type": "x"}]}, "invalid_request"),
        Row("a text", 401, {"detail": "Unauthorized"}, "auth"),
        Row("a page", 502, "<html>nginx</html>", "server_error"),
    ],
}  # fmt: skip
CASES = [
    pytest.param(handler, row, id=f"{handler} {row.name}")
    for handler in ALL
    for row in ROWS.get(handler.partition(".")[0], ())
]


@pytest.fixture
async def pool() -> AsyncIterator[ProviderPool]:
    async with ProviderPool() as opened:
        yield opened


@pytest.mark.parametrize(("handler", "row"), CASES)
async def test_a_refusal_is_understood_at_the_first_try(pool: ProviderPool, handler: str, row: Row) -> None:
    asked: list[Asked] = []

    def refuse(request: Asked) -> Reply:
        asked.append(request)
        page = isinstance(row.body, str)
        headers = {"content-type": "text/html" if page else "application/json", **row.headers}
        return Reply(row.body.encode() if page else dump_json(row.body), f"{row.status} No", headers)

    async with serving(refuse) as url:
        call = make_call(handler, base_url=f"{url}/v1", model_id=MODELS[handler])
        with pytest.raises(ProviderError) as caught:
            await load_handler(handler, pool)(call)
    error = caught.value
    assert error.kind is ErrorKind(row.kind), error.message
    assert (error.status, error.retry_after_s, error.usage) == (row.status, row.wait_s, None)
    assert error.message
    assert error.__cause__ is None
    if "req_1" in str(row.body) or "req_1" in row.headers.values():
        assert error.request_id == "req_1"
    assert len(asked) == 1, "the SDK tried again"


@pytest.mark.parametrize("dialect", sorted({handler.partition(".")[0] for handler in ALL}))
def test_every_kind_of_the_taxonomy_is_met(dialect: str) -> None:
    if dialect not in ROWS:
        pytest.skip(f"the refusals of {dialect} are told in tests of its own")
    met = {row.kind for row in ROWS[dialect]}
    needed = set(ErrorKind) - {ErrorKind.connection, ErrorKind.timeout, ErrorKind.invalid_response}
    lacking = {
        "google": {ErrorKind.content_policy},  # comes inside a 200
        "anthropic": {ErrorKind.content_policy},  # likewise
        "elevenlabs": {ErrorKind.content_policy},  # has no documented code; see the table of its words
    }
    assert needed - lacking.get(dialect, set()) <= met
