"""Speech by `POST /v1/audio/speech`. The audio comes as base64 in JSON."""

import asyncio
import base64
import binascii
import io
from typing import Any

from adapters.answers import choose_voice, provider_options, speech_text
from adapters.audio import encode_pcm, mend_wav
from adapters.mistral.errors import explain_error
from adapters.mistral.wire import ANY_PATH, Reply, post
from adapters.pool import ProviderPool
from adapters.transport import calling, preparing
from core.acceptance import accept_parameters
from core.provider import ErrorKind, ProviderAnswer, ProviderCall, ProviderError
from core.result import Usage

HANDLER = "mistral.speech"
PATH = "/v1/audio/speech"
# A preset of Voxtral 2, which Voxtral 3 still takes; every account has it.
DEFAULT_VOICE = "en_paul_neutral"
# Mistral's raw PCM is of floats and tells no rate. A WAV tells both, and what is made of it here is 16 bits deep.
_ENCODED_HERE = ("pcm", "wav", "flac")


async def speak_text(pool: ProviderPool, call: ProviderCall) -> ProviderAnswer:
    """Spoken in the format asked for, mp3 by default. Billed by character."""
    target = call.request.format or "mp3"
    with preparing(call, ANY_PATH):
        accepted = accept_parameters(call.request, call.model, HANDLER, call.parameters)
        options, warnings = provider_options(call, "response_format")
        body: dict[str, Any] = {
            "model": call.model.model_id,
            "input": speech_text(call),
            "response_format": "wav" if target in _ENCODED_HERE else target,
            "stream": False,
            **options,
        }
        if not {"voice_id", "ref_audio"} & options.keys():
            body["voice_id"] = choose_voice(call, DEFAULT_VOICE)
    async with calling(call, explain_error):
        reply = await post(pool, call, PATH, body)
        audio = _read(reply)
        if target in _ENCODED_HERE:
            audio = await asyncio.to_thread(_encode, audio, target)
    return ProviderAnswer(
        usage=Usage(characters=len(speech_text(call))),
        model=call.model.model_id,
        audio=audio,
        audio_format=target,
        request_id=reply.request_id,
        warnings=[*accepted.warnings, *warnings],
    )


def _read(reply: Reply) -> bytes:
    try:
        audio = base64.b64decode(reply.body.get("audio_data") or "", validate=True)
    except (binascii.Error, TypeError):
        audio = b""
    if audio:
        return audio
    raise ProviderError(ErrorKind.invalid_response, "The answer has no audio", status=200, request_id=reply.request_id)


def _encode(wav: bytes, target: str) -> bytes:
    """A WAV of whatever rate, depth and number of channels in our format. Raises ValueError for what is no WAV.

    It is read as numbers between -1 and 1: read as integers, a WAV of floats would be silence.
    """
    import numpy as np
    import soundfile

    try:
        samples, rate = soundfile.read(io.BytesIO(mend_wav(wav)), dtype="float32", always_2d=True)
    except soundfile.SoundFileError as fault:
        raise ValueError(f"these {len(wav)} bytes are not wav audio") from fault
    mono = np.clip(np.rint(samples.mean(axis=1) * 32768), -32768, 32767).astype("<i2")
    return encode_pcm(mono.tobytes(), target, rate)
