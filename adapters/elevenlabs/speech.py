"""Speech by `POST /v1/text-to-speech/{voice_id}`, `…/with-timestamps` where word times are asked for."""

import asyncio
import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.answers import choose_voice, provider_options, speech_text
from adapters.audio import encode_pcm
from adapters.elevenlabs.client import call_options, elevenlabs_client
from adapters.elevenlabs.errors import explain_error
from adapters.pool import ProviderPool
from adapters.transport import calling, preparing
from core.acceptance import Accepted, accept_parameters, takes_context
from core.provider import ErrorKind, ProviderAnswer, ProviderCall, ProviderError
from core.result import Usage, Word

HANDLER = "elevenlabs.text_to_speech"
PATH = "/text-to-speech/{voice_id}"
DEFAULT_VOICE = "JBFqnCBsd6RMkjVDRZzb"

# 44.1 kHz PCM and WAV need a dearer plan, so wav and flac are made here from what every plan gives.
_WIRE_FORMATS = {
    "mp3": "mp3_44100_128",
    "opus": "opus_48000_64",
    "pcm": "pcm_24000",
    "wav": "pcm_24000",
    "flac": "pcm_24000",
}
_QUERY_OPTIONS = ("enable_logging", "optimize_streaming_latency")
_STITCHES = ("previous_text", "next_text", "previous_request_ids", "next_request_ids")


@dataclass(frozen=True, slots=True)
class _Spoken:
    audio: bytes
    headers: Mapping[str, str]
    words: list[Word] | None = None


async def speak_text(pool: ProviderPool, call: ProviderCall) -> ProviderAnswer:
    """Spoken in the format asked for, mp3 by default. Billed by the characters that ElevenLabs says it counted."""
    target = call.request.format or "mp3"
    with preparing(call, PATH):
        accepted = accept_parameters(call.request, call.model, HANDLER, call.parameters)
        options, warnings = provider_options(call)
        warnings += _drop_stitches(options, call)
        wire_format = _wire_format(options, target, warnings)
        query = {name: options.pop(name) for name in _QUERY_OPTIONS if name in options}
        request_options = {
            **call_options(call),
            "additional_body_parameters": {**_body(call, accepted), **options},
            "additional_query_parameters": query,
        }
    timed = "timestamps" in accepted.values
    async with calling(call, explain_error):
        spoken = await (_speak_timed if timed else _speak)(pool, call, wire_format, request_options)
        _check(spoken)
    if timed and not spoken.words:
        warnings.append("timestamps: not given by the provider this time")
    audio, billed = spoken.audio, _billed(spoken.headers)
    if target in ("wav", "flac"):
        audio = await asyncio.to_thread(encode_pcm, audio, target)
    return ProviderAnswer(
        usage=Usage(characters=len(speech_text(call)) if billed is None else billed),
        model=call.model.model_id,
        audio=audio,
        audio_format=target,
        words=spoken.words,
        request_id=spoken.headers.get("request-id"),
        warnings=[*accepted.warnings, *warnings],
    )


async def _speak(pool: ProviderPool, call: ProviderCall, wire_format: Any, request_options: Any) -> _Spoken:
    client = elevenlabs_client(pool, call.base_url)
    async with client.text_to_speech.with_raw_response.convert(
        _voice_id(call),
        text=speech_text(call),
        model_id=_wire_model(call),
        output_format=wire_format,
        request_options=request_options,
    ) as reply:
        audio = b"".join([chunk async for chunk in reply.data])
        return _Spoken(audio, _lowered(reply.headers))


async def _speak_timed(pool: ProviderPool, call: ProviderCall, wire_format: Any, request_options: Any) -> _Spoken:
    reply = await elevenlabs_client(pool, call.base_url).text_to_speech.with_raw_response.convert_with_timestamps(
        _voice_id(call),
        text=speech_text(call),
        model_id=_wire_model(call),
        output_format=wire_format,
        request_options=request_options,
    )
    times = reply.data.alignment
    characters = (
        zip(times.characters, times.character_start_times_seconds, times.character_end_times_seconds, strict=False)
        if times
        else ()
    )
    return _Spoken(base64.b64decode(reply.data.audio_base_64 or ""), _lowered(reply.headers), _words(characters))


def _words(characters: Iterable[tuple[str, float, float]]) -> list[Word]:
    """Runs of characters without white space, from the first one's start to the last one's end."""
    words: list[Word] = []
    text, begun, ended = "", 0.0, 0.0
    for character, start_s, end_s in (*characters, (" ", 0.0, 0.0)):
        if character.isspace():
            if text:
                words.append(Word(text, begun, ended))
            text = ""
            continue
        begun = begun if text else start_s
        text, ended = text + character, end_s
    return words


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _voice_id(call: ProviderCall) -> str:
    """The voice asked for, else a preset's own."""
    return choose_voice(call, call.model.model_id.partition(":")[2] or DEFAULT_VOICE)


def _wire_model(call: ProviderCall) -> str:
    """A preset `model:voice_id` is that model with that voice."""
    return call.model.model_id.partition(":")[0]


def _body(call: ProviderCall, accepted: Accepted) -> dict[str, Any]:
    body: dict[str, Any] = {}
    settings: dict[str, Any] = {**(call.voice.settings if call.voice else {})}
    settings |= accepted.values.get("voice_settings", {})
    if "speed" in accepted.values:
        settings["speed"] = accepted.values["speed"]
    if settings:
        body["voice_settings"] = settings
    if "language" in accepted.values:
        body["language_code"] = accepted.values["language"].partition("-")[0].lower()
    if "seed" in accepted.values:
        body["seed"] = accepted.values["seed"] % 2**32
    if takes_context(call.model):
        around = {"previous_text": call.previous_text, "next_text": call.next_text}
        body |= {name: text for name, text in around.items() if text}
    return body


def _wire_format(options: dict[str, Any], target: str, warnings: list[str]) -> Any:
    """The caller may choose another bitrate or rate, not another format than the answer is said to have."""
    wished = options.pop("output_format", None)
    if wished is None:
        return _WIRE_FORMATS[target]
    if target in ("mp3", "opus") and str(wished).startswith(f"{target}_"):
        return wished
    warnings.append(f"provider_options.output_format: is not {target}, left out")
    return _WIRE_FORMATS[target]


def _drop_stitches(options: dict[str, Any], call: ProviderCall) -> list[str]:
    if call.model.parameters.get("stitching") not in (False, "no"):
        return []
    dropped = [name for name in _STITCHES if options.pop(name, None) is not None]
    return [f"provider_options.{name}: not accepted by {call.model.model_id}, left out" for name in dropped]


def _check(spoken: _Spoken) -> None:
    said = spoken.headers.get("content-type", "")
    if spoken.words is None and said.startswith(("application/json", "text/")):
        fault = "The answer is not audio"
    elif not spoken.audio:
        fault = "The answer has no audio"
    else:
        return
    request_id, billed = spoken.headers.get("request-id"), _billed(spoken.headers)
    usage = Usage(characters=billed) if billed is not None else None
    raise ProviderError(ErrorKind.invalid_response, fault, status=200, request_id=request_id, usage=usage)


def _billed(headers: Mapping[str, str]) -> int | None:
    """Characters by the provider's own count, where it says one."""
    try:
        return round(float(headers["character-cost"]))
    except (KeyError, ValueError):
        return None
