"""Tokens, as OpenAI tells them or as they are guessed where a server does not."""

from collections.abc import Mapping
from typing import Any

from adapters.answers import estimate_tokens, find_tier, system_text, text_of
from core.provider import ProviderCall
from core.result import Usage


def estimate_usage(call: ProviderCall, content: str | None) -> Usage:
    """For an answer that says nothing of its tokens."""
    texts = [system_text(call) or "", *(text_of(turn) for turn in call.request.turns if turn.role != "system")]
    return Usage(estimate_tokens(*texts), estimate_tokens(content or ""), service_tier=find_tier(call, None))


def count(details: Mapping[str, Any] | None, name: str) -> int:
    """One figure of a details object that may lack it, or be missing itself."""
    return (details or {}).get(name) or 0
