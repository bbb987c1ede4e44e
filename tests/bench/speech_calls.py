"""CPU that one process spends on an ElevenLabs call while it holds 300 of them, and while it holds 30."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from itertools import count
from typing import Any, cast

import uvloop

from core.jsonio import dump_json
from tests.bench.measuring import (
    Effort,
    Measured,
    emulator,
    in_own_process,
    in_turn,
    middle,
    middle_ratio,
    of_setting,
    setting_parser,
)

TITLE = "CPU of the calling process per ElevenLabs call, milliseconds: median (lowest–highest round)"
SPEECH_TAKES = 4 / 3
CASES = {"300, 1.5 s each": (300, 1.5), "30, 1.5 s each": (30, 1.5), "30, 0.15 s each": (30, 0.15)}
CLIENTS = {"factory": "the factory's handler and pool", "plain": "elevenlabs' SDK over httpx, as it comes"}
WARM_UP_CALLS = 100
WARM_UP_EACH = 2
TEXT = "Light {:06}."
VOICE = "JBFqnCBsd6RMkjVDRZzb"
MODEL = "eleven_flash_v2_5"
KEY = "sk-bench"

Speak = Callable[[str], Awaitable[bytes]]


def run(effort: Effort) -> Measured:
    """Every client in every case, in turn. At one answer time 30 calls leave the process idle between them, which
    costs too; at one rate nothing differs but how many are in flight."""
    settings = [{"client": client, "case": case} for case in CASES for client in CLIENTS]
    with ExitStack() as stack:
        answers_s = {answer_s for _, answer_s in CASES.values()}
        urls = {one: stack.enter_context(emulator(round(1000 * one / SPEECH_TAKES))) for one in answers_s}
        samples = in_turn(settings, effort, partial(_measure, urls, effort.seconds))
    rows = []
    for client, description in CLIENTS.items():
        cpu_ms = {case: of_setting(samples, {"client": client, "case": case}, "cpu_ms") for case in CASES}
        (_, many), *fewer = cpu_ms.items()
        medians = {case: middle(values) for case, values in cpu_ms.items()}
        ratios = {f"first to {case}": middle_ratio(many, values) for case, values in fewer}
        rows.append({"in flight": description, **medians, **ratios})
    return Measured(rows, samples)


def _measure(urls: dict[float, str], seconds: float, *, client: str, case: str) -> dict[str, Any]:
    held, answer_s = CASES[case]
    url = f"{urls[answer_s]}/elevenlabs"
    return in_own_process(__name__, "--url", url, "--client", client, "--held", str(held), "--seconds", str(seconds))


def main() -> None:
    """One setting, in this process: prints CPU per call and calls per second."""
    given = setting_parser(CLIENTS).parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(hold_calls(given.client, given.url, given.held, given.seconds))
    sys.stdout.buffer.write(dump_json(found))


async def hold_calls(client: str, url: str, held: int, seconds: float) -> dict[str, float]:
    """Keep that many calls in flight; what it cost from when everyone is warm until the time is over."""
    async with AsyncExitStack() as stack:
        speak = await (_factory if client == "factory" else _plain)(stack, url)
        finished = 0
        texts = map(TEXT.format, count())  # the emulator's latency hangs on the text, so the calls do not march in step

        async def keep_calling() -> None:
            nonlocal finished
            while True:
                assert await speak(next(texts))
                finished += 1

        callers = [asyncio.create_task(keep_calling()) for _ in range(held)]
        await until(lambda: finished >= max(WARM_UP_CALLS, WARM_UP_EACH * held), callers)
        begun, begun_cpu, before = time.monotonic(), time.process_time(), finished
        await asyncio.wait(callers, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        spent_s, calls, passed_s = time.process_time() - begun_cpu, finished - before, time.monotonic() - begun
        for caller in callers:
            caller.cancel()
        await none_failed(callers)
    return {"cpu_ms": round(1000 * spent_s / calls, 3), "calls_per_s": round(calls / passed_s, 1), "calls": calls}


async def until(ready: Callable[[], bool], callers: list["asyncio.Task[None]"]) -> None:
    while not ready():
        done, _ = await asyncio.wait(callers, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)
        if done:
            await none_failed(callers)


async def none_failed(callers: list["asyncio.Task[None]"]) -> None:
    for found in await asyncio.gather(*callers, return_exceptions=True):
        if isinstance(found, Exception):
            raise found


async def _factory(stack: AsyncExitStack, url: str) -> Speak:
    from adapters.pool import ProviderPool
    from adapters.registry import load_handler
    from tests.adapters.calls import make_call

    handler = load_handler("elevenlabs.text_to_speech", await stack.enter_async_context(ProviderPool()))

    async def speak(text: str) -> bytes:
        call = make_call(
            "elevenlabs.text_to_speech", base_url=url, model_id=MODEL, api_key=KEY, timeout_s=60.0, input=text,
            voice=VOICE, format="mp3",
        )  # fmt: skip
        return (await handler(call)).audio or b""

    return speak


async def _plain(stack: AsyncExitStack, url: str) -> Speak:
    """With room for all connections: by itself the SDK would keep twenty and open the others anew for every call."""
    import httpx
    from elevenlabs.client import AsyncElevenLabs

    limits = httpx.Limits(max_connections=1000, max_keepalive_connections=1000)
    http = await stack.enter_async_context(httpx.AsyncClient(timeout=60, limits=limits))
    sdk = AsyncElevenLabs(api_key=KEY, base_url=url, httpx_client=http)

    async def speak(text: str) -> bytes:
        chunks = sdk.text_to_speech.convert(VOICE, text=text, model_id=MODEL, output_format="mp3_44100_128")
        return b"".join([chunk async for chunk in cast("Any", chunks)])

    return speak


if __name__ == "__main__":
    main()
