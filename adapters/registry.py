"""The handlers that exist, as data. Importing this loads no SDK; `load_handler` does, on first use."""

from functools import partial
from importlib import import_module

from adapters.limits import listen
from adapters.pool import ProviderPool
from core.errors import ConfigurationError
from core.provider import Adapter, HandlerSpec

_OPENAI_FORMATS = frozenset({"mp3", "opus", "aac", "flac", "wav", "pcm"})
_ENCODED_HERE = frozenset({"mp3", "opus", "flac", "wav", "pcm"})

HANDLERS: dict[str, HandlerSpec] = {
    spec.name: spec
    for spec in (
        HandlerSpec("openai.chat_completions", "text", "adapters.openai.chat:complete_chat"),
        HandlerSpec("openai.responses", "text", "adapters.openai.responses:create_response"),
        HandlerSpec("openai.embeddings", "embedding", "adapters.openai.embeddings:embed_texts"),
        HandlerSpec("openai.speech", "speech", "adapters.openai.speech:speak_text", _OPENAI_FORMATS),
        HandlerSpec("google.generate_content", "text", "adapters.google.generate:generate_content"),
        HandlerSpec("google.embed_content", "embedding", "adapters.google.embeddings:embed_texts"),
        HandlerSpec("google.speech", "speech", "adapters.google.speech:speak_text", _ENCODED_HERE),
        HandlerSpec("anthropic.messages", "text", "adapters.anthropic.messages:create_message"),
        HandlerSpec("mistral.chat", "text", "adapters.mistral.chat:complete_chat"),
        HandlerSpec("mistral.embeddings", "embedding", "adapters.mistral.embeddings:embed_texts"),
        HandlerSpec("mistral.speech", "speech", "adapters.mistral.speech:speak_text", _ENCODED_HERE),
        HandlerSpec("elevenlabs.text_to_speech", "speech", "adapters.elevenlabs.speech:speak_text", _ENCODED_HERE),
    )
}


def load_handler(name: str, pool: ProviderPool) -> Adapter:
    """The handler's coroutine, bound to the pool. Raises ConfigurationError for a name that does not exist."""
    spec = HANDLERS.get(name)
    if spec is None:
        raise ConfigurationError(f"There is no handler {name!r}. Handlers: {', '.join(sorted(HANDLERS))}.")
    module, _, function = spec.loader.partition(":")
    adapter: Adapter = partial(getattr(import_module(module), function), pool)
    return partial(listen, adapter)
