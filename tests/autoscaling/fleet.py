"""An autoscaler as a real process, its log as it comes, and what became of the jobs."""

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from core.clock import utc_now
from core.demand import Worker
from core.request import JobRequest, Kind
from core.settings import Settings, child_environment
from producer.composition import Services
from producer.submit import Caller
from sql.access import find_project
from tests.house import addresses_of
from tests.workers.test_promises import COPY_MODEL, COPY_PRICE


@dataclass
class Scaled:
    """`lines`: what the autoscaler and its workers logged."""

    settings: Settings
    services: Services
    caller: Caller
    process: asyncio.subprocess.Process
    lines: list[dict[str, Any]] = field(default_factory=list)

    def said(self, event: str, since: datetime | None = None) -> list[dict[str, Any]]:
        """The lines with this event."""
        return [one for one in self.lines if one["event"] == event and (since is None or at(one) >= since)]

    async def until(self, holds: Callable[[], bool], within_s: float = 30) -> None:
        try:
            async with asyncio.timeout(within_s):
                while not holds():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError("\n".join(map(str, self.lines[-40:]))) from None

    async def workers(self) -> list[Worker]:
        """Those that are alive by their own word."""
        return list((await self.services.fleet.look()).workers)

    async def until_workers(self, count: int, within_s: float = 30) -> list[Worker]:
        """Until so many take jobs and no others are left."""
        async with asyncio.timeout(within_s):
            while [one.state for one in await self.workers()] != ["working"] * count:
                await asyncio.sleep(0.1)
        return await self.workers()

    async def submit(self, model: str, count: int, kind: Kind = Kind.text) -> list[UUID]:
        field = "prompt" if kind is Kind.text else "input"
        requests = [JobRequest(model=model, kind=kind, **{field: f"A line {uuid4()}"}) for _ in range(count)]
        return await asyncio.gather(*(self.services.submitter.submit(self.caller, one) for one in requests))

    async def until_over(self, ids: Sequence[UUID], within_s: float) -> None:
        async with asyncio.timeout(within_s):
            while await self.services.database.fetchval(
                "SELECT count(*) FROM factory.jobs WHERE id = ANY($1) AND finished_at IS NULL", ids
            ):
                await asyncio.sleep(0.1)

    async def until_done(self, count: int, within_s: float = 30) -> None:
        """Until so many jobs have completed."""
        async with asyncio.timeout(within_s):
            while count > await self.services.database.fetchval(
                "SELECT count(*) FROM factory.jobs WHERE state = 'completed'"
            ):
                await asyncio.sleep(0.05)

    async def limit(self, provider: str, **limits: int) -> None:
        """What the provider allows from now on."""
        await self.services.database.execute("UPDATE factory.providers SET limits = $2 WHERE id = $1", provider, limits)
        await self.services.catalog.step()

    async def waits_s(self, ids: Sequence[UUID]) -> list[float]:
        """How long jobs waited for a slot, the shortest first."""
        rows = await self.services.database.fetch(
            "SELECT extract(epoch FROM started_at - created_at)::float AS wait_s FROM factory.jobs "
            "WHERE id = ANY($1) ORDER BY 1",
            ids,
        )
        return [row["wait_s"] for row in rows]

    async def disturbed(self, ids: Sequence[UUID]) -> list[Any]:
        """Of these jobs, those that did not complete in one attempt with one call."""
        return await self.services.database.fetch(
            "SELECT job.id, job.state, job.attempts, job.lost_leases, count(call.id) AS calls FROM factory.jobs AS job "
            "LEFT JOIN factory.calls AS call ON call.job_id = job.id WHERE job.id = ANY($1) GROUP BY job.id "
            "HAVING job.state <> 'completed' OR job.attempts <> 1 OR job.lost_leases <> 0 OR count(call.id) <> 1",
            ids,
        )


def at(line: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(line["timestamp"])


MEASURED = """
INSERT INTO factory.call_figures
    (provider, model, kind, calls, completion_tokens_mean, completion_tokens_p99, duration_ms_mean, slot_ms_mean)
VALUES ('openai', $1, 'text', $2, 10, 20, $3, $3)
"""


async def add_models(services: Services, *measured: tuple[str, int, float]) -> None:
    """Models whose names say how the emulator behaves, with what was measured of them: calls, milliseconds each."""
    for name, calls, slot_ms in measured:
        await services.database.execute(MEASURED, name, calls, slot_ms)
        await services.database.execute(COPY_MODEL, name, "openai", name.partition("@")[0])
        await services.database.execute(COPY_PRICE, name, "openai", name.partition("@")[0])
    await services.catalog.step()
    await services.figures.step()


@contextlib.asynccontextmanager
async def autoscaled(
    settings: Settings, services: Services, url: str, *arguments: str, **changes: str
) -> AsyncIterator[Scaled]:
    """Under the autoscaler that follows the API at `url`."""
    project = await find_project(services.database, "default")
    assert project is not None
    given = {
        **addresses_of(settings),
        "FACTORY_LOG_FORMAT": "json",
        "FACTORY_DATABASE_POOL_SIZE": "4",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workers.autoscaling", "--url", url, *arguments,
        env=child_environment(**{**given, **changes}), stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    caller = Caller(project.id, project.name, frozenset({"jobs"}))
    scaled = Scaled(settings, services, caller, process)
    reading = asyncio.create_task(_read(process, scaled.lines))
    try:
        yield scaled
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
        await reading


async def _read(process: asyncio.subprocess.Process, lines: list[dict[str, Any]]) -> None:
    assert process.stderr is not None
    async for line in process.stderr:
        try:
            lines.append(json.loads(line))
        except ValueError:
            lines.append({"event": "", "said": line.decode()})


@dataclass(frozen=True)
class Burst:
    """Seconds after the burst; `most` workers at once, `waits_s` of the jobs that came after the burst was met."""

    started_s: float
    working_s: float
    drained_s: float
    fell_s: float
    most: int
    burst_waits_s: Sequence[float]
    waits_s: Sequence[float]
    disturbed: Sequence[Any]


async def run_burst(scaled: Scaled, model: str, jobs: int, cool_down_s: float) -> Burst:
    """Submit many jobs at once, some more when the line is gone, and wait until the number has fallen again."""
    before = {one.name for one in await scaled.workers()}
    since, began = utc_now(), time.monotonic()
    submitting = asyncio.create_task(scaled.submit(model, jobs))
    working_s, seen = 0.0, 0
    while not working_s or not submitting.done():
        workers = await scaled.workers()
        seen = max(seen, len(workers))
        if not working_s and any(one.busy and one.name not in before for one in workers):
            working_s = time.monotonic() - began
        assert time.monotonic() - began < 60, scaled.lines[-20:]
        await asyncio.sleep(0.05)
    ids = await submitting
    while await scaled.services.database.fetchval("SELECT count(*) FROM factory.jobs WHERE state = 'queued'"):
        seen = max(seen, len(await scaled.workers()))
        assert time.monotonic() - began < 300, scaled.lines[-20:]
        await asyncio.sleep(0.1)
    late = await scaled.submit(model, 40)
    await scaled.until_over([*ids, *late], 300)
    drained_s = time.monotonic() - began
    await scaled.until_workers(1, cool_down_s + 120)
    return Burst(
        started_s=(at(scaled.said("worker started", since)[0]) - since).total_seconds(),
        working_s=working_s,
        drained_s=drained_s,
        fell_s=time.monotonic() - began - drained_s,
        most=seen,
        burst_waits_s=await scaled.waits_s(ids),
        waits_s=await scaled.waits_s(late),
        disturbed=await scaled.disturbed([*ids, *late]),
    )
