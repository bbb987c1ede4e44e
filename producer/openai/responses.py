"""`POST /v1/responses`: a request in, a Response out, whatever state its job is in."""

from collections.abc import Mapping, Sequence
from typing import Any

from core.presenting import present_result
from producer.openai.asking import Asked, about_job, object_of, only, priority_of, said
from producer.openai.errors import Refusal
from producer.openai.ids import response_id
from producer.openai.items import output_items, read_items

_SAME = ("model", "metadata", "temperature", "top_p", "max_output_tokens")
_STATUSES = {
    "waiting": "queued",
    "queued": "queued",
    "in_progress": "in_progress",
    "cancelling": "in_progress",
    "completed": "completed",
    "failed": "failed",
    "expired": "failed",
    "cancelled": "cancelled",
}
_CALLERS_FAULTS = ("invalid_request", "context_length", "content_policy")


def read_response(body: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]] = ()) -> Asked:
    """The body of a response, whose parameters are known. `earlier`: the turns before. Raises Refusal."""
    messages, places = read_items(body["input"])
    names = {_moved(path, len(earlier)): place for path, place in places.items()}
    fields = {"kind": "text", **said(body, *_SAME), **priority_of(body), "messages": [*earlier, *messages]}
    if body.get("instructions") is not None:
        fields["system"] = body["instructions"]
        names["system"] = "instructions"
    reasoning = object_of(body, "reasoning")
    only(reasoning, "reasoning", "effort")
    if reasoning.get("effort") is not None:
        fields["reasoning_effort"] = reasoning["effort"]
        names["reasoning_effort"] = "reasoning.effort"
    if tools := body.get("tools"):
        if not isinstance(tools, list):
            raise Refusal("'tools' is a list.", "tools", "invalid_type")
        fields["tools"] = [_read_tool(tool) for tool in tools]
        names |= {f"tools.{place}.function": f"tools.{place}" for place, _ in enumerate(tools)}
    if body.get("tool_choice") is not None and (tools or body["tool_choice"] != "auto"):
        fields["tool_choice"] = _read_choice(body["tool_choice"])
    if shape := _read_format(body):
        fields["response_format"] = shape
        names |= {"response_format": "text.format", "response_format.json_schema": "text.format"}
    only(object_of(body, "stream_options"), "stream_options", "include_obfuscation")
    return Asked(fields, names)


def _moved(path: str, by: int) -> str:
    head, number, *rest = path.split(".")
    return ".".join([head, str(int(number) + by), *rest])


def _read_tool(tool: Any) -> Any:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        return tool
    return {"type": "function", "function": {name: one for name, one in tool.items() if name != "type"}}


def _read_choice(choice: Any) -> Any:
    if isinstance(choice, dict) and choice.get("type") == "function":
        return {"type": "function", "function": {"name": choice.get("name")}}
    return choice


def _read_format(body: Mapping[str, Any]) -> dict[str, Any] | None:
    text = object_of(body, "text")
    only(text, "text", "format", "verbosity")
    if text.get("verbosity") not in (None, "medium"):
        message = "Unsupported parameter: 'text.verbosity' is not supported here: only OpenAI knows it."
        raise Refusal(message, "text.verbosity", "unsupported_parameter")
    shape = object_of(text, "format")
    if shape.get("type") != "json_schema":
        return dict(shape) or None
    return {"type": "json_schema", "json_schema": {name: one for name, one in shape.items() if name != "type"}}


def conversation_of(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The turns of a completed text job, its answer last. Its instructions are not carried over, as with OpenAI."""
    asked, result = row["request"], row["result"]
    turns = asked.get("messages") or [{"role": "user", "content": asked.get("prompt", "")}]
    answer: dict[str, Any] = {"role": "assistant", "content": result["content"]}
    if result.get("tool_calls"):
        answer["tool_calls"] = result["tool_calls"]
    return [*turns, answer]


def present_response(row: Mapping[str, Any]) -> dict[str, Any]:
    """A text job's row (of `read_job`) as a Response."""
    asked, result = row["request"], present_result(row)
    finished = row["finished_at"]
    cut = result is not None and result.get("finish_reason") == "length"
    return {
        "id": response_id(row["id"]),
        "object": "response",
        "created_at": int(row["created_at"].timestamp()),
        "completed_at": int(finished.timestamp()) if result is not None else None,
        "status": "incomplete" if cut else _STATUSES[row["state"]],
        "error": _error(row),
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "instructions": asked.get("system"),
        "max_output_tokens": asked.get("max_output_tokens"),
        "metadata": row["metadata"],
        "model": result["model"] if result else asked["model"],
        "output": output_items(row["id"], result) if result else [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": asked.get("reasoning_effort"), "summary": None},
        "temperature": asked.get("temperature"),
        "text": {"format": _present_format(asked.get("response_format"))},
        "tool_choice": _present_choice(asked.get("tool_choice")),
        "tools": [{"type": "function", "strict": None, **tool["function"]} for tool in asked.get("tools") or ()],
        "top_p": asked.get("top_p"),
        "truncation": "disabled",
        "usage": _present_usage(result["usage"]) if result else None,
        "factory": about_job(row["id"], result) if result else {"job_id": row["id"]},
    }


def _error(row: Mapping[str, Any]) -> dict[str, str] | None:
    """OpenAI's few codes; the factory's own kind stands before the message."""
    if row["state"] not in ("failed", "expired"):
        return None
    failure = row["error"] or {"kind": row["state"], "message": f"the job is {row['state']}"}
    code = "invalid_prompt" if failure["kind"] in _CALLERS_FAULTS else "server_error"
    return {"code": code, "message": f"{failure['kind']}: {failure['message']}"}


def _present_format(shape: Mapping[str, Any] | None) -> dict[str, Any]:
    if shape is None:
        return {"type": "text"}
    return {"type": shape["type"], **shape.get("json_schema", {})}


def _present_choice(choice: Any) -> Any:
    if isinstance(choice, dict):
        return {"type": "function", "name": choice["function"]["name"]}
    return choice or "auto"


def _present_usage(usage: Mapping[str, int]) -> dict[str, Any]:
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {
            "cached_tokens": usage.get("cached_tokens", 0),
            "cache_write_tokens": usage.get("cache_write_tokens", 0),
        },
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": usage.get("reasoning_tokens", 0)},
        "total_tokens": usage["total_tokens"],
    }
