"""Speech by `POST /audio/speech`."""

import asyncio
import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from adapters.answers import (
    USAGE_ESTIMATED,
    choose_voice,
    estimate_tokens,
    provider_options,
    speech_defaults,
    speech_text,
)
from adapters.audio import measure_duration_s, mend_wav
from adapters.openai.client import call_options, openai_client
from adapters.openai.errors import describe_refusal, error_inside, explain_error
from adapters.pool import ProviderPool
from adapters.transport import calling, preparing
from core.acceptance import accept_parameters
from core.jsonio import load_json
from core.provider import ErrorKind, ProviderAnswer, ProviderCall, ProviderError
from core.result import Usage

HANDLER = "openai.speech"
PATH = "/audio/speech"
DEFAULT_VOICE = "coral"
_AUDIO_TOKENS_PER_SECOND = 20.8  # 0.015 USD a minute at 12 USD per million tokens


@dataclass(slots=True)
class _Spoken:
    audio: bytes
    request_id: str | None
    usage: Usage | None


async def speak_text(pool: ProviderPool, call: ProviderCall) -> ProviderAnswer:
    """Spoken in the format asked for, mp3 by default. A model billed by token is asked for events, because only
    there it tells its usage."""
    with preparing(call, PATH):
        accepted = accept_parameters(call.request, call.model, HANDLER, speech_defaults(call))
        options, warnings = provider_options(call)
    target = call.request.format or "mp3"
    by_token = _billed_by_token(call)
    client = cast("Any", openai_client(pool, call.base_url))
    async with calling(call, explain_error):
        reply = await client.audio.speech.create(
            model=call.model.model_id,
            input=speech_text(call),
            voice=choose_voice(call, DEFAULT_VOICE),
            response_format=target,
            **({"stream_format": "sse"} if by_token else {}),
            **accepted.values,
            **call_options(call),
            extra_body=options or None,
        )
        spoken = _read(reply.response, call)
    audio = mend_wav(spoken.audio) if target == "wav" else spoken.audio
    usage = spoken.usage or Usage()
    if by_token and spoken.usage is None:
        usage = await _estimate(call, audio, target)
        warnings.append(USAGE_ESTIMATED)
    usage.characters = len(speech_text(call))
    return ProviderAnswer(
        usage=usage,
        model=call.model.model_id,
        audio=audio,
        audio_format=target,
        request_id=spoken.request_id,
        warnings=[*accepted.warnings, *warnings],
    )


def _billed_by_token(call: ProviderCall) -> bool:
    """The models that take instructions, of those that we know; tts-1 takes none, has no events, bills characters."""
    return bool(call.model.parameters) and call.model.parameters.get("instructions") not in (False, "no")


def _read(response: Any, call: ProviderCall) -> _Spoken:
    request_id: str | None = response.headers.get("x-request-id")
    media_type = response.headers.get("content-type", "")
    if media_type.startswith("text/event-stream"):
        spoken = _read_events(response.content.splitlines(), call, request_id)
    elif media_type.startswith(("application/json", "text/")):
        said = load_json(response.content) if media_type.startswith("application/json") else None
        raise error_inside(said, call, request_id) or ProviderError(
            ErrorKind.invalid_response, "The answer is not audio", status=200, request_id=request_id
        )
    else:
        spoken = _Spoken(response.content, request_id, None)
    if not spoken.audio:
        raise ProviderError(
            ErrorKind.invalid_response, "The answer has no audio", status=200, request_id=request_id, usage=spoken.usage
        )
    return spoken


def _read_events(lines: Iterable[bytes], call: ProviderCall, request_id: str | None) -> _Spoken:
    """`speech.audio.delta` carries base64 audio, `speech.audio.done` the usage."""
    audio = bytearray()
    usage: Usage | None = None
    for line in lines:
        payload = line.removeprefix(b"data:").strip()
        if not line.startswith(b"data:") or payload == b"[DONE]":
            continue
        event = load_json(payload)
        if "error" in event:
            raise describe_refusal(500, event, {}, call, request_id)
        if event.get("type") == "speech.audio.delta":
            audio += base64.b64decode(event.get("audio") or "")
        elif event.get("type") == "speech.audio.done" and event.get("usage"):
            spent = event["usage"].get("output_tokens", 0)
            read = event["usage"].get("input_tokens", 0)
            usage = Usage(read, spent, audio_tokens=spent, characters=len(speech_text(call)))
    return _Spoken(bytes(audio), request_id, usage)


async def _estimate(call: ProviderCall, audio: bytes, target: str) -> Usage:
    try:
        seconds = await asyncio.to_thread(measure_duration_s, audio, target)
    except ValueError:
        seconds = 0.0
    spoken = round(seconds * _AUDIO_TOKENS_PER_SECOND)
    return Usage(estimate_tokens(speech_text(call)), spoken, audio_tokens=spoken)
