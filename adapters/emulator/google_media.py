"""Google's speech, which is content of the modality audio, and its embeddings."""

import base64
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from adapters.emulator.faults import Fault
from adapters.emulator.google_rules import DIMENSIONS, VOICES
from adapters.emulator.google_wire import check_key, get, invalid, not_found, read_model, tell_tier
from adapters.emulator.prose import count_tokens
from adapters.emulator.speech import PCM_RATE, make_sound, spoken_seconds
from adapters.emulator.vectors import embed
from adapters.emulator.wire import Prepared, json_response, request_id

AUDIO_TOKENS_PER_SECOND = 25
_LIMITS = {"gemini-embedding-001": 2048}
_LIMIT = 8192
_MOST_TEXTS = 100
_WIDEST = 3072


def prepare_speech(
    body: Mapping[str, Any], config: Mapping[str, Any], model: str, text: str, tokens: int
) -> Callable[[Fault | None], Awaitable[Response]]:
    """The answer to a request that was read already. Raises Refused."""
    speech = config.get("speechConfig") or {}
    voice = get(get(get(speech, "voiceConfig") or {}, "prebuiltVoiceConfig") or {}, "voiceName")
    if voice not in VOICES:
        raise invalid(f"Voice name {voice} is not supported. Allowed voice names are: {', '.join(sorted(VOICES))}")

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
        return json_response(answer, headers={"x-request-id": request_id("google", body), **tell_tier(body)})

    return respond


def prepare_embeddings(request: Request, body: dict[str, Any]) -> Prepared:
    """For `Emulator.call`. One content is one vector, however many parts it has."""
    check_key(request)
    model, asked = read_model(request)
    if model not in DIMENSIONS:
        raise not_found(model, "embedContent")
    single = request.path_params["call"].endswith(":embedContent")
    requests = [body] if single else body.get("requests")
    if not isinstance(requests, list) or not requests:
        raise invalid("* BatchEmbedContentsRequest.requests: requests must not be empty")
    if len(requests) > _MOST_TEXTS:
        raise invalid(f"* BatchEmbedContentsRequest.requests: at most {_MOST_TEXTS} requests can be in one batch")
    texts = [_text_of(one) for one in requests]
    limit = _LIMITS.get(model, _LIMIT)
    if longest := max((count_tokens(text) for text in texts if count_tokens(text) > limit), default=0):
        raise invalid(f"The input token count ({longest}) exceeds the maximum number of tokens allowed ({limit}).")
    sizes = [get(one, "outputDimensionality") or DIMENSIONS[model] for one in requests]
    if any(not isinstance(size, int) or not 0 < size <= _WIDEST for size in sizes):
        raise invalid(f"output_dimensionality must be between 1 and {_WIDEST}")

    async def respond(fault: Fault | None) -> Response:
        rows = [{"values": _vector(text, size, model)} for text, size in zip(texts, sizes, strict=True)]
        rows = [] if fault is not None and fault.name == "empty" else rows
        return json_response({"embedding": rows[0]} if single and rows else {"embeddings": rows})

    return Prepared(model, asked, "\n".join(texts), "embedding", respond)


def _text_of(one: Mapping[str, Any]) -> str:
    return "\n".join(str(part.get("text", "")) for part in (one.get("content") or {}).get("parts", ()))


def _vector(text: str, size: int, model: str) -> list[float]:
    """The older model cuts its vectors to a size without making them as long as one again."""
    vector = embed(text, size)
    return [0.75 * one for one in vector] if model == "gemini-embedding-001" and size < _WIDEST else vector
