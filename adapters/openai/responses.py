"""Text by `POST /responses`, which is the only way to some models. Nothing is kept at OpenAI."""

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
from adapters.openai.errors import classify, explain_error
from adapters.openai.items import keep_reasoning, to_format, to_input, to_tool_choice, to_tools
from adapters.openai.usage import count, estimate_usage
from adapters.pool import ProviderPool
from adapters.schemas import to_openai_strict
from adapters.transport import calling, preparing
from adapters.wording import clean_message, mend_text
from core.acceptance import Accepted, accept_parameters
from core.jsonio import dump_json
from core.provider import ErrorKind, ProviderAnswer, ProviderCall, ProviderError
from core.result import Usage

HANDLER = "openai.responses"
PATH = "/responses"
_NOT_FOR_CALLERS = ("store", "background")
_MERGED = ("text", "reasoning")
_STATUS_OF_FAILURE = {
    "server_error": 500,
    "rate_limit_exceeded": 429,
    "vector_store_timeout": 504,
    "data_residency_mismatch": 403,
}


async def create_response(pool: ProviderPool, call: ProviderCall) -> ProviderAnswer:
    """One response, not streamed, not stored. What a model thought before it called a tool comes back encrypted, stays
    beside the tool call, and goes back with it."""
    with preparing(call, PATH):
        accepted = accept_parameters(call.request, call.model, HANDLER, call.parameters)
        plan = plan_json(call, to_openai_strict)
        fields = _body(call, accepted, plan)
        options, warnings = _options(call, fields)
        body = dump_json(fields | options)
    async with calling(call, explain_error):
        answer = _read(await post_json(pool, call, PATH, body), call, plan)
    answer.warnings = [*accepted.warnings, *plan.warnings, *warnings, *answer.warnings]
    return answer


def _body(call: ProviderCall, accepted: Accepted, plan: JsonPlan) -> dict[str, Any]:
    instructions, items = to_input(call, plan)
    body: dict[str, Any] = {"model": call.model.model_id, "input": items, "store": False}
    if instructions:
        body["instructions"] = instructions
    values = accepted.values
    body |= {name: values[name] for name in ("temperature", "top_p", "max_output_tokens") if name in values}
    if "reasoning_effort" in values:
        body["reasoning"] = {"effort": values["reasoning_effort"]}
    if "tools" in values:
        body["tools"] = to_tools(values["tools"])
        if _reasons(call):
            body["include"] = ["reasoning.encrypted_content"]
        if "tool_choice" in values:
            body["tool_choice"] = to_tool_choice(values["tool_choice"])
    if shape := to_format(call, plan):
        body["text"] = {"format": shape}
    return body


def _reasons(call: ProviderCall) -> bool:
    """Only a model that reasons may be asked for its reasoning; one of which nothing is known is not."""
    return bool(call.model.parameters.get("effort")) or "reasoning" in call.model.capabilities


def _options(call: ProviderCall, body: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The caller's options; those that share an object with our own fields are joined with them."""
    options, warnings = provider_options(call, *_NOT_FOR_CALLERS)
    for name in _MERGED:
        if isinstance(options.get(name), Mapping):
            options[name] = {**body.get(name, {}), **options[name]}
    if isinstance(options.get("include"), list):
        options["include"] = list(dict.fromkeys([*body.get("include", ()), *options["include"]]))
    return options, warnings


def _read(reply: Reply, call: ProviderCall, plan: JsonPlan) -> ProviderAnswer:
    response, request_id = reply.body, reply.request_id
    said, refusal, tool_calls = _read_output(response, call)
    told = _read_usage(response, call)
    finish = _finish(reply, call, told)
    usage = told or estimate_usage(call, said)
    if refusal:
        words = clean_message(refusal, call)
        raise ProviderError(ErrorKind.content_policy, words, status=200, request_id=request_id, usage=usage)
    content: str | None
    if tool_calls:
        finish = "length" if finish == "length" else "tool_calls"
        content = mend_text(said) or None
    else:
        content = restore_json(require_text(said, finish, usage, request_id), plan)
    return ProviderAnswer(
        usage=usage,
        model=response.get("model") or call.model.model_id,
        content=content,
        finish_reason=finish,
        tool_calls=tool_calls or None,
        request_id=request_id,
        warnings=[] if told else [USAGE_ESTIMATED],
    )


def _finish(reply: Reply, call: ProviderCall, told: Usage | None) -> str:
    """`stop` or `length`. Raises ProviderError for a response that came to no good end."""
    response, request_id = reply.body, reply.request_id
    status = response.get("status")
    if failure := response.get("error"):
        raise _failure(failure, call, request_id, told)
    if status == "incomplete":
        reason = (response.get("incomplete_details") or {}).get("reason")
        if reason != "content_filter":
            return "length"
        kind, words = ErrorKind.content_policy, "stopped by the content filter"
    elif status == "completed" or (status is None and response.get("output")):
        return "stop"
    elif status == "failed":
        kind, words = ErrorKind.server_error, "The response failed, and it does not say why"
    else:
        kind, words = ErrorKind.invalid_response, "The answer is not a finished response"
    raise ProviderError(kind, words, status=200, request_id=request_id, usage=told)


def _failure(
    failure: Mapping[str, Any], call: ProviderCall, request_id: str | None, told: Usage | None
) -> ProviderError:
    """An error inside a 200, read as if it had come with the status that belongs to its code."""
    named, code = failure.get("type"), failure.get("code")
    message = str(failure.get("message") or "no message")
    if isinstance(code, int) and 400 <= code < 600:
        status = code
    else:
        status = _STATUS_OF_FAILURE.get(str(code), 400 if code else 500)
    kind = classify(status, str(code) if code else None, named, message)
    words = clean_message(message, call)
    return ProviderError(kind, words, status=200, code=str(code) if code else named, request_id=request_id, usage=told)


def _read_output(response: Mapping[str, Any], call: ProviderCall) -> tuple[str, str | None, list[dict[str, Any]]]:
    """Text, refusal and tool calls. What a model remarks on its way (`commentary`) is the text only if there is no
    other; encrypted reasoning stays beside the tool call that follows it, other reasoning is passed over."""
    final: list[str] = []
    remarks: list[str] = []
    refusal: str | None = None
    tool_calls: list[dict[str, Any]] = []
    thoughts: list[dict[str, Any]] = []
    for item in response.get("output") or ():
        kind = item.get("type")
        if kind == "reasoning" and item.get("encrypted_content"):
            thoughts.append(item)
        elif kind in ("function_call", "custom_tool_call"):
            tool_calls.append(
                _tool_call(item) | ({"extra_content": keep_reasoning(thoughts, call)} if thoughts else {})
            )
            thoughts = []
        elif kind == "message":
            texts = remarks if item.get("phase") == "commentary" else final
            for part in item.get("content") or ():
                if part.get("type") == "refusal":
                    refusal = part.get("refusal") or "refused"
                elif part.get("type") == "output_text":
                    texts.append(part.get("text") or "")
    return "".join(final) or "".join(remarks), refusal, tool_calls


def _tool_call(item: Mapping[str, Any]) -> dict[str, Any]:
    arguments = mend_text(item.get("arguments") or item.get("input") or "{}")
    return {"id": item["call_id"], "type": "function", "function": {"name": item["name"], "arguments": arguments}}


def _read_usage(response: Mapping[str, Any], call: ProviderCall) -> Usage | None:
    told = response.get("usage")
    if told is None:
        return None
    read, written = told.get("input_tokens_details"), told.get("output_tokens_details")
    return Usage(
        prompt_tokens=count(told, "input_tokens"),
        completion_tokens=count(told, "output_tokens"),
        cached_tokens=count(read, "cached_tokens"),
        cache_write_tokens=count(read, "cache_write_tokens"),
        reasoning_tokens=count(written, "reasoning_tokens"),
        service_tier=find_tier(call, response.get("service_tier")),
    )
