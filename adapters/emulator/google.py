"""Google: generateContent (text and speech), streaming, batchEmbedContents, models."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.emulator.faults import Fault
from adapters.emulator.google_answers import block_prompt, to_frames, write_answer
from adapters.emulator.google_checks import read_config, read_contents
from adapters.emulator.google_media import prepare_embeddings, prepare_speech
from adapters.emulator.google_rules import DIMENSIONS, find_family
from adapters.emulator.google_wire import (
    GoogleWire,
    check_key,
    error_response,
    invalid,
    not_found,
    read_model,
    tell_tier,
)
from adapters.emulator.prose import count_tokens
from adapters.emulator.wire import Emulator, Prepared, Refused, json_response, request_id

PICTURE_TOKENS = 258
LISTED = ("gemini-4-argon", "gemini-3.8-flash", "gemini-3.5-flash-lite", *DIMENSIONS, "gemini-3.8-flash-tts")


class Google(GoogleWire):
    """Google's dialect."""

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
            check_key(request)
        except Refused as refused:
            return refused.response
        return json_response({"models": [{"name": f"models/{name}", "displayName": name} for name in LISTED]})

    async def post(self, request: Request) -> Response:
        _, _, method = request.path_params["call"].rpartition(":")
        match method:
            case "generateContent" | "streamGenerateContent":
                return await self._emulator.call(request, self, self._prepare_content)
            case "batchEmbedContents" | "embedContent":
                return await self._emulator.call(request, self, prepare_embeddings)
            case _:
                return error_response(404, "NOT_FOUND", f"Method {method!r} not found.")

    def _prepare_content(self, request: Request, body: dict[str, Any]) -> Prepared:
        check_key(request)
        model, fault_asked = read_model(request)
        family = find_family(model)
        if family is None:
            raise not_found(model, "generateContent")
        config = read_config(body, family)
        asked = read_contents(body, family)
        schema_tokens = count_tokens(json.dumps(config.get("responseJsonSchema") or "")) // 2
        tokens = count_tokens(asked.text) + PICTURE_TOKENS * len(asked.pictures) + schema_tokens
        if tokens > family.window:
            raise invalid(
                f"The input token count ({tokens}) exceeds the maximum number of tokens allowed ({family.window})."
            )
        if family.speech:
            answer_speech = prepare_speech(body, config, model, asked.text, tokens)
            return Prepared(model, fault_asked, asked.text, "speech", answer_speech)
        streamed = request.path_params["call"].endswith(":streamGenerateContent")

        async def respond(fault: Fault | None) -> Response:
            if fault is not None and fault.name == "refusal":
                answer = block_prompt(model, tokens)
            else:
                counted = tokens, self._emulator.cached_tokens(asked.text, tokens)
                bent = fault.name if fault else ""
                answer = write_answer(body, config, asked, model, family, counted, bent, streamed=streamed)
            headers = {"x-request-id": request_id("google", body), **tell_tier(body)}
            if streamed:
                return Response(to_frames(answer), headers=headers, media_type="text/event-stream")
            return json_response(answer, headers=headers)

        return Prepared(model, fault_asked, asked.text, "text", respond)
