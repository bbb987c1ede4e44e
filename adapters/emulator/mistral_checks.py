"""What Mistral refuses."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from adapters.emulator.faults import Fault, split_model
from adapters.emulator.openai_rules import find_schema_fault
from adapters.emulator.wire import Refused, json_response, looks_like_picture, request_id


@dataclass(frozen=True, slots=True)
class Family:
    """What the models of one kind take."""

    kind: str
    window: int = 131_072
    efforts: tuple[str, ...] = ()
    output: int | None = None


_EFFORTS = ("none", "high")
_PLAIN, _REASONS = Family("text", 262_144), Family("text", 262_144, _EFFORTS)
_LONG, _OTHERS = Family("text", 1_048_576, _EFFORTS), Family("text", 1_048_576, _EFFORTS, output=131_072)
MODELS: Mapping[str, Family] = {
    "mistral-large-2512": _PLAIN, "mistral-large-4-0": _LONG, "mistral-medium-3-5": _REASONS,
    "mistral-small-2603": _REASONS, "ministral-14b-2512": _PLAIN, "ministral-8b-2512": _PLAIN,
    "ministral-3b-2512": Family("text"), "codestral-2508": Family("text", 128_000),
    "voxtral-small-2507": Family("text", 32_768), "zai-glm-5-3": _OTHERS, "zai-glm-5-3-flash": _OTHERS,
    "deepseek-v4-1-flash-1017": _OTHERS,
    "mistral-embed-2312": Family("embedding"), "codestral-embed-2505": Family("embedding"),
    "voxtral-mini-tts-3": Family("speech"), "voxtral-mini-tts-2603": Family("speech"),
}  # fmt: skip
VECTORS = {"mistral-embed-2312": 1024, "codestral-embed-2505": 1536}
_MAY_FOLLOW = {
    "system": ("system", "user", "assistant"),
    "user": ("system", "user", "assistant"),
    "assistant": ("user", "assistant", "tool"),
    "tool": ("assistant", "tool"),
}
_OWN_ID = re.compile(r"[A-Za-z0-9]{9}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
ERRORS: Mapping[str, tuple[int, dict[str, Any]]] = {
    "429": (429, {"message": "Rate limit exceeded", "type": "rate_limited", "code": "1300"}),
    "500": (500, {"message": "Internal server error", "type": "internal_server_error", "code": "3000"}),
    "503": (503, {"message": "Service unavailable", "type": "service_unavailable", "code": "3000"}),
    "529": (429, {"message": "Service tier capacity exceeded for this model.", "type": "capacity", "code": "3505"}),
    "quota": (402, {"message": "You have no credits left, please top up.", "type": "payment_required", "code": "1402"}),
    "policy": (403, {"message": "The guardrail blocked this request.", "type": "guardrail", "code": "1403"}),
    "context": (400, {"message": "Prompt contains 999999 tokens and 0 draft tokens, too large for model with 131072 "
                      "maximum context length", "type": "invalid_request_prompt", "code": "3051"}),
    "notfound": (404, {"message": "The model does not exist.", "type": "not_found", "code": "1500"}),
    "region": (403, {"message": "This model is not available on your plan.", "type": "forbidden", "code": "1403"}),
}  # fmt: skip


@dataclass(slots=True)
class Conversation:
    """`waiting` are the ids of the tool calls that have no result yet."""

    texts: list[str] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


def invalid(
    message: str, *, param: str | None = None, code: str | None = None, kind: str | None = None, status: int = 422
) -> Refused:
    """A 422 about one field as pydantic has it, or another status with words."""
    if status == 422:
        place = ["body", *(param or "").split(".")] if param else ["body"]
        return _ill_formed([{"type": kind or "value_error", "loc": place, "msg": message, "input": "…"}])
    words = {"message": message, "type": kind or "invalid_request_error", "param": param, "code": code}
    headers = {"mistral-correlation-id": request_id("mistral", message)}
    return Refused(json_response({"object": "error", **words}, status, headers))


def misplaced(message: str) -> Refused:
    """A message that may not stand where it stands."""
    return invalid(message, kind="invalid_request_message_order", code="3230", status=400)


def check_form(body: Mapping[str, Any], form: type[BaseModel]) -> None:
    """Fields, types and ranges. The refusal quotes what came, as the server's does."""
    try:
        form.model_validate(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        raise _ill_formed([{**one, "loc": ["body", *one["loc"]]} for one in found]) from None


def _ill_formed(detail: list[dict[str, Any]]) -> Refused:
    words = {"message": {"detail": detail}, "type": "invalid_request_error", "param": None, "code": None}
    headers = {"mistral-correlation-id": request_id("mistral", detail)}
    return Refused(json_response({"object": "error", **words}, 422, headers))


def answer_fault(fault: Fault) -> Response:
    """What Mistral says when it meets one of `faults.ERRORS`."""
    headers = {"mistral-correlation-id": request_id("mistral", fault.name)}
    if fault.name == "badkey":
        return json_response({"detail": "Unauthorized"}, 401, headers)
    status, words = ERRORS[fault.name]
    if fault.name == "429":
        headers["retry-after"] = f"{fault.value:g}"
    return json_response({"object": "error", "param": None, **words}, status, headers)


def check_key(request: Request) -> None:
    key = request.headers.get("authorization", "").removeprefix("Bearer").strip()
    if not key or "bad-key" in key:
        raise Refused(answer_fault(Fault("badkey", 0)))


def read_model(body: Mapping[str, Any], kind: str) -> tuple[str, Family, Fault | None]:
    """The model's name, what it takes, and the fault that its name asks for."""
    try:
        base, fault = split_model(body["model"])
    except ValueError as error:
        raise invalid(str(error), param="model") from None
    family = MODELS.get(base)
    if family is None or family.kind != kind:
        raise invalid(f"Invalid model: {base}", kind="invalid_model", code="1500", status=400)
    return base, family, fault


def check_chat(body: Mapping[str, Any], family: Family) -> None:
    """What the model or another field does not go with."""
    if body.get("stream"):
        raise invalid("The emulator does not stream Mistral", status=400)
    if body.get("temperature") == 0 and body.get("top_p") not in (None, 1):
        raise invalid("top_p must be 1 when using greedy sampling.", status=400)
    effort = body.get("reasoning_effort")
    if effort is not None and effort not in family.efforts:
        raise invalid("reasoning_effort is not supported by this model.", status=400)
    cap = body.get("max_tokens")
    if cap is not None and cap > (family.output or family.window):
        raise invalid(f"max_tokens is too large: {cap}", status=400)
    _check_tools(body)
    _check_format(body)


def _check_tools(body: Mapping[str, Any]) -> None:
    tools, choice = body.get("tools"), body.get("tool_choice")
    if not tools and choice not in (None, "auto", "none"):
        raise invalid("tool_choice needs tools", status=400)
    names = [tool["function"]["name"] for tool in tools or ()]
    if isinstance(choice, dict) and choice["function"]["name"] not in names:
        raise invalid("The tool that tool_choice names is not in tools", status=400)
    for tool in tools or ():
        function = tool["function"]
        if function.get("strict") and (fault := find_schema_fault(function["parameters"])):
            raise invalid(f"Invalid tool schema: {fault}", status=400)


def _check_format(body: Mapping[str, Any]) -> None:
    shape = body.get("response_format") or {}
    if shape.get("type") == "json_object" and "json" not in json.dumps(body["messages"]).lower():
        raise invalid("The word JSON must be in the prompt for response_format json_object.", status=400)
    if shape.get("type") == "json_schema":
        named = shape.get("json_schema")
        if named is None:
            raise invalid("Field required", param="response_format.json_schema", kind="missing")
        if named.get("strict") and (fault := find_schema_fault(named["schema"])):
            raise invalid(f"Invalid schema: {fault}", status=400)


def read_conversation(body: Mapping[str, Any]) -> Conversation:
    """Raises Refused for an order that the API would not take. The rules are those of Mistral's own validator."""
    messages = body["messages"]
    said = Conversation()
    previous = None
    for message in messages:
        role = message["role"]
        if previous is not None and role not in _MAY_FOLLOW[previous]:
            raise misplaced(f"Unexpected role '{role}' after role '{previous}'")
        _read_message(message, said)
        previous = role
    if said.waiting:
        raise misplaced("Not the same number of function calls and responses")
    if len(messages) == 1 and previous not in ("user", "system"):
        raise misplaced("Conversation must start with a user message or system message")
    last = messages[-1]
    if len(messages) > 1 and previous not in ("user", "tool") and not last.get("prefix"):
        raise misplaced(
            f"Expected last role User or Tool (or Assistant with prefix True) for serving but got {previous}"
        )
    if any(message.get("prefix") for message in messages[:-1]):
        raise invalid("Assistant message with prefix True must be last message", status=400)
    return said


def _read_message(message: Mapping[str, Any], said: Conversation) -> None:
    content, calls = message.get("content"), message.get("tool_calls") or ()
    if message["role"] == "tool":
        _read_result(message, said)
    elif said.waiting:
        raise misplaced("Not the same number of function calls and responses")
    for call in calls:
        _check_id(call["id"])
        _check_name(call["function"]["name"])
        said.waiting.append(call["id"])
    if message["role"] == "assistant" and not content and not calls:
        raise invalid("Assistant message must have either content or tool_calls, but not none.", status=400)
    for part in content if isinstance(content, list) else [{"type": "text", "text": content or ""}]:
        if part["type"] == "text":
            said.texts.append(part["text"])
        elif part["type"] == "image_url":
            said.pictures.append(_read_picture(part["image_url"]))


def _read_result(message: Mapping[str, Any], said: Conversation) -> None:
    named = message.get("tool_call_id")
    if named is None:
        raise invalid("Tool call id has to be defined.", status=400)
    _check_id(named)
    if message.get("name") is not None:
        _check_name(message["name"])
    if not said.waiting:
        raise misplaced("Not the same number of function calls and responses")
    if named not in said.waiting:
        raise invalid(f"Unexpected tool call id {named} in tool results", status=400)
    said.waiting.remove(named)


def _check_id(named: str) -> None:
    if not _OWN_ID.fullmatch(named):
        raise invalid(f"Tool call id was {named} but must be a-z, A-Z, 0-9, with a length of 9.", status=400)


def _check_name(named: str) -> None:
    if not _NAME.fullmatch(named):
        raise invalid(
            f"Function name was {named} but must be a-z, A-Z, 0-9, or contain underscores and dashes, "
            "with a maximum length of 64.",
            status=400,
        )


def _read_picture(said: str | Mapping[str, Any]) -> bytes:
    head, _, encoded = (said if isinstance(said, str) else said["url"]).partition(",")
    try:
        data = base64.b64decode(encoded, validate=True) if head.startswith("data:image/") else b""
    except binascii.Error:
        data = b""
    if not looks_like_picture(data):
        raise invalid("Image could not be loaded", status=400)
    return data
