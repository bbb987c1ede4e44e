"""How a Claude is told how much to think: by effort, by a budget of tokens, or by being told not to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.anthropic.conversation import lacks_thoughts
from core.provider import ProviderCall

_LEAST_BUDGET = 1024
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 24_576, "xhigh": 32_768, "max": 32_768}


@dataclass(slots=True)
class Thinking:
    """`said` is the body's `thinking`, `effort` its `output_config.effort`; None where nothing is said.
    `active`: Claude may think in this call."""

    said: dict[str, Any] | None = None
    effort: str | None = None
    active: bool = True
    warnings: list[str] = field(default_factory=list)


def plan_thinking(call: ProviderCall, values: Mapping[str, Any], max_tokens: int) -> Thinking:
    """By what the model's `thinking` says: `always`, `adaptive`, `budget`; else as for a model that is not known."""
    effort: str | None = values.get("reasoning_effort")
    way = call.model.parameters.get("thinking")
    if way == "budget":
        return _by_budget(call, effort, max_tokens)
    forced = "tools" in values and values.get("tool_choice") not in (None, "auto", "none")
    if effort == "none" or (forced and way == "adaptive"):
        return Thinking(said={"type": "disabled"}, active=False)
    if effort is None:
        return Thinking()
    adaptive = {"type": "adaptive"} if way == "adaptive" else None
    return Thinking(said=adaptive, effort="low" if effort == "minimal" else effort)


def _by_budget(call: ProviderCall, effort: str | None, max_tokens: int) -> Thinking:
    """These models do not think unless told to. The budget is part of the answer's tokens; half is left for text."""
    if effort in (None, "none"):
        return Thinking(active=False)
    assert effort is not None
    budget = min(_BUDGETS[effort], max_tokens // 2)
    reason = ""
    if budget < _LEAST_BUDGET:
        reason = f"thinking needs at least {2 * _LEAST_BUDGET} max_output_tokens"
    elif lacks_thoughts(call):
        reason = "the tool calls in messages came without thoughts"
    if reason:
        return Thinking(active=False, warnings=[f"reasoning_effort: {reason}, left out"])
    return Thinking(said={"type": "enabled", "budget_tokens": budget})
