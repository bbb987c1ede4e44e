"""The handlers that exist, as data. Importing this loads no SDK; `load_handler` does, on first use."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from functools import cache, partial
from importlib import import_module
from typing import Any

from adapters.limits import listen
from adapters.pool import ProviderPool
from core.errors import ConfigurationError
from core.provider import Adapter, HandlerSpec, ProviderAnswer

_OPENAI_FORMATS = frozenset({"mp3", "opus", "aac", "flac", "wav", "pcm"})
_ENCODED_HERE = frozenset({"mp3", "opus", "flac", "wav", "pcm"})

_Function = Callable[..., Coroutine[Any, Any, ProviderAnswer]]
_shipped = partial(HandlerSpec, by_pool=True)
HANDLERS: dict[str, HandlerSpec] = {
    spec.name: spec
    for spec in (
        _shipped("openai.chat_completions", "text", "adapters.openai.chat:complete_chat", sdk="openai"),
        _shipped("openai.responses", "text", "adapters.openai.responses:create_response", sdk="openai"),
        _shipped("openai.embeddings", "embedding", "adapters.openai.embeddings:embed_texts", sdk="openai"),
        _shipped("openai.speech", "speech", "adapters.openai.speech:speak_text", _OPENAI_FORMATS, sdk="openai"),
        _shipped("google.generate_content", "text", "adapters.google.generate:generate_content", sdk="google.genai"),
        _shipped("google.embed_content", "embedding", "adapters.google.embeddings:embed_texts", sdk="google.genai"),
        _shipped("google.speech", "speech", "adapters.google.speech:speak_text", _ENCODED_HERE, sdk="google.genai"),
        _shipped("anthropic.messages", "text", "adapters.anthropic.messages:create_message", sdk="anthropic"),
        _shipped("mistral.chat", "text", "adapters.mistral.chat:complete_chat"),
        _shipped("mistral.embeddings", "embedding", "adapters.mistral.embeddings:embed_texts"),
        _shipped("mistral.speech", "speech", "adapters.mistral.speech:speak_text", _ENCODED_HERE),
        _shipped(
            "elevenlabs.text_to_speech",
            "speech",
            "adapters.elevenlabs.speech:speak_text",
            _ENCODED_HERE,
            sdk="elevenlabs.client",
        ),
    )
}


async def import_handler(name: str) -> None:
    """What the handler needs, imported in a thread on first use. An SDK takes a second, on a busy machine five: the
    event loop goes on meanwhile, and the worker keeps its leases. A name that does not exist needs nothing."""
    spec = HANDLERS.get(name)
    if spec is not None and (missing := [one for one in _needs(spec) if one not in sys.modules]):
        await asyncio.to_thread(lambda: [import_module(one) for one in missing])


def load_handler(name: str, pool: ProviderPool) -> Adapter:
    """The handler's coroutine, bound to the pool. Raises ConfigurationError for a name that does not exist."""
    spec = HANDLERS.get(name)
    if spec is None:
        raise ConfigurationError(f"There is no handler {name!r}. Handlers: {', '.join(sorted(HANDLERS))}.")
    return partial(listen, partial(_function_of(spec), pool), spec.by_pool)


@cache
def _needs(spec: HandlerSpec) -> tuple[str, ...]:
    return tuple(one for one in (spec.sdk, spec.module) if one)


@cache
def _function_of(spec: HandlerSpec) -> _Function:
    function: _Function = getattr(import_module(spec.module), spec.loader.partition(":")[2])
    return function
