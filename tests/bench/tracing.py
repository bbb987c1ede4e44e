"""What traces cost: CPU per job, of its worker and of all processes but the provider. Off, off where OpenTelemetry is
not installed, and on.

Jobs are chat calls of 50 ms through openai's SDK, answered by a server in a process of its own. On, every job's three
spans go to a collector by OTLP, in the bench's own process, which counts them. Both kinds of off run the same code, so
the difference between them is how exact the figures are.
"""

import asyncio
from typing import Any

import uvloop
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.adapters.server import Asked, Reply, serving
from tests.bench.drain import drain
from tests.bench.house import completing, open_house
from tests.bench.measuring import Effort, Measured, middle, middle_ratio, of_setting

TITLE = "CPU per job with a chat call, of its worker and of all processes: median (lowest–highest round)"
JOBS, SLOTS, LATENCY_MS = 4000, 100, 50
OFF, ABSENT, ON = "off", "off, OpenTelemetry not installed", "on, every trace kept"
SPANS = 3
MUST = {OFF: "", ABSENT: "1.00", ON: "1.05"}


def run(effort: Effort) -> Measured:
    """Off, absent and on, in turn, each in a worker of its own."""
    jobs, settings = effort.jobs or JOBS, [{"traces": what} for what in MUST]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        samples = runner.run(_run(effort, jobs, settings))
    worker = {what: of_setting(samples, {"traces": what}, "worker") for what in MUST}
    whole = {what: [_whole(one) for one in samples if one["traces"] == what] for what in MUST}
    rows = [
        {
            "traces": what,
            "ms": middle(worker[what]),
            "to off": middle_ratio(worker[what], worker[OFF]),
            "all processes, ms": middle(whole[what]),
            "to off ": middle_ratio(whole[what], whole[OFF]),
            "must be at most": MUST[what],
            "jobs a second": middle(of_setting(samples, {"traces": what}, "per_s")),
        }
        for what in MUST
    ]
    return Measured(rows, samples)


async def _run(effort: Effort, jobs: int, settings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    received: list[bytes] = []

    def collect(asked: Asked) -> Reply:
        received.append(asked.body)
        return Reply()

    async with serving(collect) as collector, open_house() as house:
        more = {
            OFF: {"FACTORY_TRACES": "off"},
            ABSENT: {"FACTORY_TRACES": "off", "BENCH_WITHOUT": "opentelemetry"},
            ON: {"FACTORY_TRACES": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": collector},
        }
        with completing(house, LATENCY_MS) as url:
            await house.add_provider("chat", "openai.chat_completions", url)
            samples = []
            for number in range(effort.rounds):
                for setting in settings:
                    received.clear()
                    found = await drain(house, jobs, SLOTS, model="bench/chat", more=more[setting["traces"]])
                    sample = {**setting, **found, "spans": float(sum(map(_spans, received)))}
                    effort.say(f"round {number + 1} of {effort.rounds}: {sample}")
                    assert (sample["spans"] >= SPANS * jobs) is (setting["traces"] == ON), sample
                    samples.append(sample)
    return samples


def _whole(sample: dict[str, Any]) -> float:
    """From the line of the batch to the result."""
    return sum(sample[name] for name in ("accepting process", "accepting Postgres", "worker", "Postgres", "Valkey"))


def _spans(body: bytes) -> int:
    found = ExportTraceServiceRequest.FromString(body).resource_spans
    return sum(len(part.spans) for group in found for part in group.scope_spans)
