"""Calls by openai's SDK alone, as a program: `URL AT_ONCE CALLS WHOSE`. `own`: over the connections that the SDK brings;
`lanes`: over those of the factory. Rate and CPU on stdout, once everything is warm."""

import asyncio
import sys
import time

import uvloop
from openai import AsyncOpenAI

from adapters.pool import ProviderPool
from core.jsonio import dump_json
from tests.bench.measuring import cpu_s


async def call(url: str, at_once: int, calls: int, whose: str) -> dict[str, float]:
    pool = ProviderPool()
    client = AsyncOpenAI(base_url=url, api_key="none", http_client=None if whose == "own" else pool.http)
    left = iter(range(at_once * 2 + calls))
    began = spent = 0.0

    async def keep_calling() -> None:
        nonlocal began, spent
        for number in left:
            if number == at_once * 2:
                began, spent = time.perf_counter(), cpu_s()
            prompt = f"Describe item {number} of our catalogue in two friendly sentences, for somebody new."
            answer = await client.chat.completions.create(
                model="chat", messages=[{"role": "user", "content": prompt}], max_tokens=60
            )
            assert answer.choices[0].message.content

    await asyncio.gather(*(keep_calling() for _ in range(at_once)))
    took_s, cpu = time.perf_counter() - began, cpu_s() - spent
    await pool.aclose()
    return {"per_s": calls / took_s, "cpu_s": cpu}


def main() -> None:
    url, at_once, calls, whose = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(call(url, int(at_once), int(calls), whose))
    sys.stdout.buffer.write(dump_json(found))


if __name__ == "__main__":
    main()
