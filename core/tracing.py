"""Traces: one from a submit to its last word, across processes. docs/tracing.md says what is in them.

Off unless FACTORY_TRACES says so: then every method here does nothing, and nothing of OpenTelemetry is imported.
No span holds a prompt, an answer, or what a provider wrote.
"""

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from core.errors import ConfigurationError
from core.provider import ProviderAnswer, ProviderCall, ProviderError
from core.request import Kind
from core.result import Usage
from core.settings import Settings

OPERATIONS = {Kind.text: "chat", Kind.embedding: "embeddings", Kind.speech: "text_to_speech"}
PROVIDERS = {"google": "gcp.gemini", "mistral": "mistral_ai"}  # the others are called there as they are here


class SpanTold:
    """A span that is told how it went; this one forgets it."""

    def answered(self, answer: ProviderAnswer) -> None:
        """The provider answered."""

    def failed(self, kind: str, status: int | None = None) -> None:
        """`kind` is ours: what others write may repeat the prompt."""

    def set(self, **attributes: Any) -> None:
        """More of it: `a__b` is the attribute a.b."""

    def rename(self, name: str) -> None:
        """It is known only now what it is."""


SILENT: AbstractContextManager[SpanTold] = nullcontext(SpanTold())


class Tracing:
    """Off."""

    on = False

    def request(self, method: str, traceparent: str | None) -> AbstractContextManager[SpanTold]:
        """A request to the API; a caller's `traceparent` goes on in it."""
        return SILENT

    def traceparent(self) -> str | None:
        """Of the span that is open here, for who goes on elsewhere."""
        return None

    def job(
        self,
        kind: str,
        traceparent: str | None,
        job_id: UUID,
        project: str,
        attempt: int,
    ) -> AbstractContextManager[SpanTold]:
        """An attempt at a job."""
        return SILENT

    def call(self, call: ProviderCall) -> AbstractContextManager[SpanTold]:
        """A call to a provider."""
        return SILENT

    def step(self, name: str) -> AbstractContextManager[SpanTold]:
        """A part of what is under way."""
        return SILENT

    def webhook(self, traceparent: str | None, event: str, attempt: int) -> AbstractContextManager[SpanTold]:
        """A try to deliver a webhook."""
        return SILENT

    def close(self) -> None:
        """What was not sent yet is sent."""


OFF = Tracing()


def open_tracing(settings: Settings, program: str) -> Tracing:
    """Raises ConfigurationError where the packages are missing."""
    if settings.traces == "off":
        return OFF
    try:
        from core.otel import open_otel
    except ImportError as error:
        raise ConfigurationError(
            f"FACTORY_TRACES is {settings.traces} and {error.name} is not installed; "
            "install ai-provider-factory[otel], or set FACTORY_TRACES=off"
        ) from None
    return open_otel(program)


@lru_cache(maxsize=256)
def _address(base_url: str) -> tuple[str | None, int]:
    address = urlsplit(base_url)
    return address.hostname, address.port or (443 if address.scheme == "https" else 80)


def call_attributes(call: ProviderCall) -> dict[str, Any]:
    """As OpenTelemetry's conventions for generative AI name them; what is not known is None."""
    request = call.request
    host, port = _address(call.base_url)
    wanted: str = {Kind.speech: "speech", Kind.text: "json" if request.wants_json else "text"}.get(request.kind, "")
    return {
        "gen_ai.operation.name": OPERATIONS[request.kind],
        "gen_ai.provider.name": PROVIDERS.get(call.model.provider, call.model.provider),
        "gen_ai.request.model": call.model.model_id,
        "gen_ai.request.max_tokens": request.max_output_tokens,
        "gen_ai.request.temperature": request.temperature,
        "gen_ai.request.top_p": request.top_p,
        "gen_ai.request.seed": request.seed,
        "gen_ai.output.type": wanted or None,
        "server.address": host,
        "server.port": port,
        "factory.call.id": str(call.call_id),
    }


def answer_attributes(answer: ProviderAnswer) -> dict[str, Any]:
    """What came."""
    return {
        "gen_ai.response.model": answer.model,
        "gen_ai.response.id": answer.request_id,
        "gen_ai.response.finish_reasons": (answer.finish_reason,),
        **usage_attributes(answer.usage),
    }


def usage_attributes(usage: Usage) -> dict[str, Any]:
    return {
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens or None,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens or None,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens or None,
        "factory.usage.characters": usage.characters or None,
    }


def error_kind(error: BaseException) -> str:
    """Of ours by its kind, of others by their class."""
    return error.kind.value if isinstance(error, ProviderError) else type(error).__name__
