"""What each provider's refusal means, row by row: status first, then code, then words."""

from typing import Any

import httpx2
import pytest

from adapters.anthropic.errors import classify as classify_anthropic
from adapters.elevenlabs.errors import classify as classify_elevenlabs
from adapters.google.errors import classify as classify_google
from adapters.google.errors import retry_delay_s
from adapters.openai.errors import classify as classify_openai
from adapters.transport import kind_of_status, retry_after_s
from core.provider import ErrorKind


@pytest.mark.parametrize(
    ("status", "code", "family", "message", "kind"),
    [
        (400, "context_length_exceeded", "invalid_request_error", "too long", "context_length"),
        (400, None, "BadRequestError", "This model's maximum context length is 4096 tokens", "context_length"),
        (400, None, "exceed_context_size_error", "the request exceeds the available context size", "context_length"),
        (400, "unsupported_parameter", "invalid_request_error", "Unsupported parameter", "invalid_request"),
        (400, "invalid_json_schema", "invalid_request_error", "Invalid schema", "invalid_request"),
        (400, "content_policy_violation", None, "no", "content_policy"),
        (400, "invalid_prompt", None, "flagged", "content_policy"),
        (400, None, None, "The model `x` does not exist", "not_available"),
        (400, "billing_hard_limit_reached", None, "limit", "quota_exhausted"),
        (401, "invalid_api_key", None, "Incorrect API key provided", "auth"),
        (402, None, None, "pay", "quota_exhausted"),
        (403, "unsupported_country_region_territory", None, "Country not supported", "not_available"),
        (403, None, None, "Project does not have access to model", "not_available"),
        (403, None, None, "This API key may not do that", "auth"),
        (404, "model_not_found", None, "no such model", "not_available"),
        (408, None, None, "slow", "timeout"),
        (409, None, None, "locked", "server_error"),
        (422, None, None, "bad", "invalid_request"),
        (429, "rate_limit_exceeded", "tokens", "Rate limit reached", "rate_limited"),
        (429, "slow_down", "rate_limit_error", "slow down", "rate_limited"),
        (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota", "quota_exhausted"),
        (429, "project_spend_limit_exceeded", "insufficient_quota", "spend", "quota_exhausted"),
        (429, None, None, "You exceeded your current quota, check billing", "quota_exhausted"),
        (429, None, None, "Resource unavailable for flex", "overloaded"),
        (500, None, "server_error", "oops", "server_error"),
        (502, None, None, "bad gateway", "server_error"),
        (503, "server_is_overloaded", "service_unavailable_error", "busy", "overloaded"),
        (503, "slow_down", None, "slow down", "rate_limited"),
        (504, None, None, "late", "timeout"),
        (529, None, None, "overloaded", "overloaded"),
    ],
)
def test_openai(status: int, code: str | None, family: str | None, message: str, kind: str) -> None:
    assert classify_openai(status, code, family, message) == kind


PER_DAY = [{"@type": "x/google.rpc.QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDayPerProject"}]}]
PER_MINUTE = [{"@type": "x/google.rpc.QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerMinute"}]}]


@pytest.mark.parametrize(
    ("status", "message", "details", "kind"),
    [
        (400, "API key not valid. Please pass a valid API key.", [{"reason": "API_KEY_INVALID"}], "auth"),
        (400, "API key expired", [], "auth"),
        (400, "The input token count (2000000) exceeds the maximum number of tokens", [], "context_length"),
        (400, "Invalid JSON payload", [], "invalid_request"),
        (400, "User location is not supported for the API use.", [], "not_available"),
        (400, "The image was blocked for safety reasons", [], "content_policy"),
        (402, "prepaid credit", [], "quota_exhausted"),
        (403, "Permission denied on the model", [], "not_available"),
        (403, "Your API key was reported as leaked", [], "auth"),
        (404, "models/x is not found", [], "not_available"),
        (429, "Quota exceeded", PER_MINUTE, "rate_limited"),
        (429, "Quota exceeded", PER_DAY, "quota_exhausted"),
        (429, "You reached your spend limit", [], "quota_exhausted"),
        (499, "cancelled", [], "connection"),
        (500, "internal", [], "server_error"),
        (500, "the input token count is too large", [], "context_length"),
        (503, "overloaded", [], "overloaded"),
        (504, "deadline", [], "timeout"),
    ],
)
def test_google(status: int, message: str, details: list[dict[str, Any]], kind: str) -> None:
    assert classify_google(status, message, details) == kind


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (400, "max_character_limit_exceeded", "too long", "context_length"),
        (400, "voice_not_found", "no voice", "invalid_request"),
        (404, "voice_not_found", "no voice", "invalid_request"),
        (400, "model_not_found", "no model", "not_available"),
        (401, "invalid_api_key", "bad", "auth"),
        (401, "missing_permissions", "no", "auth"),
        (401, "quota_exceeded", "0 credits", "quota_exhausted"),
        (402, "quota_exceeded", "0 credits", "quota_exhausted"),
        (402, None, "pay", "quota_exhausted"),
        (403, None, "plan", "not_available"),
        (403, None, "This text violates our terms of service", "content_policy"),
        (422, None, "text: field required", "invalid_request"),
        (429, "rate_limit_exceeded", "slow", "rate_limited"),
        (429, "concurrent_limit_exceeded", "slow", "rate_limited"),
        (429, "too_many_concurrent_requests", "slow", "rate_limited"),
        (429, "system_busy", "busy", "overloaded"),
        (500, None, "oops", "server_error"),
        (503, "system_busy", "busy", "overloaded"),
    ],
)
def test_elevenlabs(status: int, code: str | None, message: str, kind: str) -> None:
    assert classify_elevenlabs(status, code, message) == kind


@pytest.mark.parametrize(
    ("status", "family", "code", "message", "kind"),
    [
        (400, "invalid_request_error", None, "prompt is too long: 1200000 tokens > 1000000 maximum", "context_length"),
        (400, "invalid_request_error", None, "Your credit balance is too low to access the API", "quota_exhausted"),
        (400, "invalid_request_error", None, "You have reached your specified API usage limits", "quota_exhausted"),
        (400, "invalid_request_error", None, "Output blocked by content filtering policy", "content_policy"),
        (400, "invalid_request_error", None, "The compiled grammar is too large", "not_available"),
        (400, "invalid_request_error", None, "temperature: Extra inputs are not permitted", "invalid_request"),
        (401, "authentication_error", None, "invalid x-api-key", "auth"),
        (402, "billing_error", None, "pay", "quota_exhausted"),
        (403, "permission_error", None, "no access to this model", "not_available"),
        (404, "not_found_error", None, "model: claude-9", "not_available"),
        (408, None, None, "slow", "timeout"),
        (409, "conflict_error", None, "locked", "server_error"),
        (413, "request_too_large", None, "over 32 MB", "invalid_request"),
        (422, None, None, "bad", "invalid_request"),
        (429, "rate_limit_error", None, "This would exceed the rate limit", "rate_limited"),
        (429, "rate_limit_error", "enforced_spend_limit_reached", "limit", "quota_exhausted"),
        (429, "rate_limit_error", "contract_spend_limit_reached", "limit", "quota_exhausted"),
        (429, "rate_limit_error", "ramp_limit_exceeded", "slow down", "rate_limited"),
        (500, "api_error", None, "oops", "server_error"),
        (503, None, None, "busy", "overloaded"),
        (504, "timeout_error", None, "late", "timeout"),
        (529, "overloaded_error", None, "Overloaded", "overloaded"),
        (200, "overloaded_error", None, "Overloaded", "overloaded"),
        (200, "rate_limit_error", None, "limit", "rate_limited"),
        (200, "invalid_request_error", None, "prompt is too long", "context_length"),
        (200, None, None, "no message", "server_error"),
    ],
)
def test_anthropic(status: int, family: str | None, code: str | None, message: str, kind: str) -> None:
    assert classify_anthropic(status, family, code, message) == kind


@pytest.mark.parametrize("status", [301, 307])
def test_a_redirect_means_that_the_address_is_wrong(status: int) -> None:
    assert kind_of_status(status) is ErrorKind.not_available


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:30 GMT", "date": "Mon, 23 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"retry-after": "Mon, 23 Nov 2026 09:00:00 GMT", "date": "Mon, 23 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}, 0.0),
    ],
)
def test_the_wait_is_read_from_any_form_of_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds
    assert retry_after_s(httpx2.Headers(headers)) == seconds


@pytest.mark.parametrize(("delay", "seconds"), [("36s", 36.0), ("1.500s", 1.5), ("", None), ("soon", None)])
def test_googles_retry_info_is_read(delay: str, seconds: float | None) -> None:
    assert retry_delay_s([{"violations": []}, {"retryDelay": delay}]) == seconds
