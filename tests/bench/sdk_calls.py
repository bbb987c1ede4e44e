"""CPU that one process spends on a call through openai's SDK, as it comes and as the factory makes it."""

import argparse
import asyncio
import gc
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import uvloop

from core.jsonio import dump_json
from tests.bench.measuring import Effort, Measured, in_own_process, in_turn, middle, middle_ratio, of_setting
from tests.bench.speech_calls import none_failed, until
from tests.bench.wire_server import wire_server

TITLE = "CPU of the calling process per call of openai's wire format, milliseconds: median (lowest–highest round)"
ANSWER_MS = 50
HELD = (30, 300)
CLIENTS = {
    "plain": "openai's SDK, as it comes: chat",
    "aiohttp": "openai's SDK over its aiohttp transport: chat",
    "chat": "the factory's handler and pool: chat",
    "responses": "the factory's handler and pool: responses",
}
KEY = "sk-bench"
MODEL = "gpt-6-luna"

Ask = Callable[[], Awaitable[Any]]


def run(effort: Effort) -> Measured:
    """Every client, with few and with many in flight, in turn."""
    settings = [{"client": client, "held": held} for held in HELD for client in CLIENTS]
    with wire_server(ANSWER_MS) as url:
        samples = in_turn(settings, effort, partial(_measure, url, effort.seconds))
    rows = []
    for client, description in CLIENTS.items():
        cpu_ms = {held: of_setting(samples, {"client": client, "held": held}, "cpu_ms") for held in HELD}
        plain = {held: of_setting(samples, {"client": "plain", "held": held}, "cpu_ms") for held in HELD}
        medians = {f"{held} in flight": middle(values) for held, values in cpu_ms.items()}
        ratios = {f"to the SDK, {held}": middle_ratio(cpu_ms[held], plain[held]) for held in HELD}
        rows.append({"client": description, **medians, **ratios})
    return Measured(rows, samples)


def _measure(url: str, seconds: float, *, client: str, held: int) -> dict[str, Any]:
    return in_own_process(__name__, "--url", url, "--client", client, "--held", str(held), "--seconds", str(seconds))


def main() -> None:
    """One setting, in this process: prints CPU per call and calls per second."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--client", choices=CLIENTS, required=True)
    parser.add_argument("--held", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(hold_calls(given.client, given.url, given.held, given.seconds))
    sys.stdout.buffer.write(dump_json(found))


async def hold_calls(client: str, url: str, held: int, seconds: float) -> dict[str, float]:
    """Keep that many calls in flight; what it cost from when everyone is warm until the time is over."""
    async with AsyncExitStack() as stack:
        ask = await _CLIENTS[client](stack, f"{url}/v1")
        finished = 0

        async def keep_calling() -> None:
            nonlocal finished
            while True:
                assert await ask()
                finished += 1

        callers = [asyncio.create_task(keep_calling()) for _ in range(held)]
        await until(lambda: finished >= max(100, 2 * held), callers)
        gc.collect()
        begun, begun_cpu, before = time.monotonic(), time.process_time(), finished
        await asyncio.wait(callers, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        spent_s, calls, passed_s = time.process_time() - begun_cpu, finished - before, time.monotonic() - begun
        for caller in callers:
            caller.cancel()
        await none_failed(callers)
    most_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "cpu_ms": round(1000 * spent_s / calls, 3),
        "calls_per_s": round(calls / passed_s, 1),
        "calls": calls,
        "rss_mb": round(most_mb, 1),
    }


async def _factory(handler: str, stack: AsyncExitStack, url: str) -> Ask:
    from adapters.pool import ProviderPool
    from adapters.registry import load_handler
    from tests.adapters.calls import make_call

    adapter = load_handler(handler, await stack.enter_async_context(ProviderPool()))
    call = make_call(handler, base_url=url, model_id=MODEL, api_key=KEY, timeout_s=60.0)
    return partial(adapter, call)


async def _plain(stack: AsyncExitStack, url: str) -> Ask:
    from openai import AsyncOpenAI

    return _through(await stack.enter_async_context(AsyncOpenAI(api_key=KEY, base_url=url, max_retries=0)))


async def _aiohttp(stack: AsyncExitStack, url: str) -> Ask:
    from openai import AsyncOpenAI, DefaultAioHttpClient

    sdk = AsyncOpenAI(api_key=KEY, base_url=url, max_retries=0, http_client=DefaultAioHttpClient())
    return _through(await stack.enter_async_context(sdk))


def _through(sdk: Any) -> Ask:
    turns = [{"role": "user", "content": "Say hello."}]
    return partial(sdk.chat.completions.create, model=MODEL, messages=turns)


_CLIENTS: dict[str, Callable[[AsyncExitStack, str], Awaitable[Ask]]] = {
    "plain": _plain,
    "aiohttp": _aiohttp,
    "chat": partial(_factory, "openai.chat_completions"),
    "responses": partial(_factory, "openai.responses"),
}


if __name__ == "__main__":
    main()
