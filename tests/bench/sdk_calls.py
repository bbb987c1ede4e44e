"""CPU and memory that one process spends on a call through openai's SDK, as it comes and as the factory makes it."""

import asyncio
import gc
import os
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import uvloop

from core.jsonio import dump_json
from tests.bench.measuring import (
    Effort,
    Measured,
    in_own_process,
    in_turn,
    middle,
    middle_ratio,
    of_setting,
    setting_parser,
)
from tests.bench.speech_calls import none_failed, until
from tests.bench.wire_server import wire_server

TITLE = "CPU per call of openai's wire format, ms, and memory of a call that waits, KB: median (lowest–highest round)"
ANSWER_MS = 50
LONG_MS = 120_000
WAITING = 900  # the SDK by itself opens a thousand connections at most
AT_ONCE = 100
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
    """Every client that is installed, with few and with many in flight, in turn."""
    clients = {one: told for one, told in CLIENTS.items() if one != "aiohttp" or find_spec("aiohttp")}
    settings = [{"client": client, "held": held} for held in (*HELD, WAITING) for client in clients]
    with wire_server(ANSWER_MS) as quick, wire_server(LONG_MS) as slow:
        urls = {WAITING: slow, **dict.fromkeys(HELD, quick)}
        samples = in_turn(settings, effort, partial(_measure, urls, effort.seconds))
    rows = []
    for client, description in clients.items():
        cpu_ms = {held: of_setting(samples, {"client": client, "held": held}, "cpu_ms") for held in HELD}
        plain = {held: of_setting(samples, {"client": "plain", "held": held}, "cpu_ms") for held in HELD}
        medians = {f"{held} in flight": middle(values) for held, values in cpu_ms.items()}
        ratios = {f"to the SDK, {held}": middle_ratio(cpu_ms[held], plain[held]) for held in HELD}
        kept = middle(of_setting(samples, {"client": client, "held": WAITING}, "kept_kb"))
        rows.append({"client": description, **medians, **ratios, f"KB, {WAITING} wait": kept})
    return Measured(rows, samples)


def _measure(urls: dict[int, str], seconds: float, *, client: str, held: int) -> dict[str, Any]:
    what = ["--client", client, "--held", str(held), "--seconds", str(seconds)]
    return in_own_process(__name__, "--url", urls[held], *what, *(["--waiting"] if held == WAITING else []))


def main() -> None:
    """One setting, in this process: prints CPU per call and calls per second, or the memory of a call that waits."""
    parser = setting_parser(CLIENTS)
    parser.add_argument("--waiting", action="store_true")
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if given.waiting:
            found = runner.run(let_wait(given.client, given.url, given.held))
        else:
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
    return {"cpu_ms": round(1000 * spent_s / calls, 3), "calls_per_s": round(calls / passed_s, 1), "calls": calls}


async def let_wait(client: str, url: str, number: int) -> dict[str, float]:
    """Memory of the process, by how much each of so many calls makes it grow that wait for their answer."""
    async with AsyncExitStack() as stack:
        ask = await _CLIENTS[client](stack, f"{url}/v1")
        callers: list[asyncio.Task[Any]] = []
        before = 0
        for _ in range(number // AT_ONCE + 1):  # the first are those for which everything is loaded
            callers += [asyncio.ensure_future(ask()) for _ in range(AT_ONCE)]
            await asyncio.wait(callers, timeout=0.25, return_when=asyncio.FIRST_COMPLETED)
            before = before or _resident_bytes()
        gc.collect()
        kept = _resident_bytes() - before
        for caller in callers:
            caller.cancel()
        await none_failed(callers)
    return {"kept_kb": round(kept / number / 1024, 1), "rss_mb": round((before + kept) / 1e6, 1)}


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def _factory(handler: str, stack: AsyncExitStack, url: str) -> Ask:
    from adapters.pool import ProviderPool
    from adapters.registry import load_handler
    from tests.adapters.calls import make_call

    adapter = load_handler(handler, await stack.enter_async_context(ProviderPool()))
    call = make_call(handler, base_url=url, model_id=MODEL, api_key=KEY, timeout_s=LONG_MS / 1000)
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
