"""The fields of a request to Claude, checked as Anthropic does."""

import re
from collections.abc import Mapping
from typing import Any

from adapters.emulator.anthropic_rules import EFFORTS, NEWEST, Family, find_schema_fault
from adapters.emulator.anthropic_turns import Asked
from adapters.emulator.anthropic_wire import invalid

_FIELDS = frozenset(
    "model max_tokens messages cache_control container diagnostics inference_geo metadata output_config service_tier "
    "speed stop_sequences stream system thinking tool_choice tools".split()
)
_SAMPLING = ("temperature", "top_p", "top_k")


def check_body(body: Mapping[str, Any], asked: Asked, model: str, family: Family, version: str) -> None:
    """Raises Refused for the first thing that Anthropic would refuse."""
    sampled = _SAMPLING if version != NEWEST else ()
    for name in sorted(body.keys() - _FIELDS - set(sampled)):
        raise invalid(f"{name}: Extra inputs are not permitted")
    most = body.get("max_tokens")
    if most is None:
        raise invalid("max_tokens: Field required")
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise invalid("max_tokens: Input should be greater than or equal to 1")
    if most > family.output:
        raise invalid(f"max_tokens: {most} > {family.output}, which is the most that {model} gives")
    if body.get("inference_geo") not in (None, "global", "us"):
        raise invalid("inference_geo: Input should be 'global' or 'us'")
    for life in find_lives(body):
        if life not in ("5m", "1h"):
            raise invalid("cache_control.ephemeral.ttl: Input should be '5m' or '1h'")
    _check_stops(body.get("stop_sequences"))
    _check_thinking(body, asked, family)
    _check_output(body, family)
    _check_sampling(body, family)
    _check_tools(body, family)
    _check_prefill(body, asked, family)


def thinks(body: Mapping[str, Any], family: Family) -> bool:
    """Whether there will be thoughts before the answer."""
    return family.always_thinks or (body.get("thinking") or {}).get("type") in ("adaptive", "enabled")


def find_lives(node: Any) -> set[str]:
    """How long the cache entries shall live that are asked for anywhere in the body; 5m unless said."""
    if isinstance(node, list):
        return set().union(*map(find_lives, node))
    if not isinstance(node, dict):
        return set()
    said = node.get("cache_control")
    own = {str(said.get("ttl", "5m"))} if isinstance(said, dict) else set()
    return own.union(*map(find_lives, node.values()))


def _check_stops(stops: Any) -> None:
    if stops is None:
        return
    if not isinstance(stops, list) or not all(isinstance(one, str) for one in stops):
        raise invalid("stop_sequences: Input should be a valid list of strings")
    if not all(one.strip() for one in stops):
        raise invalid("stop_sequences: each stop sequence must contain non-whitespace")


def _check_thinking(body: Mapping[str, Any], asked: Asked, family: Family) -> None:
    if "thinking" not in body:
        return
    thinking = body["thinking"] if isinstance(body["thinking"], dict) else {}
    kind = thinking.get("type")
    if kind not in family.thinking:
        raise invalid(f'thinking.type: "{kind}" is not supported for this model. It takes {", ".join(family.thinking)}')
    if kind != "enabled":
        return
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int) or budget < 1024:
        raise invalid("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    if budget >= body["max_tokens"]:
        raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`")
    if asked.thoughtless_call:
        raise invalid("messages: Expected `thinking` or `redacted_thinking`, but found `tool_use`")


def _check_output(body: Mapping[str, Any], family: Family) -> None:
    output = body.get("output_config")
    if output is None:
        return
    for name in sorted(output.keys() - {"effort", "format"}):
        raise invalid(f"output_config.{name}: Extra inputs are not permitted")
    effort, form = output.get("effort"), output.get("format")
    if effort is not None and not family.effort:
        raise invalid("output_config.effort: This model does not support the effort parameter.")
    if effort is not None and effort not in EFFORTS:
        raise invalid(f"output_config.effort: Input should be one of {', '.join(EFFORTS)}")
    if form is None:
        return
    if form.get("type") != "json_schema":
        raise invalid("output_config.format.type: Input should be 'json_schema'")
    if fault := find_schema_fault(form.get("schema")):
        raise invalid(f"output_config.format.schema: {fault}")


def _check_sampling(body: Mapping[str, Any], family: Family) -> None:
    given = [name for name in _SAMPLING if body.get(name) is not None]
    if not given:
        return
    if not family.sampling and body.get("temperature", 1) != 1:
        raise invalid("temperature: only the default value is accepted by this model")
    if not family.sampling and given != ["temperature"]:
        raise invalid(f"{given[-1]}: only the default value is accepted by this model")
    if not 0 <= body.get("temperature", 1) <= 1:
        raise invalid("temperature: Input should be less than or equal to 1")
    if {"temperature", "top_p"} <= set(given):
        raise invalid("`temperature` and `top_p` cannot both be specified for this model")
    if thinks(body, family) and body.get("temperature", 1) != 1:
        raise invalid("`temperature` may only be set to 1 when thinking is enabled")


def _check_tools(body: Mapping[str, Any], family: Family) -> None:
    tools, choice = body.get("tools") or [], body.get("tool_choice")
    for place, tool in enumerate(tools):
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", str(tool.get("name"))):
            raise invalid(f"tools.{place}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        if tool.get("type") in (None, "custom") and (tool.get("input_schema") or {}).get("type") != "object":
            raise invalid(f"tools.{place}.custom.input_schema.type: Input should be 'object'")
    if choice is None:
        return
    if not tools:
        raise invalid("tool_choice: may only be specified while providing tools")
    kind = choice.get("type")
    if kind not in ("auto", "any", "tool", "none"):
        raise invalid("tool_choice.type: Input should be one of auto, any, tool, none")
    if kind in ("auto", "none"):
        return
    if not family.forced_tools:
        raise invalid(f'tool_choice.type: "{kind}" is not supported for this model')
    if (body.get("thinking") or {}).get("type") in ("adaptive", "enabled"):
        raise invalid("Thinking may not be enabled when tool_choice forces tool use.")
    if kind == "tool" and choice.get("name") not in [tool["name"] for tool in tools]:
        raise invalid(f"Tool '{choice.get('name')}' not found in provided tools")


def _check_prefill(body: Mapping[str, Any], asked: Asked, family: Family) -> None:
    if asked.last_role != "assistant":
        return
    if not family.prefill:
        raise invalid(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )
    if (body.get("output_config") or {}).get("format"):
        raise invalid("output_config.format: not supported together with assistant message prefill")
    if asked.text != asked.text.rstrip():
        raise invalid("messages: final assistant content cannot end with trailing whitespace")
