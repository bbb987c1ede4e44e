"""What all endpoints of OpenAI share: keys, model names, errors, and the checks that two of them make alike."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from adapters.emulator.faults import Fault, split_model
from adapters.emulator.openai_rules import Family, find_family, find_schema_fault, is_name
from adapters.emulator.wire import Refused, json_response, looks_like_picture, request_id

CREATED = 1_790_000_000
PICTURE_TOKENS = 85
ERRORS: dict[str, tuple[int, str, str | None, str]] = {
    "429": (429, "requests", "rate_limit_exceeded", "Rate limit reached. Please try again later."),
    "500": (500, "server_error", None, "The server had an error while processing your request."),
    "503": (503, "service_unavailable_error", "server_is_overloaded", "The server is overloaded. Try again later."),
    "529": (529, "service_unavailable_error", "server_is_overloaded", "The server is overloaded. Try again later."),
    "quota": (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota, please check your plan."),
    "badkey": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    "policy": (400, "invalid_request_error", "content_policy_violation", "Your request was rejected by our safety system."),
    "context": (400, "invalid_request_error", "context_length_exceeded", "This model's maximum context length is exceeded."),
    "notfound": (404, "invalid_request_error", "model_not_found", "The model does not exist or you do not have access."),
    "region": (403, "request_forbidden", "unsupported_country_region_territory", "Country, region, or territory not supported."),
}  # fmt: skip


def invalid(message: str, *, code: str | None = None, param: str | None = None) -> Refused:
    """A 400 about one parameter."""
    return Refused(_error(400, "invalid_request_error", code, message, param))


def not_found(message: str) -> Refused:
    """A 404 about something that a request names."""
    return Refused(_error(404, "invalid_request_error", None, message))


def answer_fault(fault: Fault) -> Response:
    """What OpenAI says when it meets one of `faults.ERRORS`."""
    status, kind, code, message = ERRORS[fault.name]
    wait = {"retry-after": f"{fault.value:g}", "retry-after-ms": f"{fault.value * 1000:.0f}"}
    return _error(status, kind, code, message, headers=wait if fault.name == "429" else {})


class OpenAIWire:
    """The dialect, as `Emulator.call` wants it."""

    provider = "openai"
    invalid = staticmethod(invalid)
    error = staticmethod(answer_fault)


def served_tier(body: Mapping[str, Any]) -> str:
    """There is always room in the tier that was asked for."""
    asked = body.get("service_tier")
    return "default" if asked in (None, "auto") else str(asked)


def check_key(request: Request) -> None:
    key = request.headers.get("authorization", "").removeprefix("Bearer").strip()
    if not key:
        raise Refused(_error(401, "invalid_request_error", None, "You didn't provide an API key."))
    if "bad-key" in key:
        raise Refused(answer_fault(Fault("badkey", 0)))


def read_model(body: Mapping[str, Any], known: Iterable[str]) -> tuple[str, Fault | None]:
    """The model's name, which must be one of `known`, and the fault that its name asks for."""
    base, fault = _split(body)
    if base not in known:
        raise _unknown_model(base)
    return base, fault


def read_text_model(body: Mapping[str, Any]) -> tuple[str, Family, Fault | None]:
    """A model that writes text, with what its family accepts."""
    base, fault = _split(body)
    family = find_family(base)
    if family is None or family.window == 0:
        raise _unknown_model(base)
    return base, family, fault


def check_fields(body: Mapping[str, Any], known: Iterable[str]) -> None:
    for name in sorted(body.keys() - set(known)):
        raise invalid(f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)


def check_effort(effort: str | None, efforts: Iterable[str], family: Family, param: str) -> None:
    if effort is not None and effort not in efforts:
        code = "unsupported_value" if family.reasons else "unsupported_parameter"
        raise invalid(
            f"Unsupported value: '{param}' does not support '{effort}' with this model.", code=code, param=param
        )


def check_sampling(body: Mapping[str, Any], family: Family, effort: str | None, names: Iterable[str]) -> None:
    if family.sampling == "yes" or (family.sampling == "effort_none" and effort == "none"):
        return
    for name in names:
        if body.get(name) is not None:
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            raise invalid(message, code="unsupported_parameter", param=name)


def check_cap(cap: Any, family: Family, param: str, least: int = 1) -> None:
    if cap is None:
        return
    if not isinstance(cap, int) or cap < least:
        raise invalid(f"Invalid '{param}': expected an integer of at least {least}.", param=param)
    if cap > family.output:
        message = f"{param} is too large: {cap}. This model supports at most {family.output} completion tokens."
        raise invalid(message, param=param)


def check_function(function: Any, param: str, *, strict: bool) -> None:
    """A function's name, and its parameters when they are to be strict. `param` leads to the function."""
    if not isinstance(function, dict) or not is_name(function.get("name")):
        raise invalid(f"Invalid '{param}.name'.", param=f"{param}.name")
    fault = find_schema_fault(function.get("parameters")) if strict else None
    if fault:
        message = f"Invalid schema for function '{function['name']}': {fault}"
        raise invalid(message, code="invalid_function_parameters", param=f"{param}.parameters")


def check_schema(named: Any, param: str, *, blamed: str) -> None:
    """A named JSON schema for the answer. `param` leads to it; `blamed` is the parameter of a schema's fault."""
    if not isinstance(named, dict) or not is_name(named.get("name")):
        raise invalid(f"Invalid '{param}.name'.", param=f"{param}.name")
    fault = find_schema_fault(named.get("schema")) if named.get("strict") else None
    if fault:
        message = f"Invalid schema for response_format '{named['name']}': {fault}"
        raise invalid(message, code="invalid_json_schema", param=blamed)


def check_window(tokens: int, family: Family, param: str) -> None:
    if tokens > family.window:
        message = (
            f"This model's maximum context length is {family.window} tokens. Your messages resulted in {tokens} tokens."
        )
        raise invalid(message, code="context_length_exceeded", param=param)


def read_picture(url: Any, param: str) -> bytes:
    """The bytes of a data: URL."""
    head, _, encoded = str(url).partition(",")
    try:
        data = base64.b64decode(encoded, validate=True) if head.startswith("data:image/") else b""
    except binascii.Error:
        data = b""
    if not looks_like_picture(data):
        message = "You uploaded an unsupported image. Please make sure your image is valid."
        raise invalid(message, code="invalid_image", param=param)
    return data


def _split(body: Mapping[str, Any]) -> tuple[str, Fault | None]:
    if not isinstance(body.get("model"), str):
        raise invalid("you must provide a model parameter", param="model")
    try:
        return split_model(body["model"])
    except ValueError as error:
        raise invalid(str(error), param="model") from None


def _unknown_model(name: str) -> Refused:
    message = f"The model `{name}` does not exist or you do not have access to it."
    return Refused(_error(404, "invalid_request_error", "model_not_found", message))


def _error(
    status: int,
    kind: str,
    code: str | None,
    message: str,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return json_response(body, status, {"x-request-id": request_id("openai", body), **(headers or {})})
