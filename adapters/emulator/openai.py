"""OpenAI: chat completions, embeddings, speech, models."""

import base64
import binascii
import hashlib
import json
import math
import struct
from collections.abc import AsyncIterator
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from adapters.emulator.faults import Fault, split_model
from adapters.emulator.instances import InstanceMaker
from adapters.emulator.openai_rules import Family, find_family, find_schema_fault, is_name
from adapters.emulator.prose import count_tokens, cut_tokens, write_prose
from adapters.emulator.speech import make_sound, spoken_seconds
from adapters.emulator.wire import (
    Emulator,
    Prepared,
    Refused,
    describe_pictures,
    json_response,
    looks_like_picture,
    request_id,
)

CREATED = 1_790_000_000
CHAT_FIELDS = frozenset(
    "model messages max_completion_tokens max_tokens temperature top_p frequency_penalty presence_penalty stop seed "
    "response_format tools tool_choice parallel_tool_calls reasoning_effort stream stream_options n store metadata user "
    "service_tier logprobs top_logprobs logit_bias prompt_cache_key prompt_cache_options safety_identifier modalities "
    "prediction verbosity".split()
)
VOICES = "alloy ash ballad coral echo fable onyx nova sage shimmer verse marin cedar".split()
SOUND_TYPES = {"mp3": "audio/mpeg", "opus": "audio/opus", "flac": "audio/flac", "wav": "audio/wav", "pcm": "audio/pcm"}
DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
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


class OpenAI:
    """OpenAI's dialect."""

    provider = "openai"

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def routes(self) -> list[Route]:
        """Below `/openai/v1`, which is what the SDK takes as base_url."""
        return [
            Route("/chat/completions", self.chat, methods=["POST"]),
            Route("/embeddings", self.embeddings, methods=["POST"]),
            Route("/audio/speech", self.speech, methods=["POST"]),
            Route("/models", self.models, methods=["GET"]),
        ]

    async def chat(self, request: Request) -> Response:
        return await self._emulator.call(request, self, self._prepare_chat)

    async def embeddings(self, request: Request) -> Response:
        return await self._emulator.call(request, self, self._prepare_embeddings)

    async def speech(self, request: Request) -> Response:
        return await self._emulator.call(request, self, self._prepare_speech)

    async def models(self, request: Request) -> Response:
        try:
            self._check_key(request)
        except Refused as refused:
            return refused.response
        names = ("gpt-6.2-sol", "gpt-6-luna", "gpt-4o-mini", *DIMENSIONS, "gpt-4o-mini-tts")
        rows = [{"id": name, "object": "model", "created": CREATED, "owned_by": "openai"} for name in names]
        return json_response({"object": "list", "data": rows})

    def invalid(self, message: str, *, code: str | None = None, param: str | None = None) -> Refused:
        return Refused(_error(400, "invalid_request_error", code, message, param))

    def error(self, fault: Fault) -> Response:
        status, kind, code, message = ERRORS[fault.name]
        headers = (
            {"retry-after": f"{fault.value:g}", "retry-after-ms": f"{fault.value * 1000:.0f}"}
            if fault.name == "429"
            else {}
        )
        return _error(status, kind, code, message, headers=headers)

    def _check_key(self, request: Request) -> None:
        key = request.headers.get("authorization", "").removeprefix("Bearer").strip()
        if not key:
            raise Refused(_error(401, "invalid_request_error", None, "You didn't provide an API key."))
        if "bad-key" in key:
            raise Refused(self.error(Fault("badkey", 0)))

    def _model_of(self, body: dict[str, Any], kinds: tuple[str, ...]) -> tuple[str, Fault | None]:
        if not isinstance(body.get("model"), str):
            raise self.invalid("you must provide a model parameter", param="model")
        try:
            base, fault = split_model(body["model"])
        except ValueError as error:
            raise self.invalid(str(error), param="model") from None
        if base not in kinds and (kinds or find_family(base) is None or find_family(base).window == 0):  # type: ignore[union-attr]
            message = f"The model `{base}` does not exist or you do not have access to it."
            raise Refused(_error(404, "invalid_request_error", "model_not_found", message))
        return base, fault

    def _prepare_chat(self, request: Request, body: dict[str, Any]) -> Prepared:
        self._check_key(request)
        model, asked = self._model_of(body, ())
        family = find_family(model)
        assert family is not None
        if family.responses_only:
            raise self.invalid(
                "This model is only supported in v1/responses and not in v1/chat/completions.", param="model"
            )
        self._check_chat(body, model, family)
        text, pictures = self._read_messages(body)
        schema_text = json.dumps(body.get("response_format") or {}) + json.dumps(body.get("tools") or [])
        tokens = count_tokens(text) + PICTURE_TOKENS * len(pictures) + 3 + count_tokens(schema_text) // 2
        if tokens > family.window:
            raise self.invalid(
                f"This model's maximum context length is {family.window} tokens. Your messages resulted in {tokens} tokens.",
                code="context_length_exceeded", param="messages",
            )  # fmt: skip

        async def respond(fault: Fault | None) -> Response:
            completion = self._complete(body, model, family, text, pictures, tokens, fault)
            headers = {"x-request-id": request_id("openai", body), "openai-processing-ms": "12"}
            if body.get("stream"):
                return StreamingResponse(_frames(completion, body), headers=headers, media_type="text/event-stream")
            return json_response(completion, headers=headers)

        return Prepared(model, asked, text, "text", respond)

    def _check_chat(self, body: dict[str, Any], model: str, family: Family) -> None:
        for name in body.keys() - CHAT_FIELDS:
            raise self.invalid(f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)
        effort = body.get("reasoning_effort")
        if effort is not None and effort not in family.efforts:
            code = "unsupported_value" if family.reasons else "unsupported_parameter"
            raise self.invalid(
                f"Unsupported value: 'reasoning_effort' does not support '{effort}' with this model.",
                code=code,
                param="reasoning_effort",
            )
        if "max_tokens" in body and family.reasons:
            raise self.invalid(
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                code="unsupported_parameter", param="max_tokens",
            )  # fmt: skip
        sampling = family.sampling == "yes" or (family.sampling == "effort_none" and effort == "none")
        for name in ("temperature", "top_p", "frequency_penalty", "presence_penalty"):
            if body.get(name) is not None and not sampling:
                raise self.invalid(
                    f"Unsupported parameter: '{name}' is not supported with this model.",
                    code="unsupported_parameter",
                    param=name,
                )
        if body.get("stop") is not None and family.reasons and not sampling:
            raise self.invalid(
                "Unsupported parameter: 'stop' is not supported with this model.",
                code="unsupported_parameter",
                param="stop",
            )
        cap = body.get("max_completion_tokens", body.get("max_tokens"))
        if cap is not None and (not isinstance(cap, int) or not 0 < cap <= family.output):
            raise self.invalid(
                f"max_tokens is too large: {cap}. This model supports at most {family.output} completion tokens.",
                param="max_tokens",
            )
        self._check_tools(body, model, family, effort)
        self._check_format(body)

    def _check_tools(self, body: dict[str, Any], model: str, family: Family, effort: str | None) -> None:
        tools = body.get("tools")
        if tools is None:
            if "tool_choice" in body:
                raise self.invalid("'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice")
            return
        if family.tools == "no" or (family.tools == "effort_none" and effort != "none"):
            raise self.invalid(
                f"Function tools with reasoning_effort are not supported for {model} in /v1/chat/completions.",
                code="unsupported_parameter", param="tools",
            )  # fmt: skip
        for place, tool in enumerate(tools):
            function = tool.get("function") if isinstance(tool, dict) else None
            if not isinstance(function, dict) or not is_name(function.get("name")):
                raise self.invalid(f"Invalid 'tools[{place}].function.name'.", param=f"tools[{place}].function.name")
            fault = find_schema_fault(function.get("parameters")) if function.get("strict") else None
            if fault:
                raise self.invalid(
                    f"Invalid schema for function '{function['name']}': {fault}",
                    code="invalid_function_parameters",
                    param=f"tools[{place}].function.parameters",
                )

    def _check_format(self, body: dict[str, Any]) -> None:
        shape = body.get("response_format") or {"type": "text"}
        match shape.get("type"):
            case "text":
                return
            case "json_object":
                if "json" not in json.dumps(body.get("messages")).lower():
                    raise self.invalid(
                        "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
                        param="messages",
                    )
            case "json_schema":
                named = shape.get("json_schema") or {}
                if not is_name(named.get("name")):
                    raise self.invalid(
                        "Invalid 'response_format.json_schema.name'.", param="response_format.json_schema.name"
                    )
                fault = find_schema_fault(named.get("schema")) if named.get("strict") else None
                if fault:
                    raise self.invalid(
                        f"Invalid schema for response_format '{named['name']}': {fault}",
                        code="invalid_json_schema",
                        param="response_format",
                    )
            case other:
                raise self.invalid(f"Invalid value: '{other}'.", param="response_format.type")

    def _read_messages(self, body: dict[str, Any]) -> tuple[str, list[bytes]]:
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise self.invalid("Invalid 'messages': empty array.", param="messages")
        texts, pictures = [], []
        for place, message in enumerate(messages):
            if message.get("role") not in ("system", "developer", "user", "assistant", "tool", "function"):
                raise self.invalid(f"Invalid value: '{message.get('role')}'.", param=f"messages[{place}].role")
            content = message.get("content")
            for part in content if isinstance(content, list) else [{"type": "text", "text": content or ""}]:
                if part.get("type") == "text":
                    texts.append(str(part.get("text", "")))
                elif part.get("type") == "image_url":
                    pictures.append(self._read_picture(part, place))
                else:
                    raise self.invalid(
                        f"Invalid content type '{part.get('type')}'.", param=f"messages[{place}].content"
                    )
        return "\n".join(texts), pictures

    def _read_picture(self, part: dict[str, Any], place: int) -> bytes:
        url = str((part.get("image_url") or {}).get("url", ""))
        try:
            data = base64.b64decode(url.partition(",")[2], validate=True) if url.startswith("data:image/") else b""
        except binascii.Error:
            data = b""
        if not looks_like_picture(data):
            raise self.invalid(
                "You uploaded an unsupported image. Please make sure your image is valid.",
                code="invalid_image",
                param=f"messages[{place}]",
            )
        return data

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
            "object": "chat.completion", "created": CREATED, "model": model, "service_tier": "default",
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

    def _prepare_embeddings(self, request: Request, body: dict[str, Any]) -> Prepared:
        self._check_key(request)
        model, asked = self._model_of(body, tuple(DIMENSIONS))
        for name in body.keys() - {"model", "input", "encoding_format", "dimensions", "user"}:
            raise self.invalid(f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)
        texts = [body["input"]] if isinstance(body.get("input"), str) else body.get("input")
        if (
            not isinstance(texts, list)
            or not 1 <= len(texts) <= 2048
            or not all(isinstance(one, str) and one for one in texts)
        ):
            raise self.invalid("'$.input' is invalid.", param="input")
        if any(count_tokens(one) > 8192 for one in texts) or sum(map(count_tokens, texts)) > 300_000:
            raise self.invalid(
                "This model's maximum context length is 8192 tokens.", code="context_length_exceeded", param="input"
            )
        size = body.get("dimensions", DIMENSIONS[model])
        if "dimensions" in body and (model == "text-embedding-ada-002" or not 0 < size <= DIMENSIONS[model]):
            raise self.invalid("This model does not support specifying dimensions.", param="dimensions")

        async def respond(fault: Fault | None) -> Response:
            count = 0 if fault and fault.name == "empty" else len(texts)
            rows = [
                {"object": "embedding", "index": n, "embedding": _vector(one, size, body)}
                for n, one in enumerate(texts[:count])
            ]
            tokens = sum(map(count_tokens, texts))
            answer = {
                "object": "list",
                "model": model,
                "data": rows,
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            }
            return json_response(answer, headers={"x-request-id": request_id("openai", body)})

        return Prepared(model, asked, "\n".join(texts), "embedding", respond)

    def _prepare_speech(self, request: Request, body: dict[str, Any]) -> Prepared:
        self._check_key(request)
        model, asked = self._model_of(body, ("gpt-4o-mini-tts", "tts-1", "tts-1-hd"))
        for name in body.keys() - {
            "model",
            "input",
            "voice",
            "response_format",
            "speed",
            "instructions",
            "stream_format",
        }:
            raise self.invalid(f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)
        text, form, speed = body.get("input"), body.get("response_format", "mp3"), body.get("speed", 1.0)
        if not isinstance(text, str) or not 1 <= len(text) <= 4096:
            raise self.invalid(
                "[{'type': 'string_too_long', 'loc': ('body', 'input'), 'msg': 'String should have at most 4096 characters'}]",
                code="string_too_long",
                param="input",
            )
        if body.get("voice") not in VOICES:
            raise self.invalid(
                f"Invalid value: '{body.get('voice')}'. Supported values are: {', '.join(VOICES)}.", param="voice"
            )
        if form not in SOUND_TYPES:
            raise self.invalid(
                f"Invalid value: '{form}'. Supported values are: {', '.join(SOUND_TYPES)}.", param="response_format"
            )
        if not isinstance(speed, int | float) or not 0.25 <= speed <= 4:
            raise self.invalid("'speed' must be between 0.25 and 4.0.", param="speed")
        if model.startswith("tts-1") and ("instructions" in body or body.get("stream_format") == "sse"):
            raise self.invalid(
                "'instructions' and 'sse' are not supported with tts-1 or tts-1-hd.", param="instructions"
            )

        async def respond(fault: Fault | None) -> Response:
            headers = {"x-request-id": request_id("openai", body)}
            seconds = spoken_seconds(text, speed)
            sound = b"" if fault and fault.name == "empty" else await run_in_threadpool(make_sound, seconds, form)
            if body.get("stream_format") != "sse":
                return Response(sound, headers=headers, media_type=SOUND_TYPES[form])
            spent, read = round(seconds * 20.8), count_tokens(text + body.get("instructions", ""))
            usage = {"input_tokens": read, "output_tokens": spent, "total_tokens": read + spent}
            events = [{"type": "speech.audio.delta", "audio": base64.b64encode(sound).decode()}] if sound else []
            frames = [*events, {"type": "speech.audio.done", "usage": usage}]
            text_frames = "".join(f"data: {json.dumps(frame)}\n\n" for frame in frames)
            return Response(text_frames, headers=headers, media_type="text/event-stream")

        return Prepared(model, asked, text, "speech", respond)


def _error(
    status: int,
    kind: str,
    code: str | None,
    message: str,
    param: str | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return json_response(body, status, {"x-request-id": request_id("openai", body), **(headers or {})})


def _content(body: dict[str, Any], model: str, text: str, pictures: list[bytes], bent: str) -> tuple[str, str]:
    shape = body.get("response_format") or {"type": "text"}
    if shape["type"] == "json_schema":
        content = json.dumps(InstanceMaker(shape["json_schema"]["schema"], text).make(), ensure_ascii=False)
    elif shape["type"] == "json_object":
        content = json.dumps({"title": "The Lamp at Four", "text": write_prose(text, model)}, ensure_ascii=False)
    else:
        content = write_prose(text, model) + describe_pictures(pictures) + _quote_tool_result(body)
    return bend(content, bent)


def bend(content: str, bent: str) -> tuple[str, str]:
    """Content and finish reason under a fault of the answer."""
    match bent:
        case "empty":
            return "", "stop"
        case "truncated":
            return content[: max(1, len(content) // 2)], "length"
        case "badjson":
            return '{"title": "The Lamp at Fo', "stop"
        case "badschema":
            return '"not what was asked for"', "stop"
        case _:
            return content, "stop"


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


def embed(text: str, size: int) -> list[float]:
    """A unit vector; texts that share words point the same way."""
    vector = [0.0] * size
    for word in text.lower().split():
        digest = hashlib.sha256(word.encode()).digest()
        for start in range(0, 24, 4):
            place = int.from_bytes(digest[start : start + 3], "big") % size
            vector[place] += 1.0 if digest[start + 3] & 1 else -1.0
    length = math.sqrt(sum(one * one for one in vector)) or 1.0
    return [one / length for one in vector]


def _vector(text: str, size: int, body: dict[str, Any]) -> str | list[float]:
    vector = embed(text, size)
    if body.get("encoding_format") != "base64":
        return vector
    return base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
