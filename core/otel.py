"""Traces through OpenTelemetry. Imported by `core.tracing` alone, and only where traces are on."""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from uuid import UUID

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)

from core.provider import ProviderAnswer, ProviderCall, ProviderError
from core.tracing import SpanTold, Tracing, answer_attributes, call_attributes, error_kind, usage_attributes

CLOSE_WITHIN_S = 5.0
# The library's own reader takes as long as the rest of a span. A later version may say more behind the flags.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


class OtelSpan(SpanTold):
    def __init__(self, span: Span) -> None:
        self._span = span

    def answered(self, answer: ProviderAnswer) -> None:
        self._span.set_attributes(_known(answer_attributes(answer)))

    def failed(self, kind: str, status: int | None = None) -> None:
        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR, kind))
        if status is not None:
            self._span.set_attribute("http.response.status_code", status)

    def set(self, **attributes: Any) -> None:
        self._span.set_attributes(_known({name.replace("__", "."): value for name, value in attributes.items()}))

    def rename(self, name: str) -> None:
        self._span.update_name(name)


class OtelTracing(Tracing):
    on = True

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("ai-provider-factory")

    def request(self, method: str, traceparent: str | None) -> AbstractContextManager[SpanTold]:
        return self._span(method, SpanKind.SERVER, {"http.request.method": method}, _context_of(traceparent))

    def traceparent(self) -> str | None:
        here = get_current_span().get_span_context()
        return f"00-{here.trace_id:032x}-{here.span_id:016x}-{here.trace_flags:02x}" if here.is_valid else None

    def job(
        self, kind: str, traceparent: str | None, job_id: UUID, project: str, attempt: int
    ) -> AbstractContextManager[SpanTold]:
        named = {"factory.job.id": str(job_id), "factory.project": project, "factory.attempt": attempt}
        return self._span(f"process {kind}", SpanKind.CONSUMER, named, _context_of(traceparent))

    def call(self, call: ProviderCall) -> AbstractContextManager[SpanTold]:
        named = call_attributes(call)
        return self._span(
            f"{named['gen_ai.operation.name']} {named['gen_ai.request.model']}", SpanKind.CLIENT, named, None
        )

    def step(self, name: str) -> AbstractContextManager[SpanTold]:
        return self._span(name, SpanKind.INTERNAL, {}, None)

    def webhook(self, traceparent: str | None, event: str, attempt: int) -> AbstractContextManager[SpanTold]:
        named = {"factory.event": event, "factory.attempt": attempt}
        return self._span("notify webhook", SpanKind.CLIENT, named, _context_of(traceparent))

    def close(self) -> None:
        # A collector that is away would keep the process for half a minute.
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_WITHIN_S)

    @contextmanager
    def _span(
        self, name: str, kind: SpanKind, attributes: Mapping[str, Any], context: Context | None
    ) -> Iterator[SpanTold]:
        """What is raised is named by its kind alone, since messages may repeat a prompt."""
        with self._tracer.start_as_current_span(
            name, context, kind, _known(attributes), record_exception=False, set_status_on_exception=False
        ) as span:
            told = OtelSpan(span)
            try:
                yield told
            except BaseException as error:
                told.failed(error_kind(error), getattr(error, "status", None))
                if isinstance(error, ProviderError) and error.usage is not None:
                    span.set_attributes(_known(usage_attributes(error.usage)))
                raise


def open_otel(program: str) -> OtelTracing:
    """Exports by OTLP over HTTP; where to, how often and how much is OpenTelemetry's own OTEL_* environment."""
    ours = Resource({"service.name": "ai-provider-factory", "factory.program": program})
    provider = TracerProvider(
        resource=Resource.create().merge(ours).merge(OTELResourceDetector().detect()), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OtelTracing(provider)


def _context_of(traceparent: str | None) -> Context:
    """The parent that was sent along; a trace of its own where there is none, or none that can be read."""
    if traceparent is None or (found := _TRACEPARENT.fullmatch(traceparent)) is None:
        return Context()
    trace_id, span_id, flags = (int(one, 16) for one in found.groups())
    parent = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags & 1))
    return set_span_in_context(NonRecordingSpan(parent), Context()) if parent.is_valid else Context()


def _known(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}
