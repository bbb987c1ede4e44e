"""Workers of the queue bench, each its own process: `ours SLOTS`, or stock `arq SLOTS`.

Their jobs do nothing, or wait as long as their text says, and note when they began: one line a job, by a clock that
all processes share. Ours also note when the job's function began, under its id: before the provider's call come its
room at the provider and its line in the ledger, which arq knows nothing of.
"""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

import uvloop

from adapters.pool import ProviderPool
from adapters.registry import HANDLERS
from core.provider import HandlerSpec, ProviderAnswer, ProviderCall
from core.result import Usage

STARTS = Path(os.environ.get("BENCH_STARTS", "starts"))
NOOP = HandlerSpec("bench.noop", "text", "tests.bench.queue_programs:answer")


def note(name: str) -> None:
    """A line of its own is written whole, whoever else writes."""
    with STARTS.open("a") as file:
        file.write(f"{name} {time.monotonic()}\n")


async def answer(_pool: ProviderPool, call: ProviderCall) -> ProviderAnswer:
    """`NAME SECONDS` in the prompt: noted, waited for, answered."""
    name, seconds = (call.request.prompt or "x 0").split()
    note(name)
    await asyncio.sleep(float(seconds))
    return ProviderAnswer(usage=Usage(1, 1), model=call.model.model_id, content="done")


async def begun(ctx: dict[str, Any]) -> None:
    """arq's hook, right before the function of a job's kind."""
    note(ctx["job_id"])


async def stock(_ctx: dict[str, Any], name: str, seconds: float) -> None:
    """The same for stock arq."""
    note(name)
    await asyncio.sleep(seconds)


def main() -> None:
    asyncio.set_event_loop(uvloop.new_event_loop())
    if sys.argv[1] == "arq":
        from arq.connections import RedisSettings
        from arq.worker import Worker, func

        settings = RedisSettings.from_dsn(os.environ["FACTORY_REDIS_URL"])
        Worker(
            [func(stock, name="stock", keep_result=0)],  # type: ignore[arg-type]
            redis_settings=settings,
            max_jobs=int(sys.argv[2]),
            queue_name="bench:arq",
        ).run()
        return
    HANDLERS[NOOP.name] = NOOP
    from core.settings import read_settings
    from workers.engine import LeasedWorker
    from workers.worker import worker_options

    LeasedWorker(**worker_options(read_settings()), on_job_start=begun).run()


if __name__ == "__main__":
    main()
