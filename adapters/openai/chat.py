"""Text by `POST /chat/completions`."""

from collections.abc import Mapping
from typing import Any

from adapters.answers import (
    USAGE_ESTIMATED,
    JsonPlan,
    find_tier,
    plan_json,
    provider_options,
    require_text,
    restore_json,
)
from adapters.openai.client import Reply, post_json
from adapters.openai.errors import error_inside, explain_error
from adapters.openai.messages import to_messages
from adapters.openai.usage import count, estimate_usage
from adapters.pool import ProviderPool
from adapters.schemas import to_openai_strict
from adapters.transport import calling, preparing
from adapters.wording import clean_message, mend_text
from core.acceptance import Accepted, accept_parameters
from core.jsonio import dump_json
from core.provider import ErrorKind, ProviderAnswer, ProviderCall, ProviderError
from core.result import Usage

HANDLER = "openai.chat_completions"
PATH = "/chat/completions"
# Choices beyond the first would be billed and thrown away.
_NOT_FOR_CALLERS = ("store", "n")
_FINISHES = {"length": "length", "tool_calls": "tool_calls", "function_call": "tool_calls"}


async def complete_chat(pool: ProviderPool, call: ProviderCall) -> ProviderAnswer:
    """One chat completion, not streamed, and not stored."""
    with preparing(call, PATH):
        accepted = accept_parameters(call.request, call.model, HANDLER, call.parameters)
        plan = plan_json(call, to_openai_strict)
        options, warnings = provider_options(call, *_NOT_FOR_CALLERS)
        body = dump_json(_body(call, accepted, plan) | options)
    async with calling(call, explain_error):
        answer = _read(await post_json(pool, call, PATH, body), call, plan)
    answer.warnings = [*accepted.warnings, *plan.warnings, *warnings, *answer.warnings]
    return answer


def _body(call: ProviderCall, accepted: Accepted, plan: JsonPlan) -> dict[str, Any]:
    body: dict[str, Any] = {"model": call.model.model_id, "messages": to_messages(call, plan.instruction)}
    for name, value in accepted.values.items():
        body[_token_field(call) if name == "max_output_tokens" else name] = value
    if "tools" not in body:
        body.pop("tool_choice", None)
    if plan.mode == "json":
        body["response_format"] = {"type": "json_object"}
    elif plan.mode == "schema":
        body["response_format"] = {"type": "json_schema", "json_schema": _json_schema(call, plan)}
    return body


def _token_field(call: ProviderCall) -> str:
    """`max_tokens` is what self-hosted servers know; OpenAI's own models refuse it."""
    otherwise = "max_completion_tokens" if call.model.provider == "openai" else "max_tokens"
    said = call.model.parameters.get("token_cap")
    return said if isinstance(said, str) and said.startswith("max_") else otherwise


def _json_schema(call: ProviderCall, plan: JsonPlan) -> dict[str, Any]:
    shape, converted = call.request.response_format, plan.converted
    assert shape is not None
    assert shape.json_schema is not None
    assert converted is not None
    named: dict[str, Any] = {"name": shape.json_schema.name, "strict": converted.strict, "schema": converted.schema}
    if shape.json_schema.description:
        named["description"] = shape.json_schema.description
    return named


def _read(reply: Reply, call: ProviderCall, plan: JsonPlan) -> ProviderAnswer:
    completion, request_id = reply.body, reply.request_id
    choices = completion.get("choices")
    if not choices:
        raise _no_choices(completion, call, request_id)
    choice, message = choices[0], choices[0]["message"]
    said, finished = message.get("content"), choice.get("finish_reason")
    usage, warnings = _usage(completion, call, said)
    refusal = message.get("refusal") or (finished == "content_filter" and "stopped by the content filter")
    if refusal:
        words = clean_message(str(refusal), call)
        raise ProviderError(ErrorKind.content_policy, words, status=200, request_id=request_id, usage=usage)
    finish = _FINISHES.get(finished or "", "stop")
    tool_calls = [_tool_call(one) for one in message.get("tool_calls") or ()] or None
    content: str | None
    if tool_calls:
        finish = "length" if finish == "length" else "tool_calls"
        content = mend_text(said) if said else None
    else:
        content = restore_json(require_text(said, finish, usage, request_id), plan)
    return ProviderAnswer(
        usage=usage,
        model=completion.get("model") or call.model.model_id,
        content=content,
        finish_reason=finish,
        tool_calls=tool_calls,
        request_id=request_id,
        warnings=warnings,
    )


def _no_choices(completion: Mapping[str, Any], call: ProviderCall, request_id: str | None) -> ProviderError:
    if error := error_inside(completion, call, request_id):
        return error
    return ProviderError(
        ErrorKind.invalid_response, "The answer is not a chat completion", status=200, request_id=request_id
    )


def _tool_call(one: Mapping[str, Any]) -> dict[str, Any]:
    function = one.get("function") or one.get("custom") or {}
    arguments = function.get("arguments") or function.get("input") or "{}"
    named = {"name": function.get("name", ""), "arguments": mend_text(arguments)}
    return {"id": one["id"], "type": "function", "function": named}


def _usage(completion: Mapping[str, Any], call: ProviderCall, content: str | None) -> tuple[Usage, list[str]]:
    told = completion.get("usage")
    if told is None:
        return estimate_usage(call, content), [USAGE_ESTIMATED]
    read, written = told.get("prompt_tokens_details"), told.get("completion_tokens_details")
    usage = Usage(
        prompt_tokens=count(told, "prompt_tokens"),
        completion_tokens=count(told, "completion_tokens"),
        cached_tokens=count(read, "cached_tokens"),
        cache_write_tokens=count(read, "cache_write_tokens"),
        reasoning_tokens=count(written, "reasoning_tokens"),
        audio_tokens=count(read, "audio_tokens") + count(written, "audio_tokens"),
        service_tier=find_tier(call, completion.get("service_tier")),
    )
    return usage, []
