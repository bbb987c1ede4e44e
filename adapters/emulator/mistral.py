"""Mistral: chat completions, embeddings, speech, models."""

import base64
import hashlib
import json
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.emulator.bending import bend
from adapters.emulator.faults import Fault
from adapters.emulator.instances import InstanceMaker
from adapters.emulator.mistral_checks import (
    MODELS,
    VECTORS,
    answer_fault,
    check_chat,
    check_form,
    check_key,
    invalid,
    read_conversation,
    read_model,
)
from adapters.emulator.mistral_rules import ChatBody, EmbeddingBody, SpeechBody
from adapters.emulator.prose import count_tokens, cut_tokens, write_prose
from adapters.emulator.speech import make_sound, spoken_seconds
from adapters.emulator.vectors import embed
from adapters.emulator.wire import Emulator, Prepared, Refused, describe_pictures, json_response, request_id

VOICES = frozenset(
    "en_paul_neutral en_paul_happy en_paul_cheerful en_paul_excited en_paul_confident en_paul_sad en_paul_frustrated "
    "en_paul_angry gb_jane_neutral gb_jane_confident gb_jane_curious gb_jane_confused gb_jane_sarcasm gb_jane_sad "
    "gb_jane_shameful gb_jane_jealousy gb_jane_frustrated gb_oliver_neutral gb_oliver_cheerful gb_oliver_excited "
    "gb_oliver_confident gb_oliver_curious gb_oliver_sad gb_oliver_angry fr_marie_neutral fr_marie_happy "
    "fr_marie_curious fr_marie_excited fr_marie_sad fr_marie_angry".split()
)
PICTURE_TOKENS = 900
CREATED = 1_795_000_000


class Mistral:
    """Mistral's dialect."""

    provider = "mistral"

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def routes(self) -> list[Route]:
        """Below `/mistral`."""
        return [
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
            Route("/v1/embeddings", self.embeddings, methods=["POST"]),
            Route("/v1/audio/speech", self.speech, methods=["POST"]),
            Route("/v1/models", self.models, methods=["GET"]),
        ]

    async def chat(self, request: Request) -> Response:
        return await self._emulator.call(request, self, self._prepare_chat)

    async def embeddings(self, request: Request) -> Response:
        return await self._emulator.call(request, self, _prepare_embeddings)

    async def speech(self, request: Request) -> Response:
        return await self._emulator.call(request, self, _prepare_speech)

    async def models(self, request: Request) -> Response:
        try:
            check_key(request)
        except Refused as refused:
            return refused.response
        return json_response({"object": "list", "data": [{"id": name, "object": "model"} for name in sorted(MODELS)]})

    def invalid(self, message: str, *, code: str | None = None, param: str | None = None) -> Refused:
        return invalid(message, param=param, code=code)

    def error(self, fault: Fault) -> Response:
        return answer_fault(fault)

    def _prepare_chat(self, request: Request, body: dict[str, Any]) -> Prepared:
        check_key(request)
        check_form(body, ChatBody)
        model, family, asked = read_model(body, "text")
        check_chat(body, family)
        said = read_conversation(body)
        shapes = json.dumps(body.get("response_format") or {}) + json.dumps(body.get("tools") or [])
        tokens = count_tokens(said.text) + PICTURE_TOKENS * len(said.pictures) + 4 + count_tokens(shapes) // 2
        if tokens > family.window:
            raise invalid(
                f"Prompt contains {tokens} tokens and 0 draft tokens, too large for model with {family.window} maximum "
                "context length",
                kind="invalid_request_prompt",
                status=400,
            )

        async def respond(fault: Fault | None) -> Response:
            if fault is not None and fault.name == "refusal":
                return answer_fault(Fault("policy", 0))
            completion = self._complete(body, model, said.text, said.pictures, tokens, fault)
            return json_response(completion, headers={"mistral-correlation-id": request_id("mistral", body)})

        return Prepared(model, asked, said.text, "text", respond)

    def _complete(
        self,
        body: dict[str, Any],
        model: str,
        text: str,
        pictures: list[bytes],
        tokens: int,
        fault: Fault | None,
    ) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": "", "tool_calls": None}
        bent = fault.name if fault else ""
        call = None if bent else _tool_call(body, text)
        finish = "stop"
        if call is not None:
            message["tool_calls"], finish = [call], "tool_calls"
        else:
            message["content"], finish = _content(body, model, text, pictures, bent)
        written = message["content"] or (json.dumps(call) if call else "")
        thinks = body.get("reasoning_effort") == "high" and bool(message["content"])
        thought = write_prose(text, model + "thinks") if thinks else ""
        cap = body.get("max_tokens")
        if cap is not None and count_tokens(thought) + count_tokens(written) > cap:
            thought = cut_tokens(thought, cap)
            written = message["content"] = cut_tokens(written, cap - count_tokens(thought))
            finish = "length"
        spent = count_tokens(thought) + count_tokens(written)
        if thinks:
            chunks = [{"type": "thinking", "thinking": [{"type": "text", "text": thought}]}]
            message["content"] = [*chunks, {"type": "text", "text": written}]
        return {
            "id": hashlib.sha256(f"{model}{text}".encode()).hexdigest()[:32],
            "object": "chat.completion", "created": CREATED, "model": model,
            "choices": [{"index": 0, "finish_reason": finish, "message": message}],
            "usage": {
                "prompt_tokens": tokens, "completion_tokens": spent, "total_tokens": tokens + spent,
                "prompt_tokens_details": {"cached_tokens": self._emulator.cached_tokens(text, tokens)},
            },
        }  # fmt: skip


def _content(body: dict[str, Any], model: str, text: str, pictures: list[bytes], bent: str) -> tuple[str, str]:
    shape = body.get("response_format") or {}
    if shape.get("type") == "json_schema":
        content = json.dumps(InstanceMaker(shape["json_schema"]["schema"], text).make(), ensure_ascii=False)
    elif shape.get("type") == "json_object":
        content = json.dumps({"title": "The Lamp at Four", "text": write_prose(text, model)}, ensure_ascii=False)
    else:
        last = body["messages"][-1]
        told = f" The tool said: {last.get('content')}" if last.get("role") == "tool" else ""
        content = write_prose(text, model) + describe_pictures(pictures) + told
    return bend(content, bent)


def _tool_call(body: dict[str, Any], text: str) -> dict[str, Any] | None:
    tools = {tool["function"]["name"]: tool["function"] for tool in body.get("tools") or ()}
    choice = body.get("tool_choice", "auto")
    if not tools or choice == "none" or (body["messages"][-1].get("role") == "tool" and choice == "auto"):
        return None
    named = (
        choice["function"]["name"] if isinstance(choice, dict) else next((one for one in tools if one in text), None)
    )
    if named is None and choice == "any":
        named = next(iter(tools))
    if named is None:
        return None
    arguments = InstanceMaker(tools[named].get("parameters") or {"type": "object"}, text).make()
    digest = hashlib.sha256(f"{named}{text}".encode()).hexdigest()[:9]
    return {"id": digest, "type": "function", "function": {"name": named, "arguments": json.dumps(arguments)}}


def _prepare_embeddings(request: Request, body: dict[str, Any]) -> Prepared:
    check_key(request)
    check_form(body, EmbeddingBody)
    model, _family, asked = read_model(body, "embedding")
    texts: list[str] = [body["input"]] if isinstance(body["input"], str) else body["input"]
    if any(count_tokens(one) > 8192 for one in texts):
        raise invalid(
            "Input is too large: too many tokens, 8192 are the most", kind="invalid_request_error", status=400
        )
    if any(body.get(name) not in (None, "float") for name in ("output_dtype", "encoding_format")):
        raise invalid("The emulator gives vectors as lists of floats only", status=400)
    size = body.get("output_dimension") or VECTORS[model]
    if body.get("output_dimension") and model == "mistral-embed-2312":
        raise invalid("This model does not support output_dimension", param="output_dimension", status=400)

    async def respond(fault: Fault | None) -> Response:
        count = 0 if fault and fault.name == "empty" else len(texts)
        rows = [
            {"object": "embedding", "index": place, "embedding": embed(one, size)}
            for place, one in enumerate(texts[:count])
        ]
        tokens = sum(map(count_tokens, texts))
        usage = {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}
        answer = {"id": request_id("mistral", body), "object": "list", "model": model, "data": rows, "usage": usage}
        return json_response(answer, headers={"mistral-correlation-id": request_id("mistral", body)})

    return Prepared(model, asked, "\n".join(texts), "embedding", respond)


def _prepare_speech(request: Request, body: dict[str, Any]) -> Prepared:
    check_key(request)
    check_form(body, SpeechBody)
    model, _family, asked = read_model(body, "speech")
    text, form = body["input"], body.get("response_format", "mp3")
    if not text.strip():
        raise invalid("Value error, input must not be blank", param="input")
    if not body.get("voice_id") and not body.get("ref_audio"):
        raise invalid("Either voice_id or ref_audio must be provided", status=400)
    if body.get("voice_id") and body["voice_id"] not in VOICES:
        raise invalid(f"Voice {body['voice_id']} not found", status=404, kind="not_found")
    if body.get("stream"):
        raise invalid("The emulator does not stream speech", status=400)

    async def respond(fault: Fault | None) -> Response:
        silent = fault is not None and fault.name == "empty"
        sound = b"" if silent else await run_in_threadpool(_speak, spoken_seconds(text), form)
        answer = {"audio_data": base64.b64encode(sound).decode()}
        return json_response(answer, headers={"mistral-correlation-id": request_id("mistral", body)})

    return Prepared(model, asked, text, "speech", respond)


def _speak(seconds: float, form: str) -> bytes:
    """Mistral's PCM is of 32-bit floats."""
    sound = make_sound(seconds, form)
    if form != "pcm":
        return sound
    import numpy as np

    return bytes((np.frombuffer(sound, dtype="<i2") / 32768).astype("<f4").tobytes())
