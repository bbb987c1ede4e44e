"""Anthropic: messages, whole or streamed, and models."""

import base64
import hashlib
import json
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.emulator.anthropic_checks import check_body, find_lives, thinks
from adapters.emulator.anthropic_events import to_events
from adapters.emulator.anthropic_rules import LISTED, Family, find_family
from adapters.emulator.anthropic_turns import Asked, read_request
from adapters.emulator.anthropic_wire import AnthropicWire, check_head, invalid, unknown_model
from adapters.emulator.bending import bend
from adapters.emulator.faults import Fault, split_model
from adapters.emulator.instances import InstanceMaker
from adapters.emulator.prose import count_tokens, cut_tokens, write_prose
from adapters.emulator.wire import Emulator, Prepared, Refused, describe_pictures, json_response, request_id

PICTURE_TOKENS = 1500
_STOPS = {"stop": "end_turn", "length": "max_tokens"}


class Anthropic(AnthropicWire):
    """Anthropic's dialect."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def routes(self) -> list[Route]:
        """Below `/anthropic`, which is what the SDK takes as base_url."""
        return [
            Route("/v1/messages", self.messages, methods=["POST"]),
            Route("/v1/models", self.models, methods=["GET"]),
        ]

    async def messages(self, request: Request) -> Response:
        return await self._emulator.call(request, self, self._prepare)

    async def models(self, request: Request) -> Response:
        try:
            check_head(request)
        except Refused as refused:
            return refused.response
        return json_response(
            {"data": list(map(_model, LISTED)), "has_more": False, "first_id": LISTED[0], "last_id": LISTED[-1]}
        )

    def _prepare(self, request: Request, body: dict[str, Any]) -> Prepared:
        version = check_head(request)
        if not isinstance(body.get("model"), str):
            raise invalid("model: Field required")
        try:
            model, fault_asked = split_model(body["model"])
        except ValueError as error:
            raise invalid(f"model: {error}") from None
        family = find_family(model)
        if family is None:
            raise unknown_model(model)
        asked = read_request(body)
        check_body(body, asked, model, family, version)
        beside = json.dumps(body.get("output_config") or "") + json.dumps(body.get("tools") or "")
        tokens = count_tokens(asked.text) + PICTURE_TOKENS * len(asked.pictures) + 3 + count_tokens(beside) // 2
        if tokens > family.window:
            raise invalid(f"prompt is too long: {tokens} tokens > {family.window} maximum")

        async def respond(fault: Fault | None) -> Response:
            bent = fault.name if fault else ""
            message = self._write(body, asked, model, family, tokens, bent)
            headers = {"request-id": request_id("anthropic", body)}
            if body.get("stream"):
                return Response(to_events(message), headers=headers, media_type="text/event-stream")
            return json_response(message, headers=headers)

        return Prepared(model, fault_asked, asked.text, "text", respond)

    def _write(
        self, body: dict[str, Any], asked: Asked, model: str, family: Family, tokens: int, bent: str
    ) -> dict[str, Any]:
        digest = hashlib.sha256(f"{model}{asked.text}".encode()).hexdigest()
        call = None if bent else _tool_use(body, asked, digest)
        text, stop = (
            ("", "tool_use") if call else ("", "refusal") if bent == "refusal" else _text(body, asked, model, bent)
        )
        thought = 16 + int(digest[:2], 16) % 48 if thinks(body, family) else 0
        if call is None and count_tokens(text) + thought > body["max_tokens"]:
            thought = min(thought, body["max_tokens"])
            text, stop = cut_tokens(text, body["max_tokens"] - thought), "max_tokens"
        blocks = [_thought(thought, digest)] if thought and bent != "refusal" else []
        blocks += [{"type": "text", "text": text, "citations": None}] if text else []
        blocks += [call] if call else []
        spent = thought + count_tokens(json.dumps(call["input"]) if call else text)
        refused = {
            "type": "refusal",
            "category": "general_harms",
            "explanation": "This request would break our usage policy.",
        }
        return {
            "id": f"msg_{digest[:24]}", "type": "message", "role": "assistant", "model": model, "content": blocks,
            "stop_reason": stop, "stop_sequence": None, "stop_details": refused if stop == "refusal" else None,
            "usage": self._usage(body, asked.text, tokens) | {
                "output_tokens": spent, "output_tokens_details": {"thinking_tokens": thought},
                "service_tier": "standard", "speed": body.get("speed") or "standard",
                "inference_geo": body.get("inference_geo") or "global",
            },
        }  # fmt: skip

    def _usage(self, body: dict[str, Any], text: str, tokens: int) -> dict[str, Any]:
        """The input without what was read from the cache and written to it; the cache is for those who ask, and
        what lives for an hour is counted apart."""
        lives = find_lives(body)
        asked = lives and tokens >= 1024
        read = self._emulator.cached_tokens(text, tokens) if asked else 0
        written = 1024 if asked and not read else 0
        return {
            "input_tokens": tokens - read - written,
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": written if "1h" not in lives else 0,
                "ephemeral_1h_input_tokens": written if "1h" in lives else 0,
            },
        }


def _text(body: dict[str, Any], asked: Asked, model: str, bent: str) -> tuple[str, str]:
    form = (body.get("output_config") or {}).get("format")
    if form is not None:
        text = json.dumps(InstanceMaker(form["schema"], asked.text).make(), ensure_ascii=False)
    elif re.search(r"\bJSON\b", asked.text):
        text = f"```json\n{json.dumps(_unbound_answer(asked.text), ensure_ascii=False)}\n```"
    else:
        said = f" The tool said: {asked.result}" if asked.result is not None else ""
        text = write_prose(asked.text, model) + describe_pictures(asked.pictures) + said
    text, finish = bend(text, bent)
    return text, _STOPS[finish]


def _unbound_answer(text: str) -> Any:
    """JSON as a model gives it that is asked in words: by the schema that is in them, if there is one."""
    _, found, rest = text.partition("JSON Schema")
    place = rest.find("{")
    try:
        schema = json.JSONDecoder().raw_decode(rest[place:])[0] if found and place >= 0 else None
    except json.JSONDecodeError:
        schema = None
    if not isinstance(schema, dict):
        return {"title": "The Lamp at Four", "text": write_prose(text, "json")}
    return InstanceMaker(schema, text).make()


def _tool_use(body: dict[str, Any], asked: Asked, digest: str) -> dict[str, Any] | None:
    tools = {tool["name"]: tool for tool in body.get("tools") or ()}
    choice = body.get("tool_choice") or {"type": "auto"}
    if not tools or choice["type"] == "none" or (asked.result is not None and choice["type"] == "auto"):
        return None
    named = choice.get("name") or next((name for name in tools if name in asked.text), None)
    if named is None and choice["type"] == "any":
        named = next(iter(tools))
    if named is None:
        return None
    arguments = InstanceMaker(tools[named].get("input_schema") or {"type": "object"}, asked.text).make()
    return {"type": "tool_use", "id": f"toolu_{digest[:24]}", "name": named, "input": arguments}


def _thought(tokens: int, digest: str) -> dict[str, Any]:
    thought = cut_tokens("I weigh what was asked, and how it may best be told. " * 8, tokens)
    return {"type": "thinking", "thinking": thought, "signature": base64.b64encode(digest.encode()).decode("ascii")}


def _model(model: str) -> dict[str, Any]:
    family = find_family(model)
    assert family is not None
    return {
        "type": "model", "id": model, "display_name": model.replace("-", " ").title(), "lifecycle": "active",
        "created_at": "2026-01-01T00:00:00Z", "max_input_tokens": family.window, "max_tokens": family.output,
    }  # fmt: skip
