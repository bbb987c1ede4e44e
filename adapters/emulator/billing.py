"""What a provider would put on its invoice for an answer, read out of the answer itself, whatever its dialect."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

from adapters.emulator.prose import count_tokens

Bill = Mapping[str, int]


def read_bill(response: Response, kind: str, text: str) -> Bill | None:
    """Quantities by the unit that is billed: `input cached written written_1h output` in tokens, none of them part of
    another, or `characters`. `text` is what was sent, for answers that do not say what they used. None: an error, which
    nobody bills."""
    if response.status_code != 200:
        return None
    if (characters := response.headers.get("character-cost")) is not None:
        return {"characters": int(characters)}
    told = _usage_in(bytes(response.body), response.media_type or "")
    if told is None:
        return {"characters": len(text)} if kind == "speech" else {"input": count_tokens(text)}
    return {unit: amount for unit, amount in _units(told).items() if amount}


def _usage_in(body: bytes, media_type: str) -> dict[str, Any] | None:
    """The usage that the answer names; of a stream, what its events say together."""
    if media_type == "application/json":
        return _usage_of(orjson.loads(body))
    if media_type != "text/event-stream":
        return None
    told: dict[str, Any] | None = None
    for line in body.splitlines():
        if line.startswith(b"data: {") and (part := _usage_of(orjson.loads(line[6:]))) is not None:
            told = {**(told or {}), **part}
    return told


def _usage_of(said: dict[str, Any]) -> dict[str, Any] | None:
    """OpenAI, Mistral and Anthropic say `usage`, Anthropic's first event inside `message`, Google `usageMetadata`."""
    for holder in (said, said.get("message"), said.get("response")):
        if isinstance(holder, dict):
            found = holder.get("usage") or holder.get("usageMetadata")
            if isinstance(found, dict):
                return found
    return None


def _units(told: Mapping[str, Any]) -> dict[str, int]:
    if "promptTokenCount" in told:  # Google: cached is part of the prompt, thoughts are no part of the candidates
        cached = told.get("cachedContentTokenCount", 0)
        output = told.get("candidatesTokenCount", 0) + told.get("thoughtsTokenCount", 0)
        return {"input": told["promptTokenCount"] - cached, "cached": cached, "output": output}
    if "cache_read_input_tokens" in told:  # Anthropic: three kinds of input beside each other
        hour = (told.get("cache_creation") or {}).get("ephemeral_1h_input_tokens", 0)
        return {
            "input": told["input_tokens"],
            "cached": told["cache_read_input_tokens"],
            "written": told["cache_creation_input_tokens"] - hour,
            "written_1h": hour,
            "output": told.get("output_tokens", 0),
        }
    read = told.get("prompt_tokens", told.get("input_tokens", 0))  # OpenAI and Mistral: parts of the prompt
    details = told.get("prompt_tokens_details") or told.get("input_tokens_details") or {}
    cached, written = details.get("cached_tokens", 0), details.get("cache_write_tokens", 0)
    output = told.get("completion_tokens", told.get("output_tokens", 0))
    return {"input": read - cached - written, "cached": cached, "written": written, "output": output}
