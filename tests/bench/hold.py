"""One worker process that holds thousands of calls of half a minute: do all complete, and what memory that takes.

The worker begins with the limit of open files that a shell gives, and is asked what it has made of it.
"""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop

from tests.bench.house import House, completing, open_house
from tests.bench.measuring import Effort, Measured, middle

TITLE = "calls of 30 s held by one worker process: median (lowest–highest round)"
CALLS = 5000
LATENCY_MS = 30_000
SHELL_FILES = 1024
ROOM = 500


def run(effort: Effort) -> Measured:
    """Each round with a worker of its own."""
    calls = effort.jobs or CALLS
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        samples = []
        for number in range(effort.rounds):
            sample = runner.run(_hold(calls))
            effort.say(f"round {number + 1} of {effort.rounds}: {sample}")
            samples.append(sample)
    must = {"peak RSS, MB": "500 (10,000 calls)", "calls at once, most seen": f"{calls:,}"}
    rows = [
        {"figure": name, "measured": middle([one[name] for one in samples]), "must": must.get(name, "")}
        for name in samples[0]
    ]
    return Measured(rows, samples)


async def _hold(calls: int) -> dict[str, float]:
    async with open_house() as house:
        with completing(house, LATENCY_MS) as url, _files_of_a_shell():
            await house.add_provider("chat", "openai.chat_completions", url)
            async with house.working(1, calls):
                pid = house.workers[0]
                await house.until_over(await house.lay(1, model="bench/chat", cache="off"))
                own, before_mb = _open_files(pid), _peak_mb(pid)
                if own < calls + ROOM:
                    hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
                    resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
                spent = house.spent_s()["worker"]
                laid = await house.lay(calls, model="bench/chat", cache="off")
                most = 0
                while await house.open_jobs(laid.batch_id):
                    most = max(most, await _running(house, laid.batch_id))
                    await asyncio.sleep(0.25)
                took_s = await house.until_over(laid)
                again = await house.database.fetchval(
                    "SELECT count(*) FROM factory.jobs WHERE batch_id = $1 AND attempts + lost_leases > 1",
                    laid.batch_id,
                )
                return {
                    "calls": float(calls),
                    "calls at once, most seen": float(most),
                    "first start to last end, s": took_s,
                    "peak RSS, MB": _peak_mb(pid),
                    "peak RSS before, MB": before_mb,
                    "CPU a call, ms": (house.spent_s()["worker"] - spent) / calls * 1000,
                    "tried more than once": float(again),
                    f"open files that it allows itself, of {SHELL_FILES}": float(own),
                }


async def _running(house: House, batch_id: Any) -> int:
    found: int = await house.database.fetchval("SELECT in_progress FROM factory.batches WHERE id = $1", batch_id)
    return found


@contextmanager
def _files_of_a_shell() -> Iterator[None]:
    """For the programs that are started meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(SHELL_FILES, soft), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _open_files(pid: int) -> int:
    return resource.prlimit(pid, resource.RLIMIT_NOFILE)[0]


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
