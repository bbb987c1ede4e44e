"""Text by `POST /v1/chat/completions`."""

from collections.abc import Mapping
from typing import Any

from adapters.answers import (
    USAGE_ESTIMATED,
    JsonPlan,
    estimate_tokens,
    find_tier,
    plan_json,
    provider_options,
    require_text,
    restore_json,
    system_text,
    text_of,
)
from adapters.mistral.conversation import to_messages
from adapters.mistral.errors import explain_error
from adapters.mistral.wire import ANY_PATH, Reply, post
from adapters.pool import ProviderPool
from adapters.schemas import to_mistral
from adapters.transport import calling, preparing
from adapters.wording import mend_text
from core.acceptance import Accepted, accept_parameters
from core.jsonio import dump_json
from core.provider import ErrorKind, ProviderAnswer, ProviderCall, ProviderError
from core.result import Usage

HANDLER = "mistral.chat"
PATH = "/v1/chat/completions"
_NAMES = {"max_output_tokens": "max_tokens", "seed": "random_seed"}
_SEEDS = 2**31
_FINISHES = {"length": "length", "model_length": "length"}
_NO_PARAMETERS = {"type": "object", "properties": {}}


async def complete_chat(pool: ProviderPool, call: ProviderCall) -> ProviderAnswer:
    """One chat completion, not streamed."""
    with preparing(call, ANY_PATH):
        accepted = accept_parameters(call.request, call.model, HANDLER, call.parameters)
        plan = plan_json(call, to_mistral)
        options, warnings = provider_options(call, "n")
        messages, bridges = to_messages(call, plan.instruction)
        body = {"model": call.model.model_id, "messages": messages, **_settings(call, accepted, plan), **options}
    async with calling(call, explain_error):
        answer = _read(await post(pool, call, PATH, body), call, plan)
    answer.warnings = [*accepted.warnings, *plan.warnings, *bridges, *warnings, *answer.warnings]
    return answer


def _settings(call: ProviderCall, accepted: Accepted, plan: JsonPlan) -> dict[str, Any]:
    """All that the body says beside model and messages."""
    said: dict[str, Any] = {"stream": False}
    for name, value in accepted.values.items():
        said[_NAMES.get(name, name)] = value % _SEEDS if name == "seed" else value
    if "tools" not in said:
        said.pop("tool_choice", None)
    else:
        said["tools"] = [_tool(one) for one in said["tools"]]
        if said.get("tool_choice") == "required":
            said["tool_choice"] = "any"
    if plan.mode == "json":
        said["response_format"] = {"type": "json_object"}
    elif plan.mode == "schema":
        said["response_format"] = {"type": "json_schema", "json_schema": _json_schema(call, plan)}
    return said


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    """Mistral wants the parameters of a function that has none."""
    function = tool["function"]
    return {**tool, "function": {**function, "parameters": function.get("parameters") or _NO_PARAMETERS}}


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
    choices = reply.body.get("choices")
    if not isinstance(choices, list) or not choices:
        raise _invalid("The answer is not a chat completion", reply, None)
    choice = choices[0]
    message = choice["message"]
    written = _text(message.get("content"))
    usage, warnings = _usage(reply.body, call, written)
    said = choice.get("finish_reason") or ""
    if said == "error":
        raise _invalid("The model failed while it answered", reply, usage)
    finish = _FINISHES.get(said, "stop")
    tool_calls = [_tool_call(one) for one in message.get("tool_calls") or ()] or None
    if said == "model_length" and not written.strip() and not tool_calls:
        raise ProviderError(
            ErrorKind.context_length,
            "The model's window was full before any text",
            status=200,
            request_id=reply.request_id,
            usage=usage,
        )
    content: str | None
    if tool_calls:
        finish = "length" if finish == "length" else "tool_calls"
        content = mend_text(written) or None
    else:
        content = restore_json(require_text(written, finish, usage, reply.request_id), plan)
    return ProviderAnswer(
        usage=usage,
        model=reply.body.get("model") or call.model.model_id,
        content=content,
        finish_reason=finish,
        tool_calls=tool_calls,
        request_id=reply.request_id,
        warnings=warnings,
    )


def _text(content: Any) -> str:
    """A model that reasons answers in chunks: its thoughts are not its answer."""
    if isinstance(content, list):
        return "".join(str(chunk.get("text") or "") for chunk in content if chunk.get("type") == "text")
    return content or ""


def _tool_call(one: dict[str, Any]) -> dict[str, Any]:
    function = one.get("function") or {}
    arguments = function.get("arguments") or "{}"
    text = arguments if isinstance(arguments, str) else dump_json(arguments).decode()
    named = {"name": function.get("name", ""), "arguments": mend_text(text)}
    return {"id": str(one.get("id") or ""), "type": "function", "function": named}


def _usage(body: Mapping[str, Any], call: ProviderCall, written: str) -> tuple[Usage, list[str]]:
    told, tier = body.get("usage"), find_tier(call, body.get("service_tier"))
    if not isinstance(told, dict):
        read = estimate_tokens(system_text(call) or "", *(text_of(turn) for turn in call.request.turns))
        return Usage(read, estimate_tokens(written), service_tier=tier), [USAGE_ESTIMATED]
    details = told.get("prompt_tokens_details") or {}
    spent = told.get("completion_tokens_details") or {}
    usage = Usage(
        prompt_tokens=told.get("prompt_tokens") or 0,
        completion_tokens=told.get("completion_tokens") or 0,
        cached_tokens=details.get("cached_tokens") or 0,
        reasoning_tokens=spent.get("reasoning_tokens") or 0,
        service_tier=tier,
    )
    return usage, []


def _invalid(message: str, reply: Reply, usage: Usage | None) -> ProviderError:
    return ProviderError(ErrorKind.invalid_response, message, status=200, request_id=reply.request_id, usage=usage)
