"""What `POST /v1/generate` adds to the provider's own time, on an idle system: one caller, one call at a time.

The same body goes directly to the provider by the openai package, through `/v1/generate` by httpx, and through
`/v1/chat/completions` by the openai package; in turn, call by call. API and worker are processes as under `factory up`;
the provider is the emulator. The overhead is the difference within each turn.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import uvloop
from openai import AsyncOpenAI

from tests.bench.measuring import Effort, Measured, middle, of_setting
from tests.bench.standing import Standing, standing

TITLE = "milliseconds to an answer, one caller on an idle system: median (lowest–highest round)"
DIRECT, GENERATE, CHAT = "directly, openai's SDK", "POST /v1/generate", "/v1/chat/completions, openai's SDK"
MODEL = "gpt-5.4-mini"
PROMPT = "Tell me about lighthouse number {}. "
LATENCY_MS = 20
WARM_UP = 30
MUST = {"p50": 10.0, "p99": 40.0}
Ask = Callable[[int], Awaitable[object]]


def run(effort: Effort) -> Measured:
    """Each round's calls take turns."""
    with (
        standing(workers=1, latency_ms=LATENCY_MS) as factory,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        samples = runner.run(_run(effort, factory))
    rows = []
    for what in (DIRECT, GENERATE, CHAT):
        row = {"what": what}
        for name in ("p50", "p99", "added p50", "added p99"):
            row[name] = (
                middle(of_setting(samples, {"what": what}, name)) if what != DIRECT or "added" not in name else ""
            )
        rows.append(row)
    rows.append(
        {"what": "must, at most", "p50": "", "p99": "", **{f"added {name}": f"{at:g}" for name, at in MUST.items()}}
    )
    return Measured(rows, samples)


async def _run(effort: Effort, factory: Standing) -> list[dict[str, Any]]:
    direct = AsyncOpenAI(api_key="sk-emulated-key-for-the-bench", base_url=f"{factory.emulator_url}/openai/v1")
    through = AsyncOpenAI(api_key=factory.key, base_url=f"{factory.url}/v1")
    samples = []
    async with direct, through, httpx.AsyncClient(headers={"x-api-key": factory.key}, timeout=60) as client:
        asks = _asks(direct, through, client, factory.url)
        for number in range(WARM_UP):
            await _take_turns(asks, -1 - number)
        asked = 0
        for number in range(effort.rounds):
            until = time.monotonic() + effort.seconds * 2
            turns = []
            while time.monotonic() < until:
                turns.append(await _take_turns(asks, asked := asked + 1))
            for what in asks:
                sample = {"what": what, **_figures(turns, what)}
                effort.say(f"round {number + 1} of {effort.rounds}: {sample}")
                samples.append(sample)
    return samples


def _asks(direct: AsyncOpenAI, through: AsyncOpenAI, client: httpx.AsyncClient, url: str) -> dict[str, Ask]:
    def chat(sdk: AsyncOpenAI) -> Ask:
        return lambda number: sdk.chat.completions.create(model=MODEL, messages=_messages(number))

    async def generate(number: int) -> None:
        body = {"model": MODEL, "messages": _messages(number)}
        answer = await client.post(f"{url}/v1/generate", json=body)
        answer.raise_for_status()
        result = answer.json()
        assert result["content"]
        assert not result["cached"]

    return {DIRECT: chat(direct), GENERATE: generate, CHAT: chat(through)}


def _messages(number: int) -> Any:
    return [{"role": "user", "content": PROMPT.format(number) * 10}]


async def _take_turns(asks: dict[str, Ask], number: int) -> dict[str, float]:
    """Milliseconds of each. All ask the same: the emulator's time hangs on the text."""
    took = {}
    for what, ask in asks.items():
        began = time.perf_counter()
        await ask(number)
        took[what] = (time.perf_counter() - began) * 1000
    return took


def _figures(turns: list[dict[str, float]], what: str) -> dict[str, float]:
    own = statistics.quantiles([turn[what] for turn in turns], n=100)
    added = statistics.quantiles([turn[what] - turn[DIRECT] for turn in turns], n=100)
    return {"p50": own[49], "p99": own[98], "added p50": added[49], "added p99": added[98], "turns": len(turns)}
