"""Errors as OpenAI's clients know them: `{"error": {"message", "type", "param", "code"}}`, with headers that keep a
client from paying twice."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import FactoryError, Problem, RateLimited, RequestRefused, ServiceUnavailable
from core.presenting import failure_status
from core.request_checks import MISSING_FIELD, UNKNOWN_FIELD

_CODES_OF_FIELDS = {UNKNOWN_FIELD: "unknown_parameter", MISSING_FIELD: "missing_required_parameter"}
# Where OpenAI answers otherwise than the factory: status, type, code, param.
_ERRORS: Mapping[str, tuple[int, str, str, str | None]] = {
    "unauthenticated": (401, "invalid_request_error", "invalid_api_key", None),
    "forbidden": (403, "invalid_request_error", "insufficient_permissions", None),
    "unknown_model": (404, "invalid_request_error", "model_not_found", "model"),
    "no_route": (400, "invalid_request_error", "no_route", "model"),
    "context_length": (400, "invalid_request_error", "context_length_exceeded", None),
    "content_policy": (400, "invalid_request_error", "content_policy_violation", None),
    "budget": (429, "insufficient_quota", "insufficient_quota", None),
    "rate_limited": (429, "rate_limit_error", "rate_limit_exceeded", None),
}


class Refusal(RequestRefused):
    """One parameter that cannot be as it was sent; `openai_code` is OpenAI's own word for the reason."""

    def __init__(self, message: str, param: str, openai_code: str = "invalid_value") -> None:
        super().__init__(message, problems=[Problem(message, param)])
        self.openai_code = openai_code


@dataclass(frozen=True, slots=True)
class OpenAiError:
    """`retry`: what `x-should-retry` tells the client; None leaves it to the client's own rules."""

    status: int
    message: str
    type: str
    code: str | None
    param: str | None = None
    retry: bool | None = False
    retry_after_s: float | None = None

    def body(self) -> dict[str, Any]:
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}

    def headers(self) -> dict[str, str]:
        shown = {} if self.retry is None else {"x-should-retry": "true" if self.retry else "false"}
        if self.retry_after_s is not None:
            shown["retry-after"] = str(max(1, math.ceil(self.retry_after_s)))
            shown["retry-after-ms"] = str(max(1, math.ceil(self.retry_after_s * 1000)))
        if self.status == 401:
            shown["WWW-Authenticate"] = "Bearer"
        return shown


def error_of(error: FactoryError) -> OpenAiError:
    """What the factory refuses. Only its own limits and absences are worth a retry."""
    status, kind, code, param = _ERRORS.get(error.code, (error.status, _type_of(error.status), error.code, None))
    if error.problems:
        first = error.problems[0]
        param = param_of(first.field) if first.field else param
        if error.code == RequestRefused.code:
            code = getattr(error, "openai_code", None) or _CODES_OF_FIELDS.get(first.message, "invalid_value")
    wait_s = error.retry_after_s if isinstance(error, RateLimited | ServiceUnavailable) else None
    return OpenAiError(status, error.message, kind, code, param, wait_s is not None, wait_s)


def error_of_problem(problem: Mapping[str, Any]) -> OpenAiError:
    """What is wrong with a line of a batch (`Problem.as_dict()`), as the live path would say it."""
    code = problem.get("code") or "invalid_value"
    status, kind, code, param = _ERRORS.get(code, (400, "invalid_request_error", code, None))
    return OpenAiError(status, problem["message"], kind, code, param or problem.get("field"))


def error_of_failure(failure: Mapping[str, Any] | None, state: str) -> OpenAiError:
    """A job that ended without an answer: terminal, so that the client does not buy it again."""
    kind, message = (failure["kind"], failure["message"]) if failure else (state, f"the job is {state}")
    other = failure_status(kind)
    status, named, code, param = _ERRORS.get(kind, (other, _type_of(other), kind, None))
    if kind == "rate_limited":  # a provider's limits, after all routes were tried again: not the caller's
        status, named, code = other, _type_of(other), kind
    return OpenAiError(status, message, named, code, param)


def error_of_status(status: int, message: str, method: str, path: str) -> OpenAiError:
    """What the web server refuses: no such path, no such method."""
    if status == 404:
        return OpenAiError(404, f"Invalid URL ({method} {path})", "invalid_request_error", "unknown_url")
    if status == 405:
        message = f"Not allowed to {method} on {path}"
        return OpenAiError(405, message, "invalid_request_error", "method_not_supported")
    return OpenAiError(status, message, _type_of(status), "http_error")


def still_running(job_id: Any, waited_s: float) -> OpenAiError:
    """The wait ran out and the job goes on: a retry joins it."""
    message = (
        f"Job {job_id} is not over after {waited_s:.0f} s and goes on. The same request sent again by the client's "
        f"retry joins it and is not paid twice; GET /v1/jobs/{job_id} has its answer too."
    )
    return OpenAiError(504, message, "server_error", "still_running", None, retry=True, retry_after_s=1.0)


def moved(job_id: Any) -> OpenAiError:
    """This server stops and the job goes on: the same request sent again joins it at another."""
    message = (
        f"This server is stopping; job {job_id} goes on, and GET /v1/jobs/{job_id} has its answer. The same request "
        "sent again with x-stainless-retry-count: 1 joins it and is not paid twice."
    )
    return OpenAiError(503, message, "server_error", "stopping", None, retry=True, retry_after_s=1.0)


def param_of(field: str) -> str:
    """`messages.0.content` as OpenAI writes it: `messages[0].content`."""
    return re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", field)


def _type_of(status: int) -> str:
    return "server_error" if status >= 500 else "invalid_request_error"
