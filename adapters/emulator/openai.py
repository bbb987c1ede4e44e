"""OpenAI: chat completions, responses, embeddings, speech, models."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.emulator.openai_chat import ChatCompletions
from adapters.emulator.openai_media import DIMENSIONS, prepare_embeddings, prepare_speech
from adapters.emulator.openai_responses import Responses
from adapters.emulator.openai_wire import CREATED, OpenAIWire, check_key
from adapters.emulator.wire import Emulator, Prepare, Refused, json_response

LISTED = ("gpt-6.2-sol", "gpt-6-luna", "gpt-4o-mini", *DIMENSIONS, "gpt-4o-mini-tts")


class OpenAI:
    """OpenAI's endpoints."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._wire = OpenAIWire()

    def routes(self) -> list[Route]:
        """Below `/openai/v1`, which is what the SDK takes as base_url."""
        return [
            Route("/chat/completions", self._endpoint(ChatCompletions(self._emulator).prepare), methods=["POST"]),
            Route("/responses", self._endpoint(Responses(self._emulator).prepare), methods=["POST"]),
            Route("/embeddings", self._endpoint(prepare_embeddings), methods=["POST"]),
            Route("/audio/speech", self._endpoint(prepare_speech), methods=["POST"]),
            Route("/models", _list_models, methods=["GET"]),
        ]

    def _endpoint(self, prepare: Prepare) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            return await self._emulator.call(request, self._wire, prepare)

        return answer


async def _list_models(request: Request) -> Response:
    try:
        check_key(request)
    except Refused as refused:
        return refused.response
    rows = [{"id": name, "object": "model", "created": CREATED, "owned_by": "openai"} for name in LISTED]
    return json_response({"object": "list", "data": rows})
