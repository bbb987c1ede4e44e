"""What Gemini writes: the whole answer, and the same as the frames of a stream."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from adapters.emulator.bending import bend
from adapters.emulator.google_checks import Asked, sign
from adapters.emulator.google_rules import Family
from adapters.emulator.google_wire import get
from adapters.emulator.instances import InstanceMaker
from adapters.emulator.prose import count_tokens, cut_tokens, write_prose
from adapters.emulator.wire import describe_pictures, request_id

_TYPES = {
    "STRING": "string", "NUMBER": "number", "INTEGER": "integer", "BOOLEAN": "boolean", "ARRAY": "array",
    "OBJECT": "object", "NULL": "null",
}  # fmt: skip
_PIECE = 60


def block_prompt(model: str, tokens: int) -> dict[str, Any]:
    """An answer without a candidate, which is what a blocked prompt gets."""
    return {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": tokens, "totalTokenCount": tokens},
        "modelVersion": model,
    }


def write_answer(
    body: Mapping[str, Any],
    config: Mapping[str, Any],
    asked: Asked,
    model: str,
    family: Family,
    tokens: tuple[int, int],
    bent: str,
    *,
    streamed: bool,
) -> dict[str, Any]:
    """`tokens` are those of the prompt and how many of them come from the cache."""
    read, cached = tokens
    call = None if bent else _function_call(body, asked)
    written, finish = (json.dumps(call), "STOP") if call else _bent(config, asked, model, bent)
    thoughts = 0 if _level(config) == "MINIMAL" or model.startswith("gemma") else 16 + len(asked.text) % 48
    cap = min(config.get("maxOutputTokens") or family.unstreamed, family.unstreamed if not streamed else 2**31)
    if call is None and count_tokens(written) + thoughts > cap:
        thoughts = min(thoughts, cap)
        written, finish = cut_tokens(written, cap - thoughts), "MAX_TOKENS"
    parts: list[dict[str, Any]] = [call] if call else [{"text": written}] if written else []
    if call and family.signs:
        call["thoughtSignature"] = sign(call["functionCall"]["name"])
    spent = count_tokens(written)
    usage: dict[str, Any] = {
        "promptTokenCount": read, "candidatesTokenCount": spent, "totalTokenCount": read + spent + thoughts,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": read}],
    } | ({"thoughtsTokenCount": thoughts} if thoughts else {}) | ({"cachedContentTokenCount": cached} if cached else {})  # fmt: skip
    content = {"role": "model", "parts": parts}
    return {
        "candidates": [{"index": 0, "content": content, "finishReason": finish, "safetyRatings": []}],
        "usageMetadata": usage,
        "modelVersion": model,
        "responseId": request_id("google", asked.text),
    }


def to_frames(answer: dict[str, Any]) -> str:
    """The answer in server-sent pieces; usage and finish come with the last one, and nothing after it."""
    return "".join(f"data: {json.dumps(frame)}\r\n\r\n" for frame in _frames(answer))


def _frames(answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    candidates = answer.get("candidates") or []
    parts = candidates[0]["content"]["parts"] if candidates else []
    text = str(parts[0].get("text") or "") if parts else ""
    pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
    for piece in pieces[:-1]:
        content = {"role": "model", "parts": [{"text": piece}]}
        yield {"candidates": [{"index": 0, "content": content}], "modelVersion": answer["modelVersion"]}
    if pieces:
        content = {"role": "model", "parts": [{"text": pieces[-1]}]}
        answer = {**answer, "candidates": [{**candidates[0], "content": content}]}
    yield answer


def _bent(config: Mapping[str, Any], asked: Asked, model: str, bent: str) -> tuple[str, str]:
    written, finish = bend(_content(config, asked, model), bent)
    return written, "MAX_TOKENS" if finish == "length" else "STOP"


def _content(config: Mapping[str, Any], asked: Asked, model: str) -> str:
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    if schema:
        return json.dumps(InstanceMaker(_plain(schema), asked.text).make(), ensure_ascii=False)
    if config.get("responseMimeType") == "application/json":
        return json.dumps({"title": "The Lamp at Four", "text": write_prose(asked.text, model)}, ensure_ascii=False)
    quoted = f" The tool said: {json.dumps(asked.results[0])}" if asked.results else ""
    return write_prose(asked.text, model) + describe_pictures(asked.pictures) + quoted


def _plain(schema: Any) -> Any:
    """The older OpenAPI spelling of types, in JSON Schema's."""
    if isinstance(schema, dict):
        return {
            name: _TYPES.get(value, value) if name == "type" and isinstance(value, str) else _plain(value)
            for name, value in schema.items()
        }
    return [_plain(one) for one in schema] if isinstance(schema, list) else schema


def _level(config: Mapping[str, Any]) -> str:
    return str(get(config.get("thinkingConfig") or {}, "thinkingLevel") or "").upper()


def _function_call(body: Mapping[str, Any], asked: Asked) -> dict[str, Any] | None:
    calling = get(get(body, "toolConfig") or {}, "functionCallingConfig") or {}
    mode = str(calling.get("mode") or "AUTO").upper()
    allowed = get(calling, "allowedFunctionNames") or list(asked.functions)
    if not asked.functions or mode == "NONE" or (asked.results and mode == "AUTO"):
        return None
    named = next((name for name in asked.functions if name in asked.text and name in allowed), None)
    if named is None and mode == "ANY":
        named = allowed[0]
    if named is None:
        return None
    function = asked.functions[named]
    schema = get(function, "parametersJsonSchema") or _plain(function.get("parameters") or {"type": "object"})
    digest = hashlib.sha256(f"{named}{asked.text}".encode()).hexdigest()[:12]
    made = InstanceMaker(schema, asked.text).make()
    return {"functionCall": {"id": f"fc_{digest}", "name": named, "args": made}}
