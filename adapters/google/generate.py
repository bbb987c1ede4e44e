"""Text by `:generateContent`."""

from contextlib import aclosing
from typing import Any

from adapters.answers import (
    GO_ON,
    USAGE_ESTIMATED,
    JsonPlan,
    estimate_tokens,
    plan_json,
    provider_options,
    require_text,
    restore_json,
    system_text,
    text_of,
    warn_of_going_on,
)
from adapters.google.answers import read_candidate, read_text, read_usage, request_id_of, to_tool_call
from adapters.google.client import NOT_FOR_CALLERS, SEEDS, call_options, google_client
from adapters.google.contents import to_contents, to_tool_config, to_tools
from adapters.google.errors import explain_error
from adapters.google.stream import gather_reply
from adapters.pool import ProviderPool
from adapters.schemas import to_google
from adapters.transport import calling, preparing
from adapters.wording import mend_text
from core.acceptance import Accepted, accept_parameters
from core.provider import ProviderAnswer, ProviderCall

HANDLER = "google.generate_content"
PATH = ":generateContent"
# Gemini 4 gives no more than this in one piece; what may become longer is streamed.
STREAMED_ABOVE_TOKENS = 32_768
_LEVELS = {
    "none": "MINIMAL",
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "XHIGH",
    "max": "XHIGH",
}
_BUDGETS = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 32_768, "max": 32_768}


async def generate_content(pool: ProviderPool, call: ProviderCall) -> ProviderAnswer:
    """One generation, never continued; streamed on the wire when it may become long, whole for the caller."""
    from google.genai import types

    with preparing(call, PATH):
        accepted = accept_parameters(call.request, call.model, HANDLER, call.parameters)
        plan = plan_json(call, to_google)
        options, warnings = provider_options(call, *NOT_FOR_CALLERS)
        config = types.GenerateContentConfig(**{**_config(call, accepted, plan), **options})
        contents, asked = _contents(call, plan)
        given: dict[str, Any] = {"model": call.model.model_id, "config": config}
        given["contents"] = [types.Content(**one) for one in contents]
    models = google_client(pool, call.base_url).models
    async with calling(call, explain_error):
        if _may_be_long(call, accepted):
            async with aclosing(await models.generate_content_stream(**given)) as chunks:  # type: ignore[type-var]
                reply = await gather_reply(chunks)
        else:
            reply = await models.generate_content(**given)
        answer = _read(reply, call, plan)
    answer.warnings = [*accepted.warnings, *plan.warnings, *asked, *warnings, *answer.warnings]
    return answer


def _may_be_long(call: ProviderCall, accepted: Accepted) -> bool:
    """By the limit that was asked for; without one by the model's own, where the catalog says that the model gives
    less in one piece (`streamed_above`)."""
    said = call.model.parameters.get("streamed_above")
    asked = accepted.values.get("max_output_tokens")
    if asked is None:
        return said is not None and (call.model.max_output_tokens or 0) > said
    return bool(asked > (STREAMED_ABOVE_TOKENS if said is None else said))


def _contents(call: ProviderCall, plan: JsonPlan) -> tuple[list[dict[str, Any]], list[str]]:
    """Gemini wants at least one turn; system words alone become it. The newest want the last to be the user's."""
    contents = to_contents(call)
    if not contents:
        return [{"role": "user", "parts": [{"text": system_text(call, plan.instruction) or " "}]}], []
    if contents[-1]["role"] == "user" or call.model.parameters.get("prefill") not in (False, "no"):
        return contents, []
    return [*contents, {"role": "user", "parts": [{"text": GO_ON}]}], [warn_of_going_on(call)]


def _config(call: ProviderCall, accepted: Accepted, plan: JsonPlan) -> dict[str, Any]:
    values = accepted.values
    config: dict[str, Any] = {
        "system_instruction": system_text(call, plan.instruction),
        "automatic_continuation": False,
        "automatic_function_calling": {"disable": True},
        "http_options": call_options(call),
    }
    for name in ("temperature", "top_p", "max_output_tokens"):
        if name in values:
            config[name] = values[name]
    if "seed" in values:
        config["seed"] = values["seed"] % SEEDS
    if (stop := values.get("stop")) is not None:
        config["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if effort := values.get("reasoning_effort"):
        config["thinking_config"] = _thinking(effort, call)
    if tools := values.get("tools"):
        config["tools"] = to_tools(tools)
        if choice := values.get("tool_choice"):
            config["tool_config"] = to_tool_config(choice)
    if plan.mode != "text":
        config["response_mime_type"] = "application/json"
    if plan.mode == "schema" and plan.converted is not None and plan.converted.schema:
        config["response_json_schema"] = plan.converted.schema
    return config


def _thinking(effort: str, call: ProviderCall) -> dict[str, Any]:
    if call.model.parameters.get("thinking") == "budget":
        return {"thinking_budget": _BUDGETS[effort]}
    return {"thinking_level": _LEVELS[effort]}


def _read(reply: Any, call: ProviderCall, plan: JsonPlan) -> ProviderAnswer:
    usage = read_usage(reply, call)
    parts, finish = read_candidate(reply, usage)
    warnings = []
    if reply.usage_metadata is None:
        texts = [system_text(call) or "", *(text_of(turn) for turn in call.request.turns if turn.role != "system")]
        usage.prompt_tokens, usage.completion_tokens = estimate_tokens(*texts), estimate_tokens(read_text(parts))
        warnings.append(USAGE_ESTIMATED)
    request_id = request_id_of(reply)
    called = [part for part in parts if part.function_call]
    tool_calls = [to_tool_call(part, reply.response_id, place) for place, part in enumerate(called)] or None
    content: str | None
    if tool_calls:
        finish = "length" if finish == "length" else "tool_calls"
        content = mend_text(read_text(parts)) or None
    else:
        content = restore_json(require_text(read_text(parts), finish, usage, request_id), plan)
    return ProviderAnswer(
        usage=usage,
        model=reply.model_version or call.model.model_id,
        content=content,
        finish_reason=finish,
        tool_calls=tool_calls,
        request_id=request_id,
        warnings=warnings,
    )
