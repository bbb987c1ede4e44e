"""Google: generateContent (text and speech), streaming, batchEmbedContents, models."""

import base64
import binascii
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from adapters.emulator.bending import bend
from adapters.emulator.faults import Fault, split_model
from adapters.emulator.instances import InstanceMaker
from adapters.emulator.prose import count_tokens, cut_tokens, write_prose
from adapters.emulator.speech import PCM_RATE, make_sound, spoken_seconds
from adapters.emulator.vectors import embed
from adapters.emulator.wire import (
    Emulator,
    Prepared,
    Refused,
    describe_pictures,
    json_response,
    looks_like_picture,
    request_id,
)

VOICES = frozenset(
    "Zephyr Puck Charon Kore Fenrir Leda Orus Aoede Callirrhoe Autonoe Enceladus Iapetus Umbriel Algieba Despina Erinome "
    "Algenib Rasalgethi Laomedeia Achernar Alnilam Schedar Gacrux Pulcherrima Achird Zubenelgenubi Vindemiatrix "
    "Sadachbia Sadaltager Sulafat".split()
)
BODY_FIELDS = frozenset(
    "model contents systemInstruction generationConfig safetySettings tools toolConfig cachedContent labels serviceTier".split()
)
CONFIG_FIELDS = frozenset(
    "temperature topP topK candidateCount maxOutputTokens stopSequences seed responseMimeType responseSchema "
    "responseJsonSchema thinkingConfig responseModalities speechConfig presencePenalty frequencyPenalty "
    "responseLogprobs logprobs mediaResolution".split()
)
DIMENSIONS = {"gemini-embedding-001": 3072, "gemini-embedding-2": 3072}
AUDIO_TOKENS_PER_SECOND = 25
PICTURE_TOKENS = 258
TYPES = {
    "STRING": "string", "NUMBER": "number", "INTEGER": "integer", "BOOLEAN": "boolean", "ARRAY": "array",
    "OBJECT": "object", "NULL": "null",
}  # fmt: skip
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


@dataclass(frozen=True, slots=True)
class Family:
    """`levels`: thinking levels that are accepted. `budget`: thinking_budget is."""

    globs: tuple[str, ...]
    window: int = 1_048_576
    levels: tuple[str, ...] = ("MINIMAL", "LOW", "MEDIUM", "HIGH")
    budget: bool = False
    prefill: bool = False
    speech: bool = False


FAMILIES = (
    Family(("gemini-*-tts",), 8192, speech=True),
    Family(("gemini-4-*",), levels=("LOW", "MEDIUM", "HIGH")),
    Family(("gemini-3.7-flash", "gemini-3.8-flash", "gemini-3.6-flash"), levels=("LOW", "MEDIUM", "HIGH")),
    Family(("gemini-2.5-*",), budget=True, prefill=True),
    Family(("gemini-3*", "gemini-flash*", "gemini-pro*"), prefill=True),
    Family(("gemma-4-*",), 262_144, prefill=True),
)


class Google:
    """Google's dialect."""

    provider = "google"

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def routes(self) -> list[Route]:
        """Below `/google`, for API versions v1 and v1beta."""
        return [
            route
            for version in ("v1", "v1beta")
            for route in (
                Route(f"/{version}/models", self.models, methods=["GET"]),
                Route(f"/{version}/models/{{call:path}}", self.post, methods=["POST"]),
            )
        ]

    async def models(self, request: Request) -> Response:
        try:
            self._check_key(request)
        except Refused as refused:
            return refused.response
        names = ("gemini-4-argon", "gemini-3.8-flash", "gemini-3.5-flash-lite", *DIMENSIONS, "gemini-3.8-flash-tts")
        return json_response({"models": [{"name": f"models/{name}", "displayName": name} for name in names]})

    async def post(self, request: Request) -> Response:
        _, _, method = request.path_params["call"].rpartition(":")
        match method:
            case "generateContent" | "streamGenerateContent":
                return await self._emulator.call(request, self, self._prepare_content)
            case "batchEmbedContents" | "embedContent":
                return await self._emulator.call(request, self, self._prepare_embeddings)
            case _:
                return _error(404, "NOT_FOUND", f"Method {method!r} not found.")

    def invalid(self, message: str, *, code: str | None = None, param: str | None = None) -> Refused:
        details = (
            [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": param}]}]
            if param
            else []
        )
        return Refused(_error(400, code or "INVALID_ARGUMENT", message, details))

    def error(self, fault: Fault) -> Response:
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
            details = [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "API_KEY_INVALID",
                    "domain": "googleapis.com",
                }
            ]
        return _error(status, name, message, details)

    def _check_key(self, request: Request) -> None:
        key = request.headers.get("x-goog-api-key") or request.query_params.get("key", "")
        if not key:
            raise Refused(
                _error(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers. Please use API Key.")
            )
        if "bad-key" in key:
            raise Refused(self.error(Fault("badkey", 0)))

    def _model_of(self, request: Request) -> tuple[str, Fault | None]:
        named = request.path_params["call"].rpartition(":")[0]
        if "@" in named and ":" in request.path_params["call"].rpartition("@")[2].rpartition(":")[0]:
            named = request.path_params["call"].rpartition(":")[0]
        try:
            return split_model(named)
        except ValueError as error:
            raise self.invalid(str(error)) from None

    def _prepare_content(self, request: Request, body: dict[str, Any]) -> Prepared:
        self._check_key(request)
        model, asked = self._model_of(request)
        family = next((one for one in FAMILIES if any(fnmatchcase(model, glob) for glob in one.globs)), None)
        if family is None:
            raise Refused(
                _error(
                    404,
                    "NOT_FOUND",
                    f"models/{model} is not found for API version v1, or is not supported for generateContent.",
                )
            )
        self._check_names(body, BODY_FIELDS, "")
        config = {_camel(name): value for name, value in (_get(body, "generationConfig") or {}).items()}
        self._check_names(config, CONFIG_FIELDS, "generation_config.")
        self._check_config(config, family)
        text, pictures, last_role = self._read_contents(body)
        if last_role == "model" and not family.prefill:
            raise self.invalid("The last turn of the conversation may not be a model turn.")
        tokens = (
            count_tokens(text)
            + PICTURE_TOKENS * len(pictures)
            + count_tokens(json.dumps(config.get("responseJsonSchema") or "")) // 2
        )
        if tokens > family.window:
            raise self.invalid(
                f"The input token count ({tokens}) exceeds the maximum number of tokens allowed ({family.window})."
            )
        if family.speech:
            return Prepared(model, asked, text, "speech", self._speech(body, config, model, text, tokens))

        async def respond(fault: Fault | None) -> Response:
            answer = self._generate(body, config, model, text, pictures, tokens, fault)
            if request.path_params["call"].endswith(":streamGenerateContent"):
                return StreamingResponse(_frames(answer), media_type="text/event-stream")
            return json_response(answer, headers={"x-request-id": request_id("google", body)})

        return Prepared(model, asked, text, "text", respond)

    def _check_names(self, values: Mapping[str, Any], known: frozenset[str], where: str) -> None:
        for name in values:
            if _camel(name) not in known:
                raise self.invalid(
                    f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}{name}': Cannot find field."
                )

    def _check_config(self, config: Mapping[str, Any], family: Family) -> None:
        if "responseSchema" in config and "responseJsonSchema" in config:
            raise self.invalid("Only one of response_schema and response_json_schema may be set.")
        has_schema = config.get("responseSchema") or config.get("responseJsonSchema")
        if has_schema and config.get("responseMimeType") != "application/json":
            raise self.invalid("A response schema needs response_mime_type application/json.")
        if has_schema and json.dumps(has_schema).count('"properties"') > 200:
            raise self.invalid("The specified schema produces a constraint that has too many states for serving.")
        thinking = {_camel(name): value for name, value in (config.get("thinkingConfig") or {}).items()}
        if "thinkingBudget" in thinking and not family.budget:
            raise self.invalid("thinking_budget is not supported by this model.")
        level = str(thinking.get("thinkingLevel") or "").upper()
        if level and (level not in family.levels or family.budget):
            raise self.invalid(f"Thinking level {level} is not supported for this model.")
        if family.speech != (config.get("responseModalities") == ["AUDIO"]):
            raise self.invalid("The requested combination of response modalities is not supported by the model.")

    def _read_contents(self, body: dict[str, Any]) -> tuple[str, list[bytes], str]:
        contents = _get(body, "contents")
        if not isinstance(contents, list) or not contents:
            raise self.invalid("* GenerateContentRequest.contents: contents is not specified")
        texts, pictures, role = [], [], "user"
        system = _get(body, "systemInstruction")
        for content in [*([system] if system else []), *contents]:
            role = content.get("role", "user")
            for part in content.get("parts") or ():
                if (inline := _get(part, "inlineData")) is not None:
                    pictures.append(self._read_picture(inline))
                elif (reply := _get(part, "functionResponse")) is not None:
                    texts.append(json.dumps(reply.get("response")))
                else:
                    texts.append(str(part.get("text") or ""))
        return "\n".join(texts), pictures, role

    def _read_picture(self, inline: Mapping[str, Any]) -> bytes:
        try:
            data = base64.b64decode(
                str(inline.get("data", "")), altchars=b"-_" if set("-_") & set(inline["data"]) else None, validate=True
            )
        except binascii.Error:
            data = b""
        if not looks_like_picture(data):
            raise self.invalid("Unable to process input image. Please retry or report in troubleshooting.")
        return data

    def _generate(
        self,
        body: dict[str, Any],
        config: Mapping[str, Any],
        model: str,
        text: str,
        pictures: list[bytes],
        tokens: int,
        fault: Fault | None,
    ) -> dict[str, Any]:
        bent = fault.name if fault else ""
        if bent == "refusal":
            return {
                "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
                "usageMetadata": {"promptTokenCount": tokens, "totalTokenCount": tokens},
                "modelVersion": model,
            }
        call = None if bent else _function_call(body, text)
        finish = "STOP"
        parts: list[dict[str, Any]] = [{"functionCall": call}] if call else []
        written = json.dumps(call) if call else ""
        if call is None:
            written, finish = bend(_content(body, config, model, text, pictures), bent)
            finish = "MAX_TOKENS" if finish == "length" else "STOP"
        thoughts = 0 if _level(config) == "MINIMAL" or model.startswith("gemma") else 16 + len(text) % 48
        cap = config.get("maxOutputTokens")
        if cap is not None and call is None and count_tokens(written) + thoughts > cap:
            thoughts = min(thoughts, cap)
            written, finish = cut_tokens(written, cap - thoughts), "MAX_TOKENS"
        if call is None:
            parts = [{"text": written}] if written else []
        spent, cached = count_tokens(written), self._emulator.cached_tokens(text, tokens)
        usage: dict[str, Any] = {
            "promptTokenCount": tokens, "candidatesTokenCount": spent, "totalTokenCount": tokens + spent + thoughts,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}],
        } | ({"thoughtsTokenCount": thoughts} if thoughts else {}) | ({"cachedContentTokenCount": cached} if cached else {})  # fmt: skip
        candidate = {
            "index": 0,
            "content": {"role": "model", "parts": parts},
            "finishReason": finish,
            "safetyRatings": [],
        }
        return {
            "candidates": [candidate],
            "usageMetadata": usage,
            "modelVersion": model,
            "responseId": request_id("google", text),
        }

    def _speech(self, body: dict[str, Any], config: Mapping[str, Any], model: str, text: str, tokens: int) -> Any:
        speech = config.get("speechConfig") or {}
        voice = _get(_get(_get(speech, "voiceConfig") or {}, "prebuiltVoiceConfig") or {}, "voiceName")
        if voice not in VOICES:
            raise self.invalid(
                f"Voice name {voice} is not supported. Allowed voice names are: {', '.join(sorted(VOICES))}"
            )

        async def respond(fault: Fault | None) -> Response:
            seconds = spoken_seconds(text)
            silent = fault is not None and fault.name == "empty"
            sound = b"" if silent else await run_in_threadpool(make_sound, seconds, "pcm")
            inline = {"mimeType": f"audio/L16;codec=pcm;rate={PCM_RATE}", "data": base64.b64encode(sound).decode()}
            spent = round(seconds * AUDIO_TOKENS_PER_SECOND)
            finish = "PROHIBITED_CONTENT" if fault is not None and fault.name == "refusal" else "STOP"
            parts = [] if silent or finish != "STOP" else [{"inlineData": inline}]
            usage: dict[str, Any] = {
                "promptTokenCount": tokens, "candidatesTokenCount": spent, "totalTokenCount": tokens + spent,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}],
                "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": spent}],
            }  # fmt: skip
            candidate = {"index": 0, "content": {"role": "model", "parts": parts}, "finishReason": finish}
            answer = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": model}
            return json_response(answer, headers={"x-request-id": request_id("google", body)})

        return respond

    def _prepare_embeddings(self, request: Request, body: dict[str, Any]) -> Prepared:
        self._check_key(request)
        model, asked = self._model_of(request)
        if model not in DIMENSIONS:
            raise Refused(
                _error(
                    404,
                    "NOT_FOUND",
                    f"models/{model} is not found for API version v1, or is not supported for embedContent.",
                )
            )
        single = request.path_params["call"].endswith(":embedContent")
        requests = [body] if single else body.get("requests")
        if not isinstance(requests, list) or not requests:
            raise self.invalid("* BatchEmbedContentsRequest.requests: requests must not be empty")
        texts = [
            "\n".join(str(part.get("text", "")) for part in (one.get("content") or {}).get("parts", ()))
            for one in requests
        ]
        limit = 2048 if model == "gemini-embedding-001" else 8192
        if any(count_tokens(text) > limit for text in texts):
            raise self.invalid(f"The input token count exceeds the maximum number of tokens allowed ({limit}).")
        sizes = [_get(one, "outputDimensionality") or DIMENSIONS[model] for one in requests]
        if any(not isinstance(size, int) or not 0 < size <= 3072 for size in sizes):
            raise self.invalid("output_dimensionality must be between 1 and 3072")

        async def respond(fault: Fault | None) -> Response:
            rows = [{"values": embed(text, size)} for text, size in zip(texts, sizes, strict=True)]
            rows = [] if fault is not None and fault.name == "empty" else rows
            return json_response({"embedding": rows[0]} if single and rows else {"embeddings": rows})

        return Prepared(model, asked, "\n".join(texts), "embedding", respond)


def _error(status: int, name: str, message: str, details: list[dict[str, Any]] | None = None) -> Response:
    error: dict[str, Any] = {"code": status, "message": message, "status": name}
    if details:
        error["details"] = details
    return json_response({"error": error}, status)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def _get(values: Mapping[str, Any], name: str) -> Any:
    """By either spelling."""
    return next((value for key, value in values.items() if _camel(key) == name), None)


def _level(config: Mapping[str, Any]) -> str:
    return str(_get(config.get("thinkingConfig") or {}, "thinkingLevel") or "").upper()


def _content(body: dict[str, Any], config: Mapping[str, Any], model: str, text: str, pictures: list[bytes]) -> str:
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    if schema:
        return json.dumps(InstanceMaker(_plain(schema), text).make(), ensure_ascii=False)
    if config.get("responseMimeType") == "application/json":
        return json.dumps({"title": "The Lamp at Four", "text": write_prose(text, model)}, ensure_ascii=False)
    last = body["contents"][-1]
    replies = [reply for part in last.get("parts") or () if (reply := _get(part, "functionResponse"))]
    quoted = f" The tool said: {json.dumps(replies[0].get('response'))}" if replies else ""
    return write_prose(text, model) + describe_pictures(pictures) + quoted


def _plain(schema: Any) -> Any:
    """The older OpenAPI spelling of types, in JSON Schema's."""
    if isinstance(schema, dict):
        return {
            name: TYPES.get(value, value) if name == "type" and isinstance(value, str) else _plain(value)
            for name, value in schema.items()
        }
    return [_plain(one) for one in schema] if isinstance(schema, list) else schema


def _function_call(body: dict[str, Any], text: str) -> dict[str, Any] | None:
    declared = {
        function["name"]: function
        for tool in _get(body, "tools") or ()
        for function in _get(tool, "functionDeclarations") or ()
    }
    calling = _get(_get(body, "toolConfig") or {}, "functionCallingConfig") or {}
    mode, allowed = str(calling.get("mode") or "AUTO").upper(), _get(calling, "allowedFunctionNames") or list(declared)
    answered = any(_get(part, "functionResponse") for part in body["contents"][-1].get("parts") or ())
    if not declared or mode == "NONE" or (answered and mode == "AUTO"):
        return None
    named = next((name for name in declared if name in text and name in allowed), None)
    if named is None and mode == "ANY":
        named = allowed[0]
    if named is None:
        return None
    schema = _get(declared[named], "parametersJsonSchema") or _plain(
        declared[named].get("parameters") or {"type": "object"}
    )
    digest = hashlib.sha256(f"{named}{text}".encode()).hexdigest()[:12]
    return {"id": f"fc_{digest}", "name": named, "args": InstanceMaker(schema, text).make()}


async def _frames(answer: dict[str, Any]) -> AsyncIterator[bytes]:
    candidate = (answer.get("candidates") or [{}])[0]
    parts = candidate.get("content", {}).get("parts") or [{}]
    text = parts[0].get("text", "")
    for start in range(0, max(len(text) - 60, 0), 60):
        piece = {"index": 0, "content": {"role": "model", "parts": [{"text": text[start : start + 60]}]}}
        yield (
            b"data: "
            + json.dumps({"candidates": [piece], "modelVersion": answer.get("modelVersion")}).encode()
            + b"\r\n\r\n"
        )
    if text:
        rest = text[max(0, (max(len(text) - 60, 0) + 59) // 60 * 60) :]
        answer["candidates"][0]["content"]["parts"] = [{"text": rest}]
    yield b"data: " + json.dumps(answer).encode() + b"\r\n\r\n"
