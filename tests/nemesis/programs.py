"""A worker and a submitter that can be hurt from inside: `python -m tests.nemesis.programs worker|submitter`."""

import asyncio
import os
import random
import signal
import sys
import time
from datetime import datetime, timedelta
from types import FrameType
from uuid import UUID

import core.clock
from adapters.pool import ProviderPool
from adapters.registry import HANDLERS
from core.provider import HandlerSpec, ProviderAnswer, ProviderCall

CLOCK_OFF_S = float(os.environ.get("NEMESIS_CLOCK_OFF_S", "0"))
BLOCK_S = float(os.environ.get("NEMESIS_BLOCK_S", "5"))
CRASH_EVERY = int(os.environ.get("NEMESIS_CRASH_EVERY", "0"))
KEY_LIFE = timedelta(hours=24)


async def poison(_pool: ProviderPool, _call: ProviderCall) -> ProviderAnswer:
    """Kills the worker that calls it."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def prepare() -> None:
    """A wrong clock, a handler that kills, a signal that blocks the event loop."""
    right = core.clock.utc_now

    def wrong() -> datetime:
        return right() + timedelta(seconds=CLOCK_OFF_S)

    core.clock.utc_now = wrong
    HANDLERS["nemesis.poison"] = HandlerSpec("nemesis.poison", "text", "tests.nemesis.programs:poison")

    def block(_number: int, _frame: FrameType | None) -> None:
        time.sleep(BLOCK_S)

    signal.signal(signal.SIGUSR1, block)


async def submit(project: str, jobs: int, poisoned: int, seed: int) -> None:
    """So many jobs, each under a key of its own; killed now and then between the INSERT and the hand-over."""
    from broker.queue import JobQueue
    from core.request import JobRequest
    from core.settings import read_settings
    from producer.composition import open_services
    from producer.idempotency import Idempotency
    from producer.submit import Caller
    from sql.access import find_project

    hand_over = JobQueue.hand_over
    draw = random.Random(time.monotonic_ns())

    async def or_die(self: JobQueue, tickets: object) -> int:
        if CRASH_EVERY and draw.randrange(CRASH_EVERY) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return await hand_over(self, tickets)  # type: ignore[arg-type]

    JobQueue.hand_over = or_die  # type: ignore[method-assign]
    async with open_services(read_settings()) as services:
        found = await find_project(services.database, project)
        assert found is not None
        caller = Caller(UUID(str(found.id)), found.name, frozenset())
        for number in range(jobs):
            model = "nemesis/poison" if number < poisoned else "openai/gpt-6-luna"
            request = JobRequest(model=model, prompt=f"Write line {number} of {seed}", reasoning_effort="none")
            key = Idempotency(f"nemesis-{seed}-{number}", str(number).encode())
            while True:
                try:
                    await services.submitter.submit(caller, request, key)
                    break
                except Exception as error:  # noqa: BLE001  a server is away: the caller would try again
                    print(f"submit again: {type(error).__name__}", file=sys.stderr)
                    await asyncio.sleep(0.2)


def main() -> int:
    prepare()
    if sys.argv[1] == "submitter":
        asyncio.run(submit(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])))
        return 0
    from workers.__main__ import main as work

    return work()


if __name__ == "__main__":
    sys.exit(main())
