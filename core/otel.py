"""Traces for OpenTelemetry. Imported by `core.tracing` alone, and only where traces are on.

The spans are ours (`core.otlp` says why); what is kept, when it is sent, to whom and how is left to OpenTelemetry.
"""

import random
import re
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Self, cast
from uuid import UUID

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, Decision, Sampler
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context

from core.otlp import Value, write_request, write_span
from core.provider import ProviderAnswer, ProviderCall, ProviderError
from core.tracing import SpanTold, Tracing, answer_attributes, call_attributes, error_kind, usage_attributes

CLOSE_WITHIN_S = 5.0
SCOPE = "ai-provider-factory"
_KINDS = {SpanKind.INTERNAL: 1, SpanKind.SERVER: 2, SpanKind.CLIENT: 3, SpanKind.CONSUMER: 5}
# A later version may say more behind the flags.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_here: ContextVar["OtelSpan | None"] = ContextVar("span", default=None)


class Written:
    """A span that is over, as the sender takes it. Written at once: to write hundreds together would hold up the event
    loop, and bytes are nothing to the garbage collector."""

    __slots__ = ("data",)
    context = SpanContext(1, 1, is_remote=False, trace_flags=TraceFlags(1))  # the sender asks whether it is sampled

    def __init__(self, data: bytes) -> None:
        self.data = data


class OtelSpan(SpanTold):
    """Open within a `with`. What is raised there is named by its kind alone, since messages may repeat a prompt."""

    def __init__(
        self, sender: BatchSpanProcessor | None, name: str, kind: SpanKind, attributes: dict[str, Any], trace_id: bytes,
        parent_id: bytes, *, elsewhere: bool,
    ) -> None:  # fmt: skip
        """`sender`: None when the trace is not sampled."""
        self.sender = sender
        self._name = name
        self._kind = kind
        self._attributes = attributes
        self._error: str | None = None
        self.trace_id = trace_id
        self.span_id = random.getrandbits(64).to_bytes(8)
        self._parent_id = parent_id
        self._elsewhere = elsewhere
        self._began_ns = time.time_ns()
        self._token: Token[OtelSpan | None] | None = None

    def __enter__(self) -> Self:
        self._token = _here.set(self)
        return self

    def __exit__(self, _: object, error: BaseException | None, _trace: TracebackType | None) -> None:
        if self._token is not None:
            _here.reset(self._token)
        if error is not None:
            self.failed(error_kind(error), getattr(error, "status", None))
            if isinstance(error, ProviderError) and error.usage is not None:
                self._attributes.update(usage_attributes(error.usage))
        if self.sender is not None:
            self.sender.on_end(cast("ReadableSpan", Written(self._write())))

    def answered(self, answer: ProviderAnswer) -> None:
        self._attributes.update(answer_attributes(answer))

    def failed(self, kind: str, status: int | None = None) -> None:
        self._error = self._attributes["error.type"] = kind
        if status is not None:
            self._attributes["http.response.status_code"] = status

    def set(self, **attributes: Any) -> None:
        for name, value in attributes.items():
            self._attributes[name.replace("__", ".")] = value

    def rename(self, name: str) -> None:
        self._name = name

    def _write(self) -> bytes:
        return write_span(
            self.trace_id, self.span_id, self._parent_id, self._elsewhere, self._name, _KINDS[self._kind],
            self._began_ns, time.time_ns(), self._attributes, self._error,
        )  # fmt: skip


class OtelTracing(Tracing):
    on = True

    def __init__(self, sampler: Sampler, sender: BatchSpanProcessor) -> None:
        self._sampler = sampler
        self._sender = sender

    def request(self, method: str, traceparent: str | None) -> AbstractContextManager[SpanTold]:
        return self._first(method, SpanKind.SERVER, {"http.request.method": method}, traceparent)

    def traceparent(self) -> str | None:
        if (here := _here.get()) is None:
            return None
        return f"00-{here.trace_id.hex()}-{here.span_id.hex()}-{'01' if here.sender else '00'}"

    def job(
        self, kind: str, traceparent: str | None, job_id: UUID, project: str, attempt: int
    ) -> AbstractContextManager[SpanTold]:
        named = {"factory.job.id": str(job_id), "factory.project": project, "factory.attempt": attempt}
        return self._first(f"process {kind}", SpanKind.CONSUMER, named, traceparent)

    def call(self, call: ProviderCall) -> AbstractContextManager[SpanTold]:
        named = call_attributes(call)
        name = f"{named['gen_ai.operation.name']} {named['gen_ai.request.model']}"
        return self._next(name, SpanKind.CLIENT, named)

    def step(self, name: str) -> AbstractContextManager[SpanTold]:
        return self._next(name, SpanKind.INTERNAL, {})

    def webhook(self, traceparent: str | None, event: str, attempt: int) -> AbstractContextManager[SpanTold]:
        named = {"factory.event": event, "factory.attempt": attempt}
        return self._first("notify webhook", SpanKind.CLIENT, named, traceparent)

    def close(self) -> None:
        # A collector that is away would keep the process for half a minute.
        closing = threading.Thread(target=self._sender.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_WITHIN_S)

    def _next(self, name: str, kind: SpanKind, attributes: dict[str, Any]) -> OtelSpan:
        """Within the one that is open here."""
        if (here := _here.get()) is None:
            return self._first(name, kind, attributes, None)
        return OtelSpan(here.sender, name, kind, attributes, here.trace_id, here.span_id, elsewhere=False)

    def _first(self, name: str, kind: SpanKind, attributes: dict[str, Any], traceparent: str | None) -> OtelSpan:
        """The first here of a trace: whether it is kept is decided for all within it."""
        trace_id, parent_id, kept = _read(traceparent)
        if self._sampler is not DEFAULT_ON:
            context = _context_of(trace_id, parent_id, kept)
            decided = self._sampler.should_sample(context, int.from_bytes(trace_id), name, kind, attributes)
            kept = decided.decision is Decision.RECORD_AND_SAMPLE
        return OtelSpan(
            self._sender if kept else None, name, kind, attributes, trace_id, parent_id, elsewhere=bool(parent_id)
        )


class Exporter(OTLPSpanExporter):
    """Sends our spans as the library sends its own."""

    def __init__(self, resource: Mapping[str, Value]) -> None:
        super().__init__()
        self._told = resource

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        body = write_request(self._told, SCOPE, (one.data for one in cast("Sequence[Written]", spans)))
        return SpanExportResult.SUCCESS if self._client.export(body).success else SpanExportResult.FAILURE


def open_otel(program: str) -> OtelTracing:
    """Exports by OTLP over HTTP; where to, how often and how much is OpenTelemetry's own OTEL_* environment."""
    ours = Resource({"service.name": "ai-provider-factory", "factory.program": program})
    resource = Resource.create().merge(ours).merge(OTELResourceDetector().detect())
    named = {name: tuple(value) if isinstance(value, list) else value for name, value in resource.attributes.items()}
    sampler = TracerProvider(resource=resource, shutdown_on_exit=False).sampler
    return OtelTracing(sampler, BatchSpanProcessor(Exporter(cast("dict[str, Value]", named))))


def _read(traceparent: str | None) -> tuple[bytes, bytes, bool]:
    """The trace and the parent that were sent along, and whether it is kept there; a new trace without a parent, kept,
    where there is none, or none that can be read."""
    if traceparent is not None and (found := _TRACEPARENT.fullmatch(traceparent)):
        trace_id, parent_id, flags = map(bytes.fromhex, found.groups())
        if any(trace_id) and any(parent_id):
            return trace_id, parent_id, bool(flags[0] & 1)
    return random.getrandbits(128).to_bytes(16), b"", True


def _context_of(trace_id: bytes, parent_id: bytes, kept: bool) -> Context:
    """As OpenTelemetry's samplers want it."""
    if not parent_id:
        return Context()
    trace, span, flags = int.from_bytes(trace_id), int.from_bytes(parent_id), TraceFlags(kept)
    return set_span_in_context(NonRecordingSpan(SpanContext(trace, span, is_remote=True, trace_flags=flags)), Context())
