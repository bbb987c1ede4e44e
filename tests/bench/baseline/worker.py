"""The worker: marks a job started, asks the provider, writes answer, usage and cost. As a program:
`DATABASE_URL REDIS_URL BASE_URL MAX_JOBS POLL_S`."""

import asyncio
import sys
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import uvloop
from arq.connections import RedisSettings
from arq.worker import Worker, func
from openai import AsyncOpenAI, OpenAIError

QUEUE = "baseline"
INPUT_USD_PER_MTOK, OUTPUT_USD_PER_MTOK = Decimal(2), Decimal(8)
START = (
    "UPDATE baseline.jobs SET status = 'running', attempts = attempts + 1, started_at = coalesce(started_at, now()) "
    "WHERE id = $1 RETURNING model, prompt"
)
COMPLETE = (
    "UPDATE baseline.jobs SET status = 'completed', result = $2, prompt_tokens = $3, completion_tokens = $4, "
    "cost = $5, finished_at = now() WHERE id = $1"
)
FAIL = "UPDATE baseline.jobs SET status = 'failed', error = $2, finished_at = now() WHERE id = $1"


async def generate(ctx: dict[str, Any], job_id: str) -> None:
    pool, client = ctx["pool"], ctx["client"]
    job = await pool.fetchrow(START, UUID(job_id))
    try:
        completion = await client.chat.completions.create(
            model=job["model"], messages=[{"role": "user", "content": job["prompt"]}], max_tokens=60
        )
    except OpenAIError as error:
        await pool.execute(FAIL, UUID(job_id), str(error))
        raise
    usage = completion.usage
    cost = (usage.prompt_tokens * INPUT_USD_PER_MTOK + usage.completion_tokens * OUTPUT_USD_PER_MTOK) / 1_000_000
    answer = completion.choices[0].message.content
    await pool.execute(COMPLETE, UUID(job_id), answer, usage.prompt_tokens, usage.completion_tokens, cost)


def main() -> None:
    database_url, redis_url, base_url, most, poll_s = sys.argv[1:]

    async def start(ctx: dict[str, Any]) -> None:
        ctx["pool"] = await asyncpg.create_pool(database_url)
        ctx["client"] = AsyncOpenAI(base_url=base_url, api_key="none", max_retries=3)

    async def stop(ctx: dict[str, Any]) -> None:
        await ctx["client"].close()
        await ctx["pool"].close()

    asyncio.set_event_loop(uvloop.new_event_loop())
    Worker(
        [func(generate, keep_result=0, max_tries=5)],
        redis_settings=RedisSettings.from_dsn(redis_url),
        queue_name=QUEUE,
        max_jobs=int(most),
        poll_delay=float(poll_s),
        on_startup=start,
        on_shutdown=stop,
    ).run()


if __name__ == "__main__":
    main()
