"""Speech by `:generateContent` with audio as the modality. Gemini gives PCM; what was asked for is encoded here."""

import asyncio
import re
from typing import Any

from adapters.answers import (
    USAGE_ESTIMATED,
    choose_voice,
    estimate_tokens,
    provider_options,
    speech_defaults,
    speech_text,
)
from adapters.audio import PCM_RATE, encode_pcm
from adapters.google.answers import read_candidate, read_usage, request_id_of
from adapters.google.client import NOT_FOR_CALLERS, SEEDS, call_options, google_client
from adapters.google.errors import explain_error
from adapters.pool import ProviderPool
from adapters.transport import calling, preparing
from core.acceptance import accept_parameters
from core.provider import ErrorKind, ProviderAnswer, ProviderCall, ProviderError

HANDLER = "google.speech"
PATH = ":generateContent"
DEFAULT_VOICE = "Kore"
_AUDIO_TOKENS_PER_SECOND = 25  # a guess, for an answer that does not tell; the emulator counts so too


async def speak_text(pool: ProviderPool, call: ProviderCall) -> ProviderAnswer:
    """Spoken in the format asked for, mp3 by default. Instructions go before the text, as Gemini wants them."""
    from google.genai import types

    with preparing(call, PATH):
        accepted = accept_parameters(call.request, call.model, HANDLER, speech_defaults(call))
        options, warnings = provider_options(call, *NOT_FOR_CALLERS)
        config = types.GenerateContentConfig(**{**_config(call, accepted.values), **options})
    target = call.request.format or "mp3"
    async with calling(call, explain_error):
        reply = await google_client(pool, call.base_url).models.generate_content(
            model=call.model.model_id, contents=_directed(call, accepted.values), config=config
        )
        usage = read_usage(reply, call)
        usage.audio_tokens = usage.completion_tokens - usage.reasoning_tokens
        usage.characters = len(speech_text(call))
        parts, finish = read_candidate(reply, usage)
        pcm, rate = _pcm(parts)
        if reply.usage_metadata is None:
            spoken = round(len(pcm) / 2 / rate * _AUDIO_TOKENS_PER_SECOND)
            usage.prompt_tokens = estimate_tokens(speech_text(call))
            usage.completion_tokens = usage.audio_tokens = spoken
            warnings.append(USAGE_ESTIMATED)
        if not pcm or finish == "length":
            fault = "The speech was cut off at the token limit" if pcm else "The answer has no audio"
            raise ProviderError(
                ErrorKind.invalid_response, fault, status=200, request_id=request_id_of(reply), usage=usage
            )
    return ProviderAnswer(
        usage=usage,
        model=reply.model_version or call.model.model_id,
        audio=await asyncio.to_thread(encode_pcm, pcm, target, rate),
        audio_format=target,
        request_id=request_id_of(reply),
        warnings=[*accepted.warnings, *warnings],
    )


def _directed(call: ProviderCall, values: dict[str, Any]) -> str:
    """`Say warmly: …`, the form of Gemini's own examples."""
    direction = (values.get("instructions") or "").strip().rstrip(".:")
    return f"{direction}: {speech_text(call)}" if direction else speech_text(call)


def _config(call: ProviderCall, values: dict[str, Any]) -> dict[str, Any]:
    speech: dict[str, Any] = {
        "voice_config": {"prebuilt_voice_config": {"voice_name": choose_voice(call, DEFAULT_VOICE)}}
    }
    if "language" in values:
        speech["language_code"] = values["language"]
    return {
        "response_modalities": ["AUDIO"],
        "speech_config": speech,
        "automatic_continuation": False,
        "automatic_function_calling": {"disable": True},
        "http_options": call_options(call),
    } | ({"seed": values["seed"] % SEEDS} if "seed" in values else {})


def _pcm(parts: list[Any]) -> tuple[bytes, int]:
    """All audio of the answer and its rate: `audio/L16;codec=pcm;rate=24000`."""
    blobs = [part.inline_data for part in parts if part.inline_data and part.inline_data.data]
    named = re.search(r"rate=(\d+)", blobs[0].mime_type or "") if blobs else None
    return b"".join(blob.data for blob in blobs), int(named.group(1)) if named else PCM_RATE
