"""A plain arq worker whose function does nothing, as a program: `REDIS_URL MAX_JOBS JOBS`. It drains the queue and says
on stdout how long the jobs took, first start to last end, and what CPU they cost it."""

import asyncio
import sys
import time
from typing import Any

import uvloop
from arq.connections import RedisSettings
from arq.worker import Worker, func

from core.jsonio import dump_json
from tests.bench.measuring import cpu_s

QUEUE = "bench:arq"


async def noop(ctx: dict[str, Any]) -> None:
    """The first one notes the time."""
    ctx["began"].setdefault("at", (time.perf_counter(), cpu_s()))


def main() -> None:
    url, most, jobs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    asyncio.set_event_loop(uvloop.new_event_loop())
    began: dict[str, tuple[float, float]] = {}
    worker = Worker(
        [func(noop, name="noop", keep_result=0)],
        redis_settings=RedisSettings.from_dsn(url),
        max_jobs=most,
        queue_name=QUEUE,
        burst=True,
        ctx={"began": began},
        handle_signals=False,
    )
    worker.run()
    at, spent_s = began["at"]
    took = {"took_s": time.perf_counter() - at, "cpu_s": cpu_s() - spent_s, "jobs": worker.jobs_complete}
    assert worker.jobs_complete == jobs, took
    sys.stdout.buffer.write(dump_json(took))


if __name__ == "__main__":
    main()
