"""ElevenLabs: text to speech, with and without timestamps, models, voices, subscription."""

import base64
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.emulator.faults import Fault, split_model
from adapters.emulator.speech import make_sound, spoken_seconds
from adapters.emulator.wire import Emulator, Prepared, Refused, json_response, request_id

VOICES = {
    "JBFqnCBsd6RMkjVDRZzb": "George", "EXAVITQu4vr4xnSDxMaL": "Sarah", "onwK4e9ZLuTAKqWW03F9": "Daniel",
    "Xb7hH8MSUJpSbSDYk0k2": "Alice", "nPczCjzI2devNBz1zQrb": "Brian", "cjVigY5qzO86Huf0OWal": "Eric",
    "cgSgspJ2msm6clMCkdW9": "Jessica", "FGY2WhTYpPnrIDTdsKH5": "Laura", "TX3LPaxmHKxFdv7VOQHJ": "Liam",
    "SAz9YHcvj6GT2YYXdXww": "River", "XrExE9yKIg1WjnnlVkGX": "Matilda", "CwhRBWXzGAHq8TQ4Fs17": "Roger",
    "iP95p4xoKVk53GoZ742B": "Chris", "pFZP5JQG7iQjIQuC4Bku": "Lily", "pqHfZKP75CvOlQylNhV4": "Bill",
    "N2lVS1w4EtoT3dr4eOWO": "Callum", "IKne3meq5aSn9XLyUdCD": "Charlie", "bIHbv24MWmeRgasZH58o": "Will",
    "9BWtsMINqrJLrRacOk9x": "Aria", "XB0fDUnXU5powFXDhCwa": "Charlotte", "hpp4J3VqNfWAUOO0d1Us": "Bella",
    "pNInz6obpgDQGcFmaJgB": "Adam", "SOYHLrjzK2X1ezoPC6cr": "Harry", "21m00Tcm4TlvDq8ikWAM": "Rachel",
}  # fmt: skip
LIMITS = {
    "eleven_v4": 10_000, "eleven_v4_turbo": 10_000, "eleven_v3": 5_000, "eleven_v3_conversational": 5_000,
    "eleven_multilingual_v2": 10_000, "eleven_flash_v2_5": 40_000, "eleven_turbo_v2_5": 40_000,
    "eleven_flash_v2": 30_000, "eleven_turbo_v2": 30_000,
}  # fmt: skip
STITCHING = ("previous_text", "next_text", "previous_request_ids", "next_request_ids")
FIELDS = frozenset(
    "text model_id language_code voice_settings seed apply_text_normalization apply_language_text_normalization "
    "pronunciation_dictionary_locators use_pvc_as_ivc".split()
) | frozenset(STITCHING)
SETTINGS = {"stability": (0, 1), "similarity_boost": (0, 1), "style": (0, 1), "speed": (0.7, 1.2)}
RATES = {
    "mp3": ("22050", "24000", "44100"), "opus": ("48000",), "pcm": ("8000", "16000", "22050", "24000", "32000", "44100", "48000"),
    "wav": ("8000", "16000", "22050", "24000", "32000", "44100", "48000"),
}  # fmt: skip
SOUND_TYPES = {"mp3": "audio/mpeg", "opus": "audio/opus", "pcm": "audio/pcm", "wav": "audio/wav"}
ERRORS = {
    "429": (429, "rate_limit_error", "rate_limit_exceeded", "Too many requests."),
    "concurrent": (429, "rate_limit_error", "concurrent_limit_exceeded", "Too many concurrent requests."),
    "500": (500, "internal_error", "internal_server_error", "Something went wrong."),
    "503": (503, "service_unavailable", "service_unavailable", "The service is unavailable."),
    "529": (429, "rate_limit_error", "system_busy", "The system is under heavy load, please try again."),
    "quota": (401, "payment_required", "quota_exceeded", "This request exceeds your quota."),
    "badkey": (401, "authentication_error", "invalid_api_key", "Invalid API key."),
    "policy": (403, "permission_error", "content_policy_violation", "The text violates our policy."),
    "context": (400, "validation_error", "max_character_limit_exceeded", "The text is too long."),
    "notfound": (404, "not_found", "model_not_found", "The model was not found."),
    "region": (403, "permission_error", "feature_not_available", "This is not available on your plan."),
}


class ElevenLabs:
    """ElevenLabs' dialect."""

    provider = "elevenlabs"

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._running = 0

    def routes(self) -> list[Route]:
        """Below `/elevenlabs`."""
        return [
            Route("/v1/text-to-speech/{voice_id}", self.speak, methods=["POST"]),
            Route("/v1/text-to-speech/{voice_id}/stream", self.speak, methods=["POST"]),
            Route("/v1/text-to-speech/{voice_id}/with-timestamps", self.speak, methods=["POST"]),
            Route("/v1/models", self.models, methods=["GET"]),
            Route("/v1/voices", self.voices, methods=["GET"]),
            Route("/v2/voices", self.voices, methods=["GET"]),
            Route("/v1/user/subscription", self.subscription, methods=["GET"]),
        ]

    async def speak(self, request: Request) -> Response:
        self._running += 1
        try:
            return await self._emulator.call(request, self, self._prepare)
        finally:
            self._running -= 1

    async def models(self, request: Request) -> Response:
        rows = [
            {"model_id": name, "name": name, "maximum_text_length_per_request": limit, "can_do_text_to_speech": True,
             "model_rates": {"character_cost_multiplier": 0.5 if "flash" in name or "turbo" in name else 1.0}}
            for name, limit in LIMITS.items()
        ]  # fmt: skip
        return self._listing(request, rows)

    async def voices(self, request: Request) -> Response:
        rows = [{"voice_id": voice, "name": name, "category": "premade"} for voice, name in VOICES.items()]
        return self._listing(request, {"voices": rows, "has_more": False, "total_count": len(rows)})

    async def subscription(self, request: Request) -> Response:
        return self._listing(
            request, {"tier": "creator", "character_count": 0, "character_limit": 100_000, "status": "active"}
        )

    def invalid(self, message: str, *, code: str | None = None, param: str | None = None) -> Refused:
        if code is None:
            return Refused(
                json_response({"detail": [{"loc": ["body", param or ""], "msg": message, "type": "value_error"}]}, 422)
            )
        return Refused(_error(400, "validation_error", code, message, param))

    def error(self, fault: Fault) -> Response:
        status, kind, code, message = ERRORS[fault.name]
        headers = {"retry-after": f"{fault.value:g}"} if fault.name == "429" else {}
        return _error(status, kind, code, message, headers=headers)

    def _listing(self, request: Request, body: Any) -> Response:
        try:
            self._check_key(request)
        except Refused as refused:
            return refused.response
        return json_response(body)

    def _check_key(self, request: Request) -> None:
        key = request.headers.get("xi-api-key", "")
        if not key:
            raise Refused(
                _error(
                    401,
                    "authentication_error",
                    "needs_authorization",
                    "Neither authorization header nor xi-api-key received.",
                )
            )
        if "bad-key" in key:
            raise Refused(self.error(Fault("badkey", 0)))

    def _prepare(self, request: Request, body: dict[str, Any]) -> Prepared:
        self._check_key(request)
        for name in body.keys() - FIELDS:
            raise self.invalid("Extra inputs are not permitted", param=name)
        try:
            model, asked = split_model(str(body.get("model_id") or "eleven_multilingual_v2"))
        except ValueError as error:
            raise self.invalid(str(error), param="model_id") from None
        if model not in LIMITS:
            raise Refused(
                _error(400, "validation_error", "model_not_found", f"A model with model ID {model} does not exist.")
            )
        voice = request.path_params["voice_id"]
        if voice not in VOICES and not (voice.startswith("emu") and len(voice) == 20):
            raise Refused(_error(404, "not_found", "voice_not_found", f"A voice with voice_id {voice} was not found."))
        text = body.get("text")
        if not isinstance(text, str) or not text.strip():
            raise self.invalid("Field required", param="text")
        if len(text) > LIMITS[model]:
            raise self.invalid(
                f"This request has {len(text)} characters and exceeds the limit of {LIMITS[model]}.",
                code="max_character_limit_exceeded",
            )
        self._check_options(body, model)
        form, rate = self._format_of(request)
        speed = float((body.get("voice_settings") or {}).get("speed") or 1.0)
        return Prepared(model, asked, text, "speech", self._answer(request, body, model, form, rate, speed))

    def _check_options(self, body: dict[str, Any], model: str) -> None:
        if model.startswith("eleven_v3") and any(body.get(name) for name in STITCHING):
            raise self.invalid(
                "Providing previous_text or next_text is not yet supported with the 'eleven_v3' model.",
                code="unsupported_model",
            )
        for name, value in (body.get("voice_settings") or {}).items():
            low, high = SETTINGS.get(name, (None, None))
            if low is not None and value is not None and not low <= value <= high:
                raise self.invalid(f"Input should be between {low} and {high}", param=f"voice_settings.{name}")

    def _format_of(self, request: Request) -> tuple[str, int]:
        named = request.query_params.get("output_format", "mp3_44100_128")
        form, _, rest = named.partition("_")
        rate = rest.partition("_")[0]
        if rate not in RATES.get(form, ()):
            raise self.invalid(f"Invalid output format: {named}", param="output_format")
        return form, int(rate)

    def _answer(self, request: Request, body: dict[str, Any], model: str, form: str, rate: int, speed: float) -> Any:
        text = str(body["text"])
        factor = 0.5 if "flash" in model or "turbo" in model else 1.0

        async def respond(fault: Fault | None) -> Response:
            seconds = spoken_seconds(text, speed)
            silent = fault is not None and fault.name == "empty"
            sound = b"" if silent else await run_in_threadpool(make_sound, seconds, form, rate)
            headers = {
                "request-id": request_id("elevenlabs", body), "history-item-id": request_id("history", body),
                "character-cost": str(len(text)), "x-character-cost-multiplier": str(factor),
                "current-concurrent-requests": str(self._running), "maximum-concurrent-requests": "15",
            }  # fmt: skip
            if not request.url.path.endswith("/with-timestamps"):
                return Response(sound, headers=headers, media_type=SOUND_TYPES[form])
            step = seconds / len(text)
            alignment = {
                "characters": list(text),
                "character_start_times_seconds": [round(step * place, 3) for place in range(len(text))],
                "character_end_times_seconds": [round(step * (place + 1), 3) for place in range(len(text))],
            }
            encoded = base64.b64encode(sound).decode()
            return json_response(
                {"audio_base64": encoded, "alignment": alignment, "normalized_alignment": None}, headers=headers
            )

        return respond


def _error(
    status: int, kind: str, code: str, message: str, param: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    detail = {
        "type": kind,
        "code": code,
        "message": message,
        "status": code,
        "request_id": request_id("elevenlabs", message),
        "param": param,
    }
    return json_response({"detail": detail}, status, {"request-id": detail["request_id"] or "", **(headers or {})})
