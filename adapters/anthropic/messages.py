"""Text by `POST /v1/messages`."""

from collections.abc import Mapping
from typing import Any, cast

from adapters.answers import GO_ON, JsonPlan, plan_json, provider_options, system_text, warn_of_going_on
from adapters.anthropic.answers import read_message
from adapters.anthropic.client import anthropic_client, call_options
from adapters.anthropic.conversation import to_tool_choice, to_tools, to_turns
from adapters.anthropic.errors import explain_error
from adapters.anthropic.stream import gather_message
from adapters.anthropic.thinking import Thinking, plan_thinking
from adapters.pool import ProviderPool
from adapters.schemas import to_anthropic
from adapters.transport import calling, preparing
from core.acceptance import accept_parameters
from core.jsonio import load_json
from core.provider import ProviderAnswer, ProviderCall

HANDLER = "anthropic.messages"
PATH = "/v1/messages"
# What is asked for when neither the request nor the catalog names a limit: the API insists on one.
DEFAULT_MAX_TOKENS = 16_384
# Longer answers are streamed: written in one piece, they leave the connection silent for minutes, and what stands
# between us and the provider closes silent connections.
STREAMED_ABOVE_TOKENS = 20_000
_JSON = "Answer with JSON and with nothing else."


async def create_message(pool: ProviderPool, call: ProviderCall) -> ProviderAnswer:
    """One message; streamed on the wire when it may become long, whole for the caller."""
    with preparing(call, PATH):
        accepted = accept_parameters(call.request, call.model, HANDLER, call.parameters)
        plan = _plan_json(call)
        options, warnings = provider_options(call, "inference_geo")
        max_tokens = accepted.values.get("max_output_tokens") or call.model.max_output_tokens or DEFAULT_MAX_TOKENS
        thinking = plan_thinking(call, accepted.values, max_tokens)
        turns, asked = _turns(call, plan, thinking)
        warnings = [*accepted.warnings, *plan.warnings, *thinking.warnings, *asked, *warnings]
        body = {"model": call.model.model_id, "max_tokens": max_tokens, "messages": turns}
        body |= _body(call, accepted.values, plan, thinking)
        body |= _body_of_options(body, options)
    async with calling(call, explain_error):
        message, request_id = await _send(pool, call, body)
        answer = read_message(message, call, plan, request_id)
    answer.warnings = [*warnings, *answer.warnings]
    return answer


async def _send(pool: ProviderPool, call: ProviderCall, body: dict[str, Any]) -> tuple[Any, str | None]:
    """The message as the body has it, and the request's id. A key of the body that the SDK's method does not know,
    such as temperature, is the API's to refuse: all that is not required goes as `extra_body`."""
    from anthropic import AsyncStream

    known = {name: body.pop(name) for name in ("model", "max_tokens", "messages")}
    sampling = bool(body.keys() & {"temperature", "top_p", "top_k"})
    given: dict[str, Any] = {**known, "extra_body": body, **call_options(call, sampling=sampling)}
    messages = cast("Any", anthropic_client(pool, call.base_url)).messages
    if known["max_tokens"] <= STREAMED_ABOVE_TOKENS:
        reply = (await messages.with_raw_response.create(**given)).http_response
        return load_json(reply.content), reply.headers.get("request-id")
    async with messages.with_streaming_response.create(**given, stream=True) as response:
        reply = response.http_response
        if "event-stream" in reply.headers.get("content-type", ""):
            message = await gather_message(AsyncStream.raw_events(reply), reply.headers, call)
        else:
            message = load_json(await reply.aread())
        return message, reply.headers.get("request-id")


def _plan_json(call: ProviderCall) -> JsonPlan:
    """Claude has schemas but no JSON mode: where no schema binds it, words must do."""
    plan = plan_json(call, to_anthropic)
    if call.request.wants_json and call.request.output_schema is None:
        plan.instruction = _JSON
    return plan


def _turns(call: ProviderCall, plan: JsonPlan, thinking: Thinking) -> tuple[list[dict[str, Any]], list[str]]:
    """Claude wants at least one turn; system words alone become it."""
    turns = to_turns(call, thoughts=thinking.active)
    if not turns:
        return [{"role": "user", "content": system_text(call) or " "}], []
    refused = call.model.parameters.get("prefill") in (False, "no")
    if turns[-1]["role"] == "user" or not (refused or plan.mode == "schema"):
        return turns, []
    return [*turns, {"role": "user", "content": GO_ON}], [warn_of_going_on(call)]


def _body(call: ProviderCall, values: Mapping[str, Any], plan: JsonPlan, thinking: Thinking) -> dict[str, Any]:
    body: dict[str, Any] = {name: values[name] for name in ("temperature", "top_p") if name in values}
    if system := system_text(call, plan.instruction):
        body["system"] = system
    if (stop := values.get("stop")) is not None:
        body["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if tools := values.get("tools"):
        body["tools"] = to_tools(tools)
        if choice := values.get("tool_choice"):
            body["tool_choice"] = to_tool_choice(choice)
    if thinking.said is not None:
        body["thinking"] = thinking.said
    output: dict[str, Any] = {"effort": thinking.effort} if thinking.effort else {}
    if plan.mode == "schema" and plan.converted is not None:
        output["format"] = {"type": "json_schema", "schema": plan.converted.schema}
    if output:
        body["output_config"] = output
    if call.endpoint.region == "us" and call.model.provider == "anthropic":
        body["inference_geo"] = "us"
    return body


def _body_of_options(body: Mapping[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """The caller's `output_config` goes beside the schema's, not in its place."""
    ours, theirs = body.get("output_config"), options.get("output_config")
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return {**options, "output_config": {**theirs, **ours}}
    return options
