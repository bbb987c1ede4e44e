"""Speech by `POST /v1/audio/speech`. The audio comes as base64 in JSON."""

import asyncio
import base64
import binascii
from typing import Any

from adapters.answers import choose_voice, provider_options, speech_text
from adapters.audio import mend_wav, wav_to_format
from adapters.mistral.errors import explain_error
from adapters.mistral.wire import post
from adapters.pool import ProviderPool
from adapters.transport import calling, preparing
from core.acceptance import accept_parameters
from core.provider import ErrorKind, ProviderAnswer, ProviderCall, ProviderError
from core.result import Usage

HANDLER = "mistral.speech"
PATH = "/v1/audio/speech"
# The rate of Mistral's raw PCM is not documented; a WAV says its own.
_WIRE_FORMATS = {"mp3": "mp3", "opus": "opus", "flac": "flac", "wav": "wav", "pcm": "wav"}


async def speak_text(pool: ProviderPool, call: ProviderCall) -> ProviderAnswer:
    """Spoken in the format asked for, mp3 by default. Billed by character."""
    target = call.request.format or "mp3"
    with preparing(call, PATH):
        accepted = accept_parameters(call.request, call.model, HANDLER, call.parameters)
        options, warnings = provider_options(call, "response_format")
        body: dict[str, Any] = {
            "model": call.model.model_id,
            "input": speech_text(call),
            "response_format": _WIRE_FORMATS[target],
            "stream": False,
            **options,
        }
        if "ref_audio" not in body:
            body["voice_id"] = _voice_id(call)
    async with calling(call, explain_error):
        reply = await post(pool, call, PATH, body)
        try:
            audio = base64.b64decode(reply.body.get("audio_data") or "", validate=True)
        except binascii.Error:
            audio = b""
        if not audio:
            raise ProviderError(
                ErrorKind.invalid_response, "The answer has no audio", status=200, request_id=reply.request_id
            )
        if _WIRE_FORMATS[target] == "wav":
            audio = await asyncio.to_thread(wav_to_format, mend_wav(audio), target)
    return ProviderAnswer(
        usage=Usage(characters=len(speech_text(call))),
        model=call.model.model_id,
        audio=audio,
        audio_format=target,
        request_id=reply.request_id,
        warnings=[*accepted.warnings, *warnings],
    )


def _voice_id(call: ProviderCall) -> str:
    """Mistral has no voice that every account knows. Raises ProviderError when none is named."""
    voice = choose_voice(call, "")
    if not voice:
        message = f"voice: {call.model.model_id} needs the id of a voice of your Mistral account"
        raise ProviderError(ErrorKind.invalid_request, message, usage=Usage())
    return voice
