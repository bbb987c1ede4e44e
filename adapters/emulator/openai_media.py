"""OpenAI's `POST /embeddings` and `POST /audio/speech`."""

import base64
import json
import struct
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from adapters.emulator.faults import Fault
from adapters.emulator.openai_wire import check_fields, check_key, invalid, read_model
from adapters.emulator.prose import count_tokens
from adapters.emulator.speech import make_sound, spoken_seconds
from adapters.emulator.vectors import embed
from adapters.emulator.wire import Prepared, json_response, request_id

DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
EMBEDDING_FIELDS = ("model", "input", "encoding_format", "dimensions", "user")
SPEECH_MODELS = ("gpt-4o-mini-tts", "tts-1", "tts-1-hd")
SPEECH_FIELDS = ("model", "input", "voice", "response_format", "speed", "instructions", "stream_format")
VOICES = "alloy ash ballad coral echo fable onyx nova sage shimmer verse marin cedar".split()
SOUND_TYPES = {"mp3": "audio/mpeg", "opus": "audio/opus", "flac": "audio/flac", "wav": "audio/wav", "pcm": "audio/pcm"}


def prepare_embeddings(request: Request, body: dict[str, Any]) -> Prepared:
    """For `Emulator.call`."""
    check_key(request)
    model, asked = read_model(body, DIMENSIONS)
    check_fields(body, EMBEDDING_FIELDS)
    texts = _read_texts(body)
    if body.get("encoding_format", "float") not in ("float", "base64"):
        raise invalid(f"Invalid value: '{body['encoding_format']}'.", code="invalid_value", param="encoding_format")
    size = body.get("dimensions", DIMENSIONS[model])
    if "dimensions" in body and (model == "text-embedding-ada-002" or not 0 < size <= DIMENSIONS[model]):
        raise invalid("This model does not support specifying dimensions.", param="dimensions")

    async def respond(fault: Fault | None) -> Response:
        count = 0 if fault and fault.name == "empty" else len(texts)
        rows = [
            {"object": "embedding", "index": place, "embedding": _vector(one, size, body)}
            for place, one in enumerate(texts[:count])
        ]
        tokens = sum(map(count_tokens, texts))
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        answer = {"object": "list", "model": model, "data": rows, "usage": usage}
        return json_response(answer, headers={"x-request-id": request_id("openai", body)})

    return Prepared(model, asked, "\n".join(texts), "embedding", respond)


def prepare_speech(request: Request, body: dict[str, Any]) -> Prepared:
    """For `Emulator.call`."""
    check_key(request)
    model, asked = read_model(body, SPEECH_MODELS)
    check_fields(body, SPEECH_FIELDS)
    _check_speech(body, model)
    text, form, speed = body["input"], body.get("response_format", "mp3"), body.get("speed", 1.0)

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


def _read_texts(body: dict[str, Any]) -> list[str]:
    said = body.get("input")
    texts: list[str] = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    if not 1 <= len(texts) <= 2048 or not all(isinstance(one, str) and one for one in texts):
        raise invalid("'$.input' is invalid.", param="input")
    if any(count_tokens(one) > 8192 for one in texts) or sum(map(count_tokens, texts)) > 300_000:
        message = "This model's maximum context length is 8192 tokens."
        raise invalid(message, code="context_length_exceeded", param="input")
    return texts


def _check_speech(body: dict[str, Any], model: str) -> None:
    text, voice, speed = body.get("input"), body.get("voice"), body.get("speed", 1.0)
    form = body.get("response_format", "mp3")
    if not isinstance(text, str) or not 1 <= len(text) <= 4096:
        raise invalid(
            "[{'type': 'string_too_long', 'loc': ('body', 'input'), 'msg': 'String should have at most 4096 characters'}]",
            code="string_too_long", param="input",
        )  # fmt: skip
    if voice not in VOICES:
        raise invalid(f"Invalid value: '{voice}'. Supported values are: {', '.join(VOICES)}.", param="voice")
    if form not in SOUND_TYPES:
        message = f"Invalid value: '{form}'. Supported values are: {', '.join(SOUND_TYPES)}."
        raise invalid(message, param="response_format")
    if not isinstance(speed, int | float) or not 0.25 <= speed <= 4:
        raise invalid("'speed' must be between 0.25 and 4.0.", param="speed")
    if model.startswith("tts-1") and ("instructions" in body or body.get("stream_format") == "sse"):
        raise invalid("'instructions' and 'sse' are not supported with tts-1 or tts-1-hd.", param="instructions")


def _vector(text: str, size: int, body: dict[str, Any]) -> str | list[float]:
    vector = embed(text, size)
    if body.get("encoding_format") != "base64":
        return vector
    return base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
