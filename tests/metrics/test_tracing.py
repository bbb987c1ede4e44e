"""One trace from a submit to its last word, as a collector gets it over OTLP from the API and a worker, which are
processes of their own."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from core.errors import ConfigurationError
from core.settings import Settings
from core.tracing import OFF, open_tracing
from producer.composition import Services
from producer.keys import create_key
from producer.submit import Caller
from tests.adapters.server import Asked, Reply, serving
from tests.api.test_stopping import Api
from tests.api.test_stopping import running as running_api
from tests.house import Factory
from tests.workers.test_processes import Hands
from tests.workers.test_promises import own_model

PARENT = f"00-{'ab' * 16}-{'cd' * 8}-01"


@dataclass
class Collector:
    """Takes spans at /v1/traces and webhooks everywhere else."""

    url: str = ""
    spans: list[tuple[str, Span]] = field(default_factory=list)
    raw: bytes = b""

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/v1/traces":
            self.raw += asked.body
            for group in ExportTraceServiceRequest.FromString(asked.body).resource_spans:
                named = {one.key: one.value.string_value for one in group.resource.attributes}
                assert named["service.name"] == "ai-provider-factory"
                self.spans += [(named["factory.program"], span) for part in group.scope_spans for span in part.spans]
        return Reply(b"")

    async def trace(self, trace_id: str, names: set[str]) -> dict[str, tuple[str, Span]]:
        """By name, once all of them are here."""
        async with asyncio.timeout(15):
            while True:
                found = {span.name: (program, span) for program, span in self.spans if span.trace_id.hex() == trace_id}
                if names <= found.keys():
                    return found
                await asyncio.sleep(0.02)


def attributes(span: Span) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        kind = value.WhichOneof("value")
        found = getattr(value, kind)
        return [plain(one) for one in found.values] if kind == "array_value" else found

    return {one.key: plain(one.value) for one in span.attributes}


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    found = Collector()
    async with serving(found.answer) as url:
        found.url = url
        yield found


@pytest.fixture
def settings(settings: Settings, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    return settings.model_copy(update={"traces": "otlp", "webhook_allow": "127.0.0.1"})


@pytest.fixture
async def processes(settings: Settings, services: Services) -> AsyncIterator[Api]:
    """An API and a worker that tell the collector."""
    told = {"FACTORY_TRACES": "otlp", "FACTORY_WEBHOOK_ALLOW": "127.0.0.1", "FACTORY_DATABASE_POOL_SIZE": "4"}
    key = await create_key(services.database, project="nicestory", make_project=True)
    hands = Hands(settings, services, Caller(UUID(int=0), "nobody", frozenset()))
    worker = await hands.start_worker(**told)
    try:
        async with running_api(settings, key, **told) as api:
            yield api
    finally:
        worker.kill()
        await worker.wait()


async def test_a_trace_goes_from_the_callers_own_to_the_webhook(processes: Api, collector: Collector) -> None:
    secret = f"tell of a lamp {uuid4().hex}"
    request = {"model": "gpt-5.4-mini", "prompt": secret, "temperature": 0.5, "webhook_url": f"{collector.url}/hook"}
    answer = await processes.client.post("/v1/generate", json=request, headers={"traceparent": PARENT})
    assert answer.status_code == 200, answer.text
    names = {"POST /v1/generate", "process text", "chat gpt-5.4-mini", "record", "notify webhook"}
    trace = await collector.trace("ab" * 16, names)
    assert {name: trace[name][0] for name in names} == {
        "POST /v1/generate": "api", "process text": "worker", "chat gpt-5.4-mini": "worker", "record": "worker",
        "notify webhook": "worker",
    }  # fmt: skip
    spans = {name: span for name, (_, span) in trace.items()}
    submit, work = spans["POST /v1/generate"], spans["process text"]
    assert submit.parent_span_id.hex() == "cd" * 8
    assert {spans[one].parent_span_id for one in ("process text", "notify webhook")} == {submit.span_id}
    assert {spans[one].parent_span_id for one in ("chat gpt-5.4-mini", "record")} == {work.span_id}
    kinds = {name: Span.SpanKind.Name(spans[name].kind) for name in names}
    assert [kinds[one].removeprefix("SPAN_KIND_") for one in ("POST /v1/generate", "process text", "chat gpt-5.4-mini")] == [
        "SERVER", "CONSUMER", "CLIENT",
    ]  # fmt: skip
    assert attributes(submit) == {
        "http.request.method": "POST", "http.response.status_code": 200, "http.route": "/v1/generate",
    }  # fmt: skip
    usage, said = answer.json()["usage"], attributes(spans["chat gpt-5.4-mini"])
    assert {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5.4-mini",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.output.type": "text",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": usage["prompt_tokens"],
        "gen_ai.usage.output_tokens": usage["completion_tokens"],
        "server.address": "127.0.0.1",
    }.items() <= said.items()
    assert attributes(work)["factory.project"] == "nicestory"
    for hidden in (secret, answer.json()["content"], processes.client.headers["x-api-key"]):
        assert hidden.encode() not in collector.raw


async def test_a_failed_call_is_an_error_without_its_words(factory: Factory, collector: Collector) -> None:
    broken, secret = await own_model(factory, "gpt-6-luna@policy"), uuid4().hex
    await factory.settled()
    for sent in ({"traceparent": "nonsense"}, {"traceparent": f"00-{'0' * 32}-{'cd' * 8}-01"}, {}):
        answer = await factory.client.post("/v1/generate", json={"model": broken, "prompt": secret}, headers=sent)
        assert answer.status_code == 422
    async with asyncio.timeout(15):
        while sum(span.name == f"chat {broken}" for _, span in collector.spans) < 3:
            await asyncio.sleep(0.02)
    calls = [span for _, span in collector.spans if span.name == f"chat {broken}"]
    assert len({span.trace_id for span in calls if any(span.trace_id)}) == 3
    for span in calls:
        assert attributes(span)["error.type"] == "content_policy"
        assert (span.status.code, span.status.message, len(span.events)) == (2, "content_policy", 0)
    assert secret.encode() not in collector.raw


def test_traces_are_off_by_default_and_cost_no_import(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_tracing(Settings(), "api") is OFF
    assert OFF.traceparent() is None
    monkeypatch.setitem(sys.modules, "core.otel", None)
    with pytest.raises(ConfigurationError, match="FACTORY_TRACES=off"):
        open_tracing(Settings(traces="otlp"), "api")
