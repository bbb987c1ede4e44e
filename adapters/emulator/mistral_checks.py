"""What Mistral refuses."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

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
CHAT_FIELDS = frozenset(
    "model messages temperature top_p max_tokens stream stop random_seed metadata response_format tools tool_choice "
    "presence_penalty frequency_penalty n prediction parallel_tool_calls prompt_mode reasoning_effort safe_prompt "
    "guardrails prompt_cache_key service_tier".split()
)
SPEECH_FIELDS = frozenset("model input voice_id ref_audio response_format stream metadata".split())
_MESSAGE_FIELDS = {
    "system": ("role", "content"),
    "user": ("role", "content"),
    "assistant": ("role", "content", "tool_calls", "prefix"),
    "tool": ("role", "content", "tool_call_id", "name"),
}
_OWN_ID = re.compile(r"[A-Za-z0-9]{9}")
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
    headers = {"mistral-correlation-id": request_id("mistral", message)}
    if status == 422:
        place = ["body", *(param or "").split(".")] if param else ["body"]
        detail = [{"loc": place, "msg": message, "type": kind or "value_error", "input": "…"}]
        return Refused(json_response({"object": "error", "message": {"detail": detail}, "type": "invalid_request_error",
                                      "param": None, "code": None}, 422, headers))  # fmt: skip
    return Refused(
        json_response(
            {
                "object": "error",
                "message": message,
                "type": kind or "invalid_request_error",
                "param": param,
                "code": code,
            },
            status,
            headers,
        )
    )


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


def check_fields(body: Mapping[str, Any], known: Iterable[str]) -> None:
    for name in sorted(body.keys() - set(known)):
        raise invalid("Extra inputs are not permitted", param=name, kind="extra_forbidden")


def read_model(body: Mapping[str, Any], kind: str) -> tuple[str, Family, Fault | None]:
    """The model's name, what it takes, and the fault that its name asks for."""
    if not isinstance(body.get("model"), str):
        raise invalid("Field required", param="model", kind="missing")
    try:
        base, fault = split_model(body["model"])
    except ValueError as error:
        raise invalid(str(error), param="model") from None
    family = MODELS.get(base)
    if family is None or family.kind != kind:
        raise invalid(f"Invalid model: {base}", kind="invalid_model", code="1500", status=400)
    return base, family, fault


def check_chat(body: Mapping[str, Any], family: Family) -> None:
    check_fields(body, CHAT_FIELDS)
    if body.get("stream"):
        raise invalid("The emulator does not stream Mistral", status=400)
    for name, most in (("temperature", 1.0), ("top_p", 1.0)):
        value = body.get(name)
        if value is not None and not 0 <= value <= most:
            raise invalid(f"Input should be less than or equal to {most:g}", param=name)
    if body.get("temperature") == 0 and body.get("top_p") not in (None, 1):
        raise invalid("top_p must be 1 when using greedy sampling.", status=400)
    effort = body.get("reasoning_effort")
    if effort is not None and effort not in family.efforts:
        raise invalid("reasoning_effort is not supported by this model.", status=400)
    cap = body.get("max_tokens")
    if cap is not None and (not isinstance(cap, int) or cap < 1):
        raise invalid("Input should be greater than or equal to 1", param="max_tokens")
    if cap is not None and cap > (family.output or family.window):
        raise invalid(f"max_tokens is too large: {cap}", status=400)
    if body.get("random_seed") is not None and not 0 <= body["random_seed"] < 2**63:
        raise invalid("Input should be greater than or equal to 0", param="random_seed")
    _check_tools(body)
    _check_format(body)


def _check_tools(body: Mapping[str, Any]) -> None:
    tools, choice = body.get("tools"), body.get("tool_choice")
    if tools is None:
        if choice is not None:
            raise invalid("tool_choice needs tools", status=400)
        return
    for place, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not function.get("name"):
            raise invalid("Field required", param=f"tools.{place}.function.name", kind="missing")
        if not isinstance(function.get("parameters", {}), dict):
            raise invalid("Input should be a valid dictionary", param=f"tools.{place}.function.parameters")
    names = [tool["function"]["name"] for tool in tools]
    if isinstance(choice, dict):
        if (choice.get("function") or {}).get("name") not in names:
            raise invalid("The tool that tool_choice names is not in tools", status=400)
    elif choice not in (None, "auto", "none", "any", "required"):
        raise invalid("Input should be 'auto', 'none', 'any' or 'required'", param="tool_choice")


def _check_format(body: Mapping[str, Any]) -> None:
    shape = body.get("response_format") or {"type": "text"}
    match shape.get("type"):
        case "text":
            return
        case "json_object":
            if "json" not in json.dumps(body.get("messages")).lower():
                raise invalid("The word JSON must be in the prompt for response_format json_object.", status=400)
        case "json_schema":
            named = shape.get("json_schema")
            if not isinstance(named, dict) or not named.get("name") or not isinstance(named.get("schema"), dict):
                raise invalid("Field required", param="response_format.json_schema", kind="missing")
            if named.get("strict") and (fault := find_schema_fault(named["schema"])):
                raise invalid(f"Invalid schema: {fault}", status=400)
        case other:
            raise invalid(
                f"Input should be 'text', 'json_object' or 'json_schema', not {other!r}", param="response_format"
            )


def read_conversation(body: Mapping[str, Any]) -> Conversation:
    """Raises Refused for what the API would not take."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise invalid("Input should be a non-empty list", param="messages")
    said = Conversation()
    for place, message in enumerate(messages):
        _read_message(message, f"messages.{place}", said)
    if said.waiting:
        raise invalid("Not the same number of function calls and responses", status=400)
    last = messages[-1]
    if last["role"] not in ("user", "tool") and not (last["role"] == "assistant" and last.get("prefix")):
        raise invalid(
            f"Expected last role User or Tool (or Assistant with prefix True) for serving but got {last['role']}",
            status=400,
        )
    return said


def _read_message(message: Any, where: str, said: Conversation) -> None:
    role = message.get("role") if isinstance(message, dict) else None
    if role not in _MESSAGE_FIELDS:
        raise invalid("Input should be 'system', 'user', 'assistant' or 'tool'", param=f"{where}.role")
    for name in message.keys() - set(_MESSAGE_FIELDS[role]):
        raise invalid("Extra inputs are not permitted", param=f"{where}.{role}.{name}", kind="extra_forbidden")
    if role == "tool":
        if message.get("tool_call_id") not in said.waiting:
            raise invalid("Unexpected tool call id in a tool message", status=400)
        said.waiting.remove(message["tool_call_id"])
    elif said.waiting:
        raise invalid("Not the same number of function calls and responses", status=400)
    for call in message.get("tool_calls") or ():
        named = str(call.get("id"))
        if not _OWN_ID.fullmatch(named):
            raise invalid(f"Tool call id was {named} but must be a-z, A-Z, 0-9, with a length of 9.", status=400)
        said.waiting.append(named)
    content = message.get("content")
    if role == "assistant" and not content and not message.get("tool_calls"):
        raise invalid("Assistant message must have either content or tool_calls, but not none.", status=400)
    parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    for place, part in enumerate(parts):
        _read_part(part, role, f"{where}.content.{place}", said)


def _read_part(part: Any, role: str, where: str, said: Conversation) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        said.texts.append(part["text"])
    elif kind == "image_url" and role == "user":
        url = part.get("image_url")
        head, _, encoded = str(url.get("url") if isinstance(url, dict) else url).partition(",")
        try:
            data = base64.b64decode(encoded, validate=True) if head.startswith("data:image/") else b""
        except binascii.Error:
            data = b""
        if not looks_like_picture(data):
            raise invalid("Image could not be loaded", status=400)
        said.pictures.append(data)
    else:
        raise invalid(f"Input tag {kind!r} found does not match any of the expected tags", param=where)
