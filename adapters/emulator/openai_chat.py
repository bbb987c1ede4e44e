"""OpenAI's `POST /chat/completions`."""

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from adapters.emulator.bending import bend
from adapters.emulator.faults import Fault
from adapters.emulator.instances import InstanceMaker
from adapters.emulator.openai_messages import read_messages
from adapters.emulator.openai_rules import Family
from adapters.emulator.openai_wire import (
    CREATED,
    PICTURE_TOKENS,
    check_cap,
    check_effort,
    check_fields,
    check_function,
    check_key,
    check_sampling,
    check_schema,
    check_window,
    invalid,
    read_text_model,
    served_tier,
)
from adapters.emulator.prose import count_tokens, cut_tokens, write_prose
from adapters.emulator.wire import Emulator, Prepared, describe_pictures, json_response, request_id

FIELDS = frozenset(
    "model messages max_completion_tokens max_tokens temperature top_p frequency_penalty presence_penalty stop seed "
    "response_format tools tool_choice parallel_tool_calls reasoning_effort stream stream_options n store metadata user "
    "service_tier logprobs top_logprobs logit_bias prompt_cache_key prompt_cache_options safety_identifier modalities "
    "prediction verbosity".split()
)
_MOST_STOPS = 4


class ChatCompletions:
    """The endpoint; `prepare` is for `Emulator.call`."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def prepare(self, request: Request, body: dict[str, Any]) -> Prepared:
        check_key(request)
        model, family, asked = read_text_model(body)
        if family.responses_only:
            message = "This model is only supported in v1/responses and not in v1/chat/completions."
            raise invalid(message, param="model")
        _check(body, model, family)
        read = read_messages(body)
        text, pictures = read.text, read.pictures
        schema_text = json.dumps(body.get("response_format") or {}) + json.dumps(body.get("tools") or [])
        tokens = count_tokens(text) + PICTURE_TOKENS * len(pictures) + 3 + count_tokens(schema_text) // 2
        check_window(tokens, family, "messages")

        async def respond(fault: Fault | None) -> Response:
            completion = self._complete(body, model, family, text, pictures, tokens, fault)
            headers = {"x-request-id": request_id("openai", body), "openai-processing-ms": "12"}
            if body.get("stream"):
                return StreamingResponse(_frames(completion, body), headers=headers, media_type="text/event-stream")
            return json_response(completion, headers=headers)

        return Prepared(model, asked, text, "text", respond)

    def _complete(
        self,
        body: dict[str, Any],
        model: str,
        family: Family,
        text: str,
        pictures: list[bytes],
        tokens: int,
        fault: Fault | None,
    ) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
        finish, bent = "stop", fault.name if fault else ""
        call = None if bent else _tool_call(body, text)
        if bent == "refusal":
            message["refusal"] = "I'm sorry, I can't help with that."
        elif call is not None:
            message["tool_calls"], finish = [call], "tool_calls"
        else:
            message["content"], finish = _content(body, model, text, pictures, bent)
        reasoning = 0
        if family.reasons and body.get("reasoning_effort") != "none":
            reasoning = 16 + hashlib.sha256(text.encode()).digest()[0] % 48
        cap = body.get("max_completion_tokens", body.get("max_tokens"))
        written = str(message["content"] or message["refusal"] or (json.dumps(call) if call else ""))
        if cap is not None and message["content"] and count_tokens(written) + reasoning > cap:
            reasoning = min(reasoning, cap)
            written = message["content"] = cut_tokens(written, cap - reasoning)
            finish = "length"
        spent = count_tokens(written) + reasoning
        cached = self._emulator.cached_tokens(text, tokens)
        return {
            "id": "chatcmpl-" + hashlib.sha256(f"{model}{text}".encode()).hexdigest()[:24],
            "object": "chat.completion", "created": CREATED, "model": model,
            "service_tier": served_tier(body),
            "choices": [{"index": 0, "finish_reason": finish, "logprobs": None, "message": message}],
            "usage": {
                "prompt_tokens": tokens, "completion_tokens": spent, "total_tokens": tokens + spent,
                "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {
                    "reasoning_tokens": reasoning, "audio_tokens": 0,
                    "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
                },
            },
        }  # fmt: skip


def _check(body: dict[str, Any], model: str, family: Family) -> None:
    check_fields(body, FIELDS)
    effort = body.get("reasoning_effort")
    check_effort(effort, family.efforts, family, "reasoning_effort")
    if "max_tokens" in body and family.reasons:
        raise invalid(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            code="unsupported_parameter", param="max_tokens",
        )  # fmt: skip
    check_sampling(body, family, effort, ("temperature", "top_p", "frequency_penalty", "presence_penalty"))
    if family.reasons:
        check_sampling(body, family, effort, ("stop",))
    check_cap(body.get("max_completion_tokens", body.get("max_tokens")), family, "max_tokens")
    _check_settings(body)
    _check_tools(body, model, family, effort)
    _check_format(body)


def _check_settings(body: dict[str, Any]) -> None:
    if body.get("stream_options") is not None and not body.get("stream"):
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise invalid(message, param="stream_options")
    stops = body.get("stop")
    if isinstance(stops, list) and not 1 <= len(stops) <= _MOST_STOPS:
        raise invalid(f"Invalid 'stop': expected an array of 1 to {_MOST_STOPS} strings.", param="stop")
    for name, most in (("temperature", 2), ("top_p", 1)):
        value = body.get(name)
        if value is not None and not 0 <= value <= most:
            raise invalid(f"Invalid '{name}': expected a value from 0 to {most}.", param=name)


def _check_tools(body: dict[str, Any], model: str, family: Family, effort: str | None) -> None:
    tools = body.get("tools")
    if tools is None:
        for name in ("tool_choice", "parallel_tool_calls"):
            if name in body:
                raise invalid(f"'{name}' is only allowed when 'tools' are specified.", param=name)
        return
    if not isinstance(tools, list) or not tools:
        raise invalid("Invalid 'tools': empty array.", code="empty_array", param="tools")
    if family.tools == "no" or (family.tools == "effort_none" and effort != "none"):
        raise invalid(
            f"Function tools with reasoning_effort are not supported for {model} in /v1/chat/completions.",
            code="unsupported_parameter", param="tools",
        )  # fmt: skip
    for place, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, dict) else None
        strict = isinstance(function, dict) and bool(function.get("strict"))
        check_function(function, f"tools[{place}].function", strict=strict)
    _check_choice(body.get("tool_choice", "auto"), [tool["function"]["name"] for tool in tools])


def _check_choice(choice: Any, names: list[str]) -> None:
    if isinstance(choice, dict):
        named = (choice.get("function") or {}).get("name")
        if named not in names:
            raise invalid(f"Tool choice '{named}' not found in 'tools' parameter.", param="tool_choice")
    elif choice not in ("auto", "none", "required"):
        raise invalid(f"Invalid value: '{choice}'.", code="invalid_value", param="tool_choice")


def _check_format(body: dict[str, Any]) -> None:
    shape = body.get("response_format") or {"type": "text"}
    match shape.get("type"):
        case "text":
            return
        case "json_object":
            if "json" not in json.dumps(body.get("messages")).lower():
                raise invalid(
                    "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
                    param="messages",
                )  # fmt: skip
        case "json_schema":
            check_schema(shape.get("json_schema"), "response_format.json_schema", blamed="response_format")
        case other:
            raise invalid(f"Invalid value: '{other}'.", param="response_format.type")


def _content(body: dict[str, Any], model: str, text: str, pictures: list[bytes], bent: str) -> tuple[str, str]:
    shape = body.get("response_format") or {"type": "text"}
    if shape["type"] == "json_schema":
        content = json.dumps(InstanceMaker(shape["json_schema"]["schema"], text).make(), ensure_ascii=False)
    elif shape["type"] == "json_object":
        content = json.dumps({"title": "The Lamp at Four", "text": write_prose(text, model)}, ensure_ascii=False)
    else:
        content = write_prose(text, model) + describe_pictures(pictures) + _quote_tool_result(body)
    return bend(content, bent)


def _quote_tool_result(body: dict[str, Any]) -> str:
    last = body["messages"][-1]
    return f" The tool said: {last.get('content')}" if last.get("role") == "tool" else ""


def _tool_call(body: dict[str, Any], text: str) -> dict[str, Any] | None:
    tools = {tool["function"]["name"]: tool["function"] for tool in body.get("tools") or ()}
    choice = body.get("tool_choice", "auto")
    if not tools or choice == "none" or (body["messages"][-1].get("role") == "tool" and choice == "auto"):
        return None
    named = (
        choice["function"]["name"] if isinstance(choice, dict) else next((one for one in tools if one in text), None)
    )
    if named is None and choice == "required":
        named = next(iter(tools))
    if named is None:
        return None
    arguments = InstanceMaker(tools[named].get("parameters") or {"type": "object"}, text).make()
    digest = hashlib.sha256(f"{named}{text}".encode()).hexdigest()[:20]
    return {"id": f"call_{digest}", "type": "function", "function": {"name": named, "arguments": json.dumps(arguments)}}


async def _frames(completion: dict[str, Any], body: dict[str, Any]) -> AsyncIterator[bytes]:
    head = {name: completion[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    choice = completion["choices"][0]
    content = choice["message"]["content"] or ""
    pieces = [content[start : start + 40] for start in range(0, len(content), 40)]
    deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": piece}, None) for piece in pieces]
    for frame in [*deltas, ({}, choice["finish_reason"])]:
        chunk = {**head, "choices": [{"index": 0, "delta": frame[0], "finish_reason": frame[1]}]}
        yield b"data: " + json.dumps(chunk).encode() + b"\n\n"
    if (body.get("stream_options") or {}).get("include_usage"):
        yield b"data: " + json.dumps({**head, "choices": [], "usage": completion["usage"]}).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"
