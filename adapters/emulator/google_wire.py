"""What all of Google's endpoints share: keys, errors, model names, and fields in either spelling."""

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from adapters.emulator.faults import Fault, split_model
from adapters.emulator.wire import Refused, json_response

ERRORS = {
    "429": (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    "500": (500, "INTERNAL", "An internal error has occurred."),
    "503": (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "529": (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "quota": (402, "RESOURCE_EXHAUSTED", "Your prepaid credit is used up."),
    "badkey": (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    "policy": (400, "INVALID_ARGUMENT", "The request was blocked by the safety policy (PROHIBITED_CONTENT)."),
    "context": (400, "INVALID_ARGUMENT", "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576)."),
    "notfound": (404, "NOT_FOUND", "models/x is not found for API version v1, or is not supported for generateContent."),
    "region": (400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
}  # fmt: skip


class GoogleWire:
    """The dialect, as `Emulator.call` wants it."""

    provider = "google"

    def invalid(self, message: str, *, code: str | None = None, param: str | None = None) -> Refused:
        return invalid(message, code or "INVALID_ARGUMENT", param)

    def error(self, fault: Fault) -> Response:
        return answer_fault(fault)


def invalid(message: str, name: str = "INVALID_ARGUMENT", param: str | None = None) -> Refused:
    """A 400, which names the field when it knows it."""
    violation = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": param}]}
    return Refused(error_response(400, name, message, [violation] if param else []))


def answer_fault(fault: Fault) -> Response:
    """What Google says when it meets one of `faults.ERRORS`."""
    status, name, message = ERRORS[fault.name]
    details: list[dict[str, Any]] = []
    if fault.name == "429":
        details = [
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{"quotaId": "GenerateRequestsPerMinutePerProject"}],
            },
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{fault.value:g}s"},
        ]
    if fault.name == "badkey":
        reason = {"reason": "API_KEY_INVALID", "domain": "googleapis.com"}
        details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", **reason}]
    return error_response(status, name, message, details)


def not_found(model: str, method: str) -> Refused:
    message = f"models/{model} is not found for API version v1, or is not supported for {method}."
    return Refused(error_response(404, "NOT_FOUND", message))


def error_response(status: int, name: str, message: str, details: list[dict[str, Any]] | None = None) -> Response:
    error: dict[str, Any] = {"code": status, "message": message, "status": name}
    if details:
        error["details"] = details
    return json_response({"error": error}, status)


def tell_tier(body: Mapping[str, Any]) -> dict[str, str]:
    """The header that names the tier; there is always room in the one that was asked for."""
    return {"x-gemini-service-tier": str(get(body, "serviceTier") or "standard").lower()}


def check_key(request: Request) -> None:
    key = request.headers.get("x-goog-api-key") or request.query_params.get("key", "")
    if not key:
        message = "Method doesn't allow unregistered callers. Please use API Key."
        raise Refused(error_response(403, "PERMISSION_DENIED", message))
    if "bad-key" in key:
        raise Refused(answer_fault(Fault("badkey", 0)))


def read_model(request: Request) -> tuple[str, Fault | None]:
    """The path's model and the fault that its name asks for, which may have a colon of its own."""
    try:
        return split_model(request.path_params["call"].rpartition(":")[0])
    except ValueError as error:
        raise invalid(str(error)) from None


def check_names(values: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Every field by name; `where` leads to them."""
    for name in values:
        if to_camel(name) not in known:
            raise invalid(
                f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}{name}': Cannot find field."
            )


def to_camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def get(values: Mapping[str, Any], name: str) -> Any:
    """By either spelling; `name` is the one in camelCase."""
    return next((value for key, value in values.items() if to_camel(key) == name), None)
