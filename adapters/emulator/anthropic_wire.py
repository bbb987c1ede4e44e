"""Anthropic's errors and heads: what every endpoint of it asks for and how it says no."""

from starlette.requests import Request
from starlette.responses import Response

from adapters.emulator.anthropic_rules import VERSIONS
from adapters.emulator.faults import Fault
from adapters.emulator.wire import Refused, json_response, request_id

ERRORS = {
    "429": (429, "rate_limit_error", "This request would exceed the rate limit for your organization."),
    "500": (500, "api_error", "Internal server error"),
    "503": (503, "api_error", "The service is not available for the moment."),
    "529": (529, "overloaded_error", "Overloaded"),
    "quota": (402, "billing_error", "Your credit balance is too low to access the Anthropic API."),
    "badkey": (401, "authentication_error", "invalid x-api-key"),
    "policy": (400, "invalid_request_error", "Output blocked by content filtering policy"),
    "context": (400, "invalid_request_error", "prompt is too long: 2000000 tokens > 1000000 maximum"),
    "notfound": (404, "not_found_error", "There is no such model."),
    "region": (403, "permission_error", "Access to Anthropic models is not allowed from unsupported countries."),
}


class AnthropicWire:
    """The dialect, as `Emulator.call` wants it."""

    provider = "anthropic"

    def invalid(self, message: str, *, code: str | None = None, param: str | None = None) -> Refused:
        return invalid(f"{param}: {message}" if param else message, code or "invalid_request_error")

    def error(self, fault: Fault) -> Response:
        status, family, message = ERRORS[fault.name]
        wait = {"retry-after": f"{fault.value:g}"} if fault.name == "429" else {}
        return _error(status, family, message, wait)


def invalid(message: str, family: str = "invalid_request_error") -> Refused:
    """A 400 in the words `path: what is wrong`."""
    return Refused(_error(400, family, message))


def unknown_model(model: str) -> Refused:
    return Refused(_error(404, "not_found_error", f"model: {model}"))


def check_head(request: Request) -> str:
    """The version that is asked for. Either header may carry the key."""
    bearer = request.headers.get("authorization", "").removeprefix("Bearer").strip()
    key = bearer or request.headers.get("x-api-key", "")
    if not key:
        raise Refused(_error(401, "authentication_error", "x-api-key header is required"))
    if "bad-key" in key:
        raise Refused(_error(*ERRORS["badkey"]))
    version = request.headers.get("anthropic-version")
    if version is None:
        raise invalid("anthropic-version: header is required")
    if version not in VERSIONS:
        raise invalid(f'anthropic-version: "{version[:20]}" is not a valid version')
    return version


def _error(status: int, family: str, message: str, headers: dict[str, str] | None = None) -> Response:
    said = {"type": family, "message": message, "details": None}
    named = request_id("anthropic", (status, said))
    body = {"type": "error", "error": said, "request_id": named}
    return json_response(body, status, {"request-id": named, **(headers or {})})
