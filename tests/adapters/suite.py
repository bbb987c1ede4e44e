"""What the conformance suite runs over: every handler, with a model of its provider's and what is known of it.

The suite is `test_text_answers`, `test_speech_and_vectors`, `test_failures` and every `test_conformance_…`: over HTTP
with the real SDKs, the same request gives the same shape of answer and the same failure the same error, whoever the
provider is.
"""

from typing import Any

import pytest

from adapters.registry import HANDLERS
from core.provider import ProviderAnswer, ProviderError
from tests import dialects
from tests.adapters.calls import make_call
from tests.adapters.conftest import Providers

MODELS = {
    "openai.chat_completions": "gpt-6-luna",
    "openai.responses": "gpt-6-luna",
    "openai.embeddings": "text-embedding-3-small",
    "openai.speech": "gpt-4o-mini-tts",
    "google.generate_content": "gemini-3.8-flash",
    "google.embed_content": "gemini-embedding-2",
    "google.speech": "gemini-3.8-flash-tts",
    "anthropic.messages": "claude-haiku-5-5",
    "mistral.chat": "mistral-small-2603",
    "mistral.embeddings": "codestral-embed-2505",
    "mistral.speech": "voxtral-mini-tts-3",
    "elevenlabs.text_to_speech": "eleven_multilingual_v2:JBFqnCBsd6RMkjVDRZzb",
}
PARAMETERS: dict[str, dict[str, Any]] = {
    "openai.chat_completions": {
        "sampling": "effort_none_only",
        "effort": ["none", "low", "medium", "high", "xhigh", "max"],
        "tools": "effort_none_only",
        "token_cap": "max_completion_tokens",
    },
    "openai.responses": {
        "sampling": "effort_none_only",
        "effort": ["none", "low", "medium", "high", "xhigh", "max"],
    },
    "openai.speech": {"instructions": True},
    "google.generate_content": {"sampling": "ignored", "thinking": "level", "effort": ["low", "medium", "high"]},
    "anthropic.messages": {
        "sampling": "no",
        "stop": "yes",
        "thinking": "adaptive",
        "effort": ["none", "low", "medium", "high", "max"],
        "forced_tool_choice": True,
        "prefill": False,
    },
    "mistral.chat": {"sampling": "yes", "effort": ["none", "high"], "tools": "yes"},
    "mistral.speech": {"instructions": False},
    "elevenlabs.text_to_speech": {"stitching": True},
}
MODELS |= dialects.MODELS
PARAMETERS |= dialects.PARAMETERS
EFFORT = {"mistral.chat": "high"}  # one that each takes, low for the others
ALL = sorted(MODELS)
TEXT = [name for name in ALL if HANDLERS[name].kind == "text"]
SPEECH = [name for name in ALL if HANDLERS[name].kind == "speech"]
EMBEDDING = [name for name in ALL if HANDLERS[name].kind == "embedding"]
STORY: dict[str, Any] = {
    "type": "object",
    "properties": {"characters": {"type": "array"}, "locations": {"type": "array"}},
}
WEATHER = {
    "type": "function",
    "function": {
        "name": "look_at_weather",
        "description": "Tells the weather.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}


def faulty(handler: str, fault: str) -> str:
    """The model whose name brings a fault; a preset carries it before its voice."""
    model, colon, voice = MODELS[handler].partition(":")
    return f"{model}@{fault}{colon}{voice}"


async def ask(providers: Providers, handler: str, **fields: Any) -> ProviderAnswer:
    fields = {"model_id": MODELS[handler], "parameters": PARAMETERS.get(handler, {}), **fields}
    return await providers.call(make_call(handler, base_url=providers.base_url(handler), **fields))


async def fail(providers: Providers, handler: str, **fields: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await ask(providers, handler, **fields)
    return caught.value
