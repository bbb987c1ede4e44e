"""Text by `:generateContent`."""

from typing import Any

from adapters.answers import JsonPlan, plan_json, provider_options, require_text, restore_json, system_text
from adapters.google.answers import read_candidate, read_text, read_usage, request_id_of, to_tool_call
from adapters.google.client import call_options, google_client
from adapters.google.contents import to_contents, to_tool_config, to_tools
from adapters.google.errors import explain_error
from adapters.pool import ProviderPool
from adapters.schemas import to_google
from adapters.transport import calling, preparing
from adapters.wording import mend_text
from core.acceptance import Accepted, accept_parameters
from core.provider import ProviderAnswer, ProviderCall

HANDLER = "google.generate_content"
PATH = ":generateContent"
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
    """One generation, not streamed and not continued."""
    from google.genai import types

    with preparing(call, PATH):
        accepted = accept_parameters(call.request, call.model, HANDLER, call.parameters)
        plan = plan_json(call, to_google)
        options, warnings = provider_options(call)
        config = types.GenerateContentConfig(**{**_config(call, accepted, plan), **options})
        contents: list[Any] = [types.Content(**one) for one in _contents(call, plan)]
    async with calling(call, explain_error):
        reply = await google_client(pool, call.base_url).models.generate_content(
            model=call.model.model_id, contents=contents, config=config
        )
        answer = _read(reply, call, plan)
    answer.warnings = [*accepted.warnings, *plan.warnings, *warnings, *answer.warnings]
    return answer


def _contents(call: ProviderCall, plan: JsonPlan) -> list[dict[str, Any]]:
    """Gemini wants at least one turn; system words alone become it."""
    alone = [{"role": "user", "parts": [{"text": system_text(call, plan.instruction) or " "}]}]
    return to_contents(call) or alone


def _config(call: ProviderCall, accepted: Accepted, plan: JsonPlan) -> dict[str, Any]:
    values = accepted.values
    config: dict[str, Any] = {
        "system_instruction": system_text(call, plan.instruction),
        "automatic_continuation": False,
        "automatic_function_calling": {"disable": True},
        "http_options": call_options(call),
    }
    for name in ("temperature", "top_p", "seed", "max_output_tokens"):
        if name in values:
            config[name] = values[name]
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
    usage = read_usage(reply)
    parts, finish = read_candidate(reply, usage)
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
    )
