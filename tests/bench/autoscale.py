"""A burst of 2,000 jobs on `factory up`: how soon workers come, how long jobs wait, and how soon workers go."""

import asyncio
import contextlib
import json
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from pathlib import Path
from typing import Any

from core.settings import Settings, child_environment
from producer.composition import open_services
from producer.embedded import read_running
from producer.submit import Caller
from sql.access import find_project
from tests.autoscaling.fleet import Burst, Scaled, run_burst
from tests.bench.measuring import Effort, Measured

TITLE = "2,000 jobs at once on `factory up` with 10 slots a worker, from 1 to 6 workers"
JOBS, MOST, SLOTS, COOL_DOWN_S = 2000, 6, 10, 30.0


def run(effort: Effort) -> Measured:
    """One burst a round, each on a factory of its own."""
    bursts = [asyncio.run(_round(effort)) for _ in range(effort.rounds)]
    rows = [_row(number, one) for number, one in enumerate(bursts, start=1)]
    return Measured(rows, rows)


def _row(number: int, burst: Burst) -> dict[str, Any]:
    return {
        "round": number,
        "first new worker started, s": f"{burst.started_s:.1f}",
        "and working, s": f"{burst.working_s:.1f}",
        "workers at most": burst.most,
        "all done, s": f"{burst.drained_s:.1f}",
        "longest wait in the burst, s": f"{burst.burst_waits_s[-1]:.1f}",
        "after it, s": f"{burst.waits_s[-1]:.2f}",
        "back to 1 worker after, s": f"{burst.fell_s:.1f}",
        "jobs interrupted or run twice": len(burst.disturbed),
    }


async def _round(effort: Effort) -> Burst:
    with tempfile.TemporaryDirectory(prefix="factory-burst-") as folder:
        Path(folder).chmod(0o711)
        environment = child_environment(FACTORY_WORKER_SLOTS=str(SLOTS), FACTORY_COOL_DOWN_S=str(COOL_DOWN_S))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "producer.cli", "up", "--port", "8461", "--max-workers", str(MOST),
            cwd=folder, env=environment, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT,
        )  # fmt: skip
        try:
            return await _burst(process, Path(folder) / ".factory", effort)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def _burst(process: Process, home: Path, effort: Effort) -> Burst:
    assert process.stdout is not None
    while b"ready at" not in (line := await process.stdout.readline()):
        if not line:
            raise RuntimeError("factory up did not come up")
    running = read_running(home)
    assert running is not None
    settings = Settings(database_url=running.database_url, redis_url=running.redis_url, home=home)
    async with open_services(settings) as services:
        project = await find_project(services.database, "default")
        assert project is not None
        caller = Caller(project.id, project.name, frozenset({"jobs"}))
        scaled = Scaled(settings, services, caller, process)
        reading = asyncio.create_task(_read(process, scaled.lines))
        await scaled.until_workers(1)
        burst = await run_burst(scaled, "fast", JOBS, COOL_DOWN_S)
        reading.cancel()
    effort.say(f"{burst.drained_s:.1f} s; {len(burst.disturbed)} disturbed")
    return burst


async def _read(process: Process, lines: list[dict[str, Any]]) -> None:
    """Lines of `factory up`: who says it, a bar, what they say."""
    assert process.stdout is not None
    async for line in process.stdout:
        with contextlib.suppress(ValueError):
            lines.append(json.loads(line.decode().partition("│ ")[2]))
