"""OpenAI's `POST /responses`. Nothing is stored, whatever `store` says."""

import hashlib
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from adapters.emulator.bending import bend
from adapters.emulator.faults import Fault
from adapters.emulator.instances import InstanceMaker
from adapters.emulator.openai_events import stream_events
from adapters.emulator.openai_input import ReadInput, read_input, seal_reasoning
from adapters.emulator.openai_rules import Family
from adapters.emulator.openai_wire import (
    CREATED,
    PICTURE_TOKENS,
    check_cap,
    check_effort,
    check_fields,
    check_function,
    check_key,
    check_sampling,
    check_schema,
    check_window,
    invalid,
    read_text_model,
    served_tier,
)
from adapters.emulator.prose import count_tokens, cut_tokens, write_prose
from adapters.emulator.wire import Emulator, Prepared, describe_pictures, json_response, request_id

FIELDS = frozenset(
    "access_programs background background_options context_management conversation image include input instructions "
    "max_output_tokens max_tool_calls metadata model moderation parallel_tool_calls previous_response_id prompt "
    "prompt_cache_key prompt_cache_options prompt_cache_retention reasoning safety_identifier service_tier store stream "
    "stream_options temperature text tool_choice tools top_logprobs top_p truncation user".split()
)
MOVED = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
}
REASONING_FIELDS = ("effort", "summary", "generate_summary", "context", "mode")
INCLUDABLE = frozenset(
    "file_search_call.results web_search_call.results web_search_call.action.sources message.input_image.image_url "
    "computer_call_output.output.image_url code_interpreter_call.outputs reasoning.encrypted_content "
    "message.output_text.logprobs".split()
)
SEALED = "reasoning.encrypted_content"
LEAST_OUTPUT = 16


class Responses:
    """The endpoint; `prepare` is for `Emulator.call`."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def prepare(self, request: Request, body: dict[str, Any]) -> Prepared:
        check_key(request)
        model, family, asked = read_text_model(body)
        _check(body, family)
        read = read_input(body)
        schema_text = json.dumps(body.get("text") or {}) + json.dumps(body.get("tools") or [])
        tokens = count_tokens(read.text) + PICTURE_TOKENS * len(read.pictures) + 3 + count_tokens(schema_text) // 2
        check_window(tokens, family, "input")

        async def respond(fault: Fault | None) -> Response:
            whole = self._respond(body, model, family, read, tokens, fault.name if fault else "")
            headers = {"x-request-id": request_id("openai", body), "openai-processing-ms": "12"}
            if body.get("stream"):
                return StreamingResponse(stream_events(whole), headers=headers, media_type="text/event-stream")
            return json_response(whole, headers=headers)

        return Prepared(model, asked, read.text, "text", respond)

    def _respond(
        self, body: dict[str, Any], model: str, family: Family, read: ReadInput, tokens: int, bent: str
    ) -> dict[str, Any]:
        digest = hashlib.sha256(f"{model}{read.text}".encode()).hexdigest()
        reasoning = 0
        if family.reasons and (body.get("reasoning") or {}).get("effort") != "none":
            reasoning = 16 + hashlib.sha256(read.text.encode()).digest()[0] % 48
        item, finished = _item(body, model, read, bent, digest)
        written = _words(item)
        cap = body.get("max_output_tokens")
        if cap is not None and item["type"] == "message" and count_tokens(written) + reasoning > cap:
            reasoning, finished = min(reasoning, cap), False
            written = cut_tokens(written, cap - reasoning)
            item |= {"status": "incomplete", "content": [_output_text(written)] if written else []}
        sealed = {"encrypted_content": seal_reasoning(digest)} if SEALED in (body.get("include") or ()) else {}
        thought = [{"type": "reasoning", "id": f"rs_{digest[:24]}", "summary": [], **sealed}] if reasoning else []
        spent = count_tokens(written) + reasoning
        return _echo(body) | {
            "id": f"resp_{digest[:24]}",
            "object": "response",
            "created_at": CREATED,
            "status": "completed" if finished else "incomplete",
            "error": None,
            "incomplete_details": None if finished else {"reason": "max_output_tokens"},
            "model": model,
            "output": [*thought, item] if item.get("content") != [] else thought,
            "usage": {
                "input_tokens": tokens,
                "input_tokens_details": {
                    "cached_tokens": self._emulator.cached_tokens(read.text, tokens),
                    "cache_write_tokens": 0,
                },
                "output_tokens": spent,
                "output_tokens_details": {"reasoning_tokens": reasoning},
                "total_tokens": tokens + spent,
            },
        }


def _check(body: dict[str, Any], family: Family) -> None:
    for name, place in MOVED.items():
        if name in body:
            raise invalid(
                f"Unsupported parameter: '{name}'. In the Responses API, this parameter has moved to '{place}'.",
                code="unsupported_parameter", param=name,
            )  # fmt: skip
    check_fields(body, FIELDS)
    _check_what_is_kept(body)
    _check_include(body, family)
    effort = _read_effort(body, family)
    check_sampling(body, family, effort, ("temperature", "top_p"))
    check_cap(body.get("max_output_tokens"), family, "max_output_tokens", LEAST_OUTPUT)
    if not isinstance(body.get("instructions"), str | None):
        raise invalid("Invalid type for 'instructions': expected a string.", code="invalid_type", param="instructions")
    _check_tools(body)
    _check_format(body, family)


def _check_what_is_kept(body: dict[str, Any]) -> None:
    if named := body.get("previous_response_id"):
        message = f"Previous response with id '{named}' not found."
        raise invalid(message, code="previous_response_not_found", param="previous_response_id")
    for name in ("background", "conversation", "prompt"):
        if body.get(name):
            raise invalid(f"The emulator keeps nothing, so it takes no '{name}'.", param=name)


def _check_include(body: dict[str, Any], family: Family) -> None:
    named = body.get("include") or ()
    if unknown := [one for one in named if one not in INCLUDABLE]:
        raise invalid(f"Invalid value: '{unknown[0]}'.", code="invalid_value", param="include[0]")
    if SEALED in named and not family.reasons:
        raise invalid("Encrypted content is not supported with this model.", param="include")


def _read_effort(body: dict[str, Any], family: Family) -> str | None:
    reasoning = body.get("reasoning")
    if reasoning is None:
        return None
    if not isinstance(reasoning, dict):
        raise invalid("Invalid type for 'reasoning': expected an object.", code="invalid_type", param="reasoning")
    for name in reasoning.keys() - set(REASONING_FIELDS):
        message = f"Unknown parameter: 'reasoning.{name}'."
        raise invalid(message, code="unknown_parameter", param=f"reasoning.{name}")
    effort: str | None = reasoning.get("effort")
    check_effort(effort, family.responses_efforts, family, "reasoning.effort")
    return effort


def _check_tools(body: dict[str, Any]) -> None:
    tools, choice = body.get("tools") or [], body.get("tool_choice", "auto")
    for place, tool in enumerate(tools):
        where = f"tools[{place}]"
        if not isinstance(tool, dict) or tool.get("type") != "function":
            raise invalid(f"Invalid value for '{where}.type': functions alone are emulated.", param=f"{where}.type")
        for name in ("name", "parameters"):
            if name not in tool:
                raise _missing(f"{where}.{name}")
        check_function(tool, where, strict=tool.get("strict") is True)
    if isinstance(choice, dict):
        if "name" not in choice:
            raise _missing("tool_choice.name")
        if choice["name"] not in [tool["name"] for tool in tools]:
            raise invalid("Tool choice 'function' not found in 'tools' parameter.", param="tool_choice")
    elif choice not in ("auto", "none", "required"):
        raise invalid(f"Invalid value: '{choice}'.", code="invalid_value", param="tool_choice")
    elif choice == "required" and not tools:
        raise invalid("Tool choice 'required' must be specified with 'tools' parameter.", param="tool_choice")


def _check_format(body: dict[str, Any], family: Family) -> None:
    said = body.get("text") or {}
    for name in said.keys() - {"format", "verbosity"}:
        raise invalid(f"Unknown parameter: 'text.{name}'.", code="unknown_parameter", param=f"text.{name}")
    shape = said.get("format") or {"type": "text"}
    kind = shape.get("type")
    if kind not in ("text", "json_object", "json_schema"):
        raise invalid(f"Invalid value: '{kind}'.", code="invalid_value", param="text.format.type")
    if kind != "text" and not family.structured:
        message = f"Invalid parameter: 'text.format' of type '{kind}' is not supported with this model."
        raise invalid(message, param="text.format")
    if kind == "json_object" and "json" not in json.dumps(body.get("input")).lower():
        raise invalid(
            "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'.",
            param="input",
        )  # fmt: skip
    if kind == "json_schema":
        for name in ("name", "schema"):
            if name not in shape:
                raise _missing(f"text.format.{name}")
        check_schema(shape, "text.format", blamed="text.format.schema")


def _missing(param: str) -> Exception:
    return invalid(f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param)


def _item(body: dict[str, Any], model: str, read: ReadInput, bent: str, digest: str) -> tuple[dict[str, Any], bool]:
    """What the model puts out, and whether it came to its end."""
    call = None if bent else _function_call(body, read)
    if call is not None:
        return call, True
    message = {"type": "message", "id": f"msg_{digest[:24]}", "status": "completed", "role": "assistant"}
    if bent == "refusal":
        return message | {"content": [{"type": "refusal", "refusal": "I'm sorry, I can't help with that."}]}, True
    content, finish = bend(_write(body, model, read), bent)
    status = "completed" if finish == "stop" else "incomplete"
    return message | {"status": status, "content": [_output_text(content)]}, finish == "stop"


def _write(body: dict[str, Any], model: str, read: ReadInput) -> str:
    shape = (body.get("text") or {}).get("format") or {"type": "text"}
    if shape["type"] == "json_schema":
        return json.dumps(InstanceMaker(shape["schema"], read.text).make(), ensure_ascii=False)
    if shape["type"] == "json_object":
        return json.dumps({"title": "The Lamp at Four", "text": write_prose(read.text, model)}, ensure_ascii=False)
    told = f" The tool said: {read.tool_result}" if read.tool_result is not None else ""
    return write_prose(read.text, model) + describe_pictures(read.pictures) + told


def _function_call(body: dict[str, Any], read: ReadInput) -> dict[str, Any] | None:
    tools = {tool["name"]: tool for tool in body.get("tools") or ()}
    choice = body.get("tool_choice", "auto")
    if not tools or choice == "none" or (read.tool_result is not None and choice == "auto"):
        return None
    named = choice["name"] if isinstance(choice, dict) else next((one for one in tools if one in read.text), None)
    if named is None and choice == "required":
        named = next(iter(tools))
    if named is None:
        return None
    arguments = json.dumps(InstanceMaker(tools[named]["parameters"] or {"type": "object"}, read.text).make())
    digest = hashlib.sha256(f"{named}{read.text}".encode()).hexdigest()[:20]
    call = {"type": "function_call", "id": f"fc_{digest}", "call_id": f"call_{digest}", "status": "completed"}
    return call | {"name": named, "arguments": arguments}


def _output_text(words: str) -> dict[str, Any]:
    return {"type": "output_text", "text": words, "annotations": [], "logprobs": []}


def _words(item: dict[str, Any]) -> str:
    if item["type"] == "function_call":
        return json.dumps(item)
    (part,) = item["content"]
    return str(part.get("text", part.get("refusal")))


def _echo(body: dict[str, Any]) -> dict[str, Any]:
    """What the API repeats of the request."""
    usual: dict[str, Any] = {
        "background": False, "instructions": None, "max_output_tokens": None, "max_tool_calls": None, "metadata": {},
        "parallel_tool_calls": True, "previous_response_id": None, "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None}, "safety_identifier": None,
        "store": True, "temperature": 1.0, "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto", "tools": [], "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled", "user": None,
    }  # fmt: skip
    return {name: body.get(name, value) for name, value in usual.items()} | {"service_tier": served_tier(body)}
