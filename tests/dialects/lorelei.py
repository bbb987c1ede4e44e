"""Lorelei: text by `POST /v3/compose`, vectors by `POST /v3/map`. Its wire format is like nobody's."""

import base64
from collections.abc import Mapping
from typing import Any

import httpx2

from adapters.answers import (
    JsonPlan,
    estimate_tokens,
    plan_json,
    provider_options,
    require_text,
    restore_json,
    system_text,
    text_of,
)
from adapters.images import read_image
from adapters.pool import ProviderPool
from adapters.schemas import to_google
from adapters.transport import call_headers, calling, kind_of_status, preparing, retry_after_s
from adapters.wording import clean_message, mend_text
from core.acceptance import Accepted, accept_parameters
from core.jsonio import dump_json, load_json
from core.provider import ErrorKind, ProviderAnswer, ProviderCall, ProviderError
from core.request import ImagePart, Message
from core.result import Usage

COMPOSE, MAP = "/v3/compose", "/v3/map"
_WHO = {"user": "reader", "assistant": "author", "tool": "stagehand"}
_NAMES = {"max_output_tokens": "limit", "temperature": "heat", "top_p": "spread", "stop": "until", "seed": "dice",
          "reasoning_effort": "think"}  # fmt: skip
_ENDS = {"limit": "length", "calls": "tool_calls"}
_FAULTS = {
    "empty_purse": ErrorKind.quota_exhausted,
    "too_long": ErrorKind.context_length,
    "not_for_telling": ErrorKind.content_policy,
    "wrong_key": ErrorKind.auth,
}


async def compose(pool: ProviderPool, call: ProviderCall) -> ProviderAnswer:
    """One piece of text."""
    with preparing(call, COMPOSE):
        accepted = accept_parameters(call.request, call.model, "lorelei.compose", call.parameters)
        plan = plan_json(call, to_google)
        options, warnings = provider_options(call)
        body = _body(call, accepted, plan) | options
    async with calling(call, _explain):
        reply = await _post(pool, call, COMPOSE, body)
        answer = _read(reply, plan, call)
    answer.warnings = [*accepted.warnings, *plan.warnings, *warnings, *answer.warnings]
    return answer


async def embed(pool: ProviderPool, call: ProviderCall) -> ProviderAnswer:
    """A vector for each text."""
    with preparing(call, MAP):
        accepted = accept_parameters(call.request, call.model, "lorelei.embed", call.parameters)
        options, warnings = provider_options(call)
        body = {"engine": call.model.model_id, "words": call.request.texts, **options}
        if "dimensions" in accepted.values:
            body["width"] = accepted.values["dimensions"]
    async with calling(call, _explain):
        reply = await _post(pool, call, MAP, body)
        places = reply.get("places") or []
        usage = Usage(reply["meter"]["in"]) if "meter" in reply else Usage(estimate_tokens(*call.request.texts))
        if len(places) != len(call.request.texts):
            raise _invalid(f"The answer has {len(places)} vectors for {len(call.request.texts)} texts", reply, usage)
    return ProviderAnswer(
        usage=usage,
        model=reply["engine"],
        embeddings=places,
        request_id=reply.get("ticket"),
        warnings=[*accepted.warnings, *warnings],
    )


async def _post(pool: ProviderPool, call: ProviderCall, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    headers = call_headers(call) | {"content-type": "application/json"}
    if call.api_key is not None:
        headers["x-api-key"] = call.api_key
    timeout = httpx2.Timeout(call.timeout_s, connect=min(5.0, call.timeout_s))
    answer = await pool.http.post(call.base_url + path, content=dump_json(body), headers=headers, timeout=timeout)
    try:
        parsed = load_json(answer.content)
    except ValueError:
        parsed = None
    found: dict[str, Any] = parsed if isinstance(parsed, dict) else {}
    if answer.status_code != 200 or "fault" in found:
        raise _refusal(answer.status_code, found.get("fault") or {}, answer.headers, call)
    if not found:
        raise ProviderError(ErrorKind.invalid_response, "The answer is not a JSON object", status=200)
    return found


def _refusal(status: int, fault: Mapping[str, Any], headers: Mapping[str, str], call: ProviderCall) -> ProviderError:
    name, words = str(fault.get("name") or ""), str(fault.get("words") or "no message")
    return ProviderError(
        _FAULTS.get(name) or kind_of_status(status),
        clean_message(words, call),
        status=status,
        code=name or None,
        retry_after_s=retry_after_s(headers),
        request_id=fault.get("ticket"),
    )


def _explain(_error: Exception, _call: ProviderCall) -> ProviderError | None:
    return None


def _body(call: ProviderCall, accepted: Accepted, plan: JsonPlan) -> dict[str, Any]:
    body: dict[str, Any] = {"engine": call.model.model_id, "scene": _scene(call, plan.instruction)}
    for name, value in accepted.values.items():
        if name in _NAMES:
            body[_NAMES[name]] = [value] if name == "stop" and isinstance(value, str) else value
    if tools := accepted.values.get("tools"):
        body["abilities"] = [
            {"does": one["function"]["name"], "with": one["function"].get("parameters") or {"type": "object"}}
            for one in tools
        ]
        choice = accepted.values.get("tool_choice", "auto")
        body["ability"] = {"does": choice["function"]["name"]} if isinstance(choice, dict) else choice
    if plan.mode == "json":
        body["shape"] = {}
    elif plan.mode == "schema" and plan.converted is not None:
        body["shape"] = plan.converted.schema
    return body


def _scene(call: ProviderCall, instruction: str | None) -> list[dict[str, Any]]:
    turns = [_turn(turn, call) for turn in call.request.turns if turn.role != "system"]
    words = system_text(call, instruction)
    return [*([{"who": "stage", "says": words}] if words else []), *turns]


def _turn(turn: Message, call: ProviderCall) -> dict[str, Any]:
    said: dict[str, Any] = {"who": _WHO[turn.role], "says": text_of(turn)}
    pictures = [part for part in turn.content or () if isinstance(part, ImagePart)]
    if pictures:
        said["pictures"] = [
            base64.b64encode(read_image(one.image_url.url, call.images)[1]).decode() for one in pictures
        ]
    if turn.tool_call_id:
        said["ref"] = turn.tool_call_id
    if turn.tool_calls:
        said["calls"] = [
            {"ref": one["id"], "does": one["function"]["name"], "with": one["function"]["arguments"]}
            for one in turn.tool_calls
        ]
    return said


def _read(reply: dict[str, Any], plan: JsonPlan, call: ProviderCall) -> ProviderAnswer:
    piece = reply.get("piece")
    if not isinstance(piece, dict):
        raise _invalid("The answer has no piece", reply, None)
    meter = reply["meter"]
    usage = Usage(
        meter["in"],
        meter["out"] + meter["thought"],
        cached_tokens=meter["remembered"],
        reasoning_tokens=meter["thought"],
    )
    request_id = reply.get("ticket")
    if piece["end"] == "refused":
        words = clean_message(piece["says"] or "refused", call)
        raise ProviderError(ErrorKind.content_policy, words, status=200, request_id=request_id, usage=usage)
    finish = _ENDS.get(piece["end"], "stop")
    calls = [
        {"id": one["ref"], "type": "function", "function": {"name": one["does"], "arguments": mend_text(one["with"])}}
        for one in piece.get("calls") or ()
    ]
    content = None
    if not calls:
        content = restore_json(require_text(piece["says"], finish, usage, request_id), plan)
    return ProviderAnswer(
        usage=usage,
        model=reply["engine"],
        content=content,
        finish_reason=finish,
        tool_calls=calls or None,
        request_id=request_id,
    )


def _invalid(message: str, reply: Mapping[str, Any], usage: Usage | None) -> ProviderError:
    return ProviderError(ErrorKind.invalid_response, message, status=200, request_id=reply.get("ticket"), usage=usage)
