"""`/v1/chat/completions`, `/v1/embeddings`, `/v1/audio/speech`."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from core.errors import NotFound
from core.request import AUDIO_TYPES
from producer.api.access import CallerOf, ServicesOf
from producer.api.jobs import json_response
from producer.api.openai.serving import headers_of, place_order, take_order, wait_for_completion
from producer.api.openai.streaming import begin_chat, chat_frames, event_stream
from producer.openai.asking import flag
from producer.openai.chat import includes_usage, present_completion, read_chat
from producer.openai.embeddings import encoding_of, present_embeddings, read_embeddings
from producer.openai.parameters import CHAT, EMBEDDINGS, SPEECH, Table
from producer.openai.speech import read_speech
from storage.store import NotStored

router = APIRouter(tags=["openai"])


STREAMED: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}
SPOKEN: dict[int | str, dict[str, Any]] = {
    200: {"description": "The recording", "content": {kind: {} for kind in sorted(set(AUDIO_TYPES.values()))}}
}


def body_docs(table: Table, example: dict[str, Any]) -> dict[str, Any]:
    """For the API's description: names alone, as the shape is OpenAI's."""
    required = [one.name for one in table.values() if one.required]
    schema = {"type": "object", "required": required, "properties": {name: {} for name in table}}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}}


@router.post(
    "/v1/chat/completions",
    responses=STREAMED,
    openapi_extra=body_docs(CHAT, {"model": "fast", "messages": [{"role": "user", "content": "Name three islands"}]}),
)
async def create_completion(request: Request, services: ServicesOf, caller: CallerOf) -> Response:
    """OpenAI's chat completions over the factory's jobs; `stream` sends the answer in pieces once it is there."""
    order = await take_order(request, services, CHAT)
    asked, usage = read_chat(order.body), includes_usage(order.body)
    streamed = flag(order.body, "stream")
    accepted = await place_order(request, services, caller, order, asked)
    if not streamed:
        row = await wait_for_completion(request, services, caller, accepted)
        return json_response(present_completion(row), 200, headers_of(row))
    row = await begin_chat(services, caller, accepted.id)
    return event_stream(chat_frames(services, caller, row, usage=usage), accepted.id)


@router.post("/v1/embeddings", openapi_extra=body_docs(EMBEDDINGS, {"model": "embed", "input": ["a cat", "a dog"]}))
async def create_embeddings(request: Request, services: ServicesOf, caller: CallerOf) -> Response:
    """OpenAI's embeddings, as floats or base64."""
    order = await take_order(request, services, EMBEDDINGS)
    accepted = await place_order(request, services, caller, order, read_embeddings(order.body))
    row = await wait_for_completion(request, services, caller, accepted)
    return json_response(present_embeddings(row, encoding_of(order.body)), 200, headers_of(row))


@router.post(
    "/v1/audio/speech",
    response_class=StreamingResponse,
    responses=SPOKEN,
    openapi_extra=body_docs(SPEECH, {"model": "narrator", "input": "The lamp went out at four.", "voice": "narrator"}),
)
async def create_speech(request: Request, services: ServicesOf, caller: CallerOf) -> Response:
    """OpenAI's speech: the bytes of a narration of any length."""
    order = await take_order(request, services, SPEECH)
    accepted = await place_order(request, services, caller, order, read_speech(order.body))
    row = await wait_for_completion(request, services, caller, accepted)
    audio = row["result"]["audio"]
    try:
        size = await services.storage.size(audio["storage_key"])
    except NotStored:
        raise NotFound("the audio of this job is no longer stored") from None
    headers = headers_of(row) | {"Content-Length": str(size)}
    body = services.storage.read(audio["storage_key"], 0, size)
    return StreamingResponse(body, 200, headers, AUDIO_TYPES[audio["format"]])
