"""A backlog of jobs whose handler answers at once: how fast it is accepted, and how fast one worker process ends it.

Everything else is as in production: rows, routing, ledger, fence, prices, results, news. Jobs a second count from the
first start to the last end in Postgres. Beside it a plain arq worker with a function that does nothing.
"""

import asyncio
import pstats
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import uvloop
from arq.connections import RedisSettings, create_pool

from tests.bench.arq_worker import QUEUE
from tests.bench.house import House, open_house
from tests.bench.measuring import Effort, Measured, in_own_process, in_turn, middle, of_setting

TITLE = "a backlog of no-op jobs, one worker process: median (lowest–highest round)"
JOBS = 50_000
SLOTS = (200, 500, 1000, 1500)
ARQ_SLOTS = 100
OURS, ARQ = "the factory", "stock arq"
MUST = {"drained": "5,000 (10,000)", "accepted": "8,000 (15,000)"}


def run(effort: Effort) -> Measured:
    """Every number of slots and arq, in turn; each with a backlog of its own. With a profile, one
    round of ours, and what Postgres did; the functions are among the samples."""
    jobs = effort.jobs or JOBS
    settings: list[dict[str, Any]] = [{"who": OURS, "slots": slots} for slots in effort.slots or SLOTS]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        opened = open_house(statements=effort.profile is not None)
        house = runner.run(opened.__aenter__())
        try:
            if effort.profile is not None:
                sample = settings[0] | runner.run(drain(house, jobs, settings[0]["slots"], profile=effort.profile))
                return profiled(effort, sample, runner.run(top_statements(house)))

            def measure(who: str, slots: int) -> dict[str, Any]:
                return runner.run(drain(house, jobs, slots) if who == OURS else drain_arq(house, jobs, slots))

            settings.append({"who": ARQ, "slots": ARQ_SLOTS})
            samples = in_turn(settings, effort, measure)
        finally:
            runner.run(opened.__aexit__(None, None, None))
    return Measured(_rows(settings, samples), samples)


async def drain(
    house: House,
    jobs: int,
    slots: int,
    *,
    workers: int = 1,
    model: str = "bench/noop",
    profile: Path | None = None,
    more: Mapping[str, str] | None = None,
) -> dict[str, float]:
    """Lay a backlog while the workers stand paused, let them go, and see what that took. CPU in ms a job."""
    async with house.working(workers, slots, profile=profile, more=more):
        await house.until_over(await house.lay(2 * slots * workers, model=model))
        await house.pause(True)
        laid = await house.lay(jobs, model=model)
        await house.tidy()
        await house.count_anew()
        before = house.spent_s()
        await house.pause(False)
        took_s = await house.until_over(laid)
        spent = {name: (value - before[name]) / jobs * 1000 for name, value in house.spent_s().items()}
    accepting = {f"accepting {name}": value / jobs * 1000 for name, value in laid.cpu_s.items()}
    return {
        "per_s": jobs / took_s,
        "accepted_per_s": laid.accepted_per_s,
        "in_line_per_s": laid.in_line_per_s,
        **spent,
        **accepting,
    }


async def drain_arq(house: House, jobs: int, slots: int) -> dict[str, float]:
    """As many jobs put into arq's queue one by one, and drained by its own worker."""
    url = house.settings.redis_url or ""
    pool = await create_pool(RedisSettings.from_dsn(url), default_queue_name=QUEUE)
    gate, loop = asyncio.Semaphore(100), asyncio.get_running_loop()

    async def enqueue() -> None:
        async with gate:
            await pool.enqueue_job("noop")

    began = loop.time()
    await asyncio.gather(*(enqueue() for _ in range(jobs)))
    enqueued_s = loop.time() - began
    await pool.aclose()
    before = house.spent_s()["Valkey"]
    done = await asyncio.to_thread(in_own_process, "tests.bench.arq_worker", url, str(slots), str(jobs))
    return {
        "per_s": jobs / done["took_s"],
        "accepted_per_s": jobs / enqueued_s,
        "worker": done["cpu_s"] / jobs * 1000,
        "Valkey": (house.spent_s()["Valkey"] - before) / jobs * 1000,
    }


async def top_statements(house: House) -> list[dict[str, Any]]:
    """What Postgres spent its time on, since it was started, by statement."""
    rows = await house.database.fetch(
        "SELECT calls, rows, total_exec_time, query FROM pg_stat_statements "
        "WHERE query !~* 'vacuum|checkpoint' ORDER BY total_exec_time DESC LIMIT 20"
    )
    return [
        {
            "statement": " ".join(row["query"].split())[:110].replace("|", "/"),
            "times": row["calls"],
            "rows": row["rows"],
            "ms": round(row["total_exec_time"]),
            "µs a row": round(row["total_exec_time"] * 1000 / max(1, row["rows"]), 1),
        }
        for row in rows
    ]


def profiled(effort: Effort, sample: dict[str, Any], statements: list[dict[str, Any]]) -> Measured:
    """What Postgres did is the table; where the worker was is told, and both are kept."""
    functions = top_functions(effort.profile) if effort.profile else []
    for one in functions[:25]:
        effort.say(f"{one['own_s']:8.3f} s itself, {one['total_s']:8.3f} in all, {one['calls']:9,} × {one['function']}")
    return Measured(statements, [sample, *functions])


def top_functions(profile: Path) -> list[dict[str, Any]]:
    """Where the worker was, by seconds in the function itself; `calls` and `total_s` with what it called."""
    found = []
    for (file, line, name), (_, calls, own_s, total_s, _) in pstats.Stats(str(profile)).stats.items():  # type: ignore[attr-defined]
        place = "/".join(Path(file).parts[-2:])
        found.append({"function": f"{place}:{line} {name}", "calls": calls, "own_s": own_s, "total_s": total_s})
    return sorted(found, key=lambda one: -one["own_s"])[:60]


def _rows(settings: list[dict[str, Any]], samples: list[dict[str, Any]]) -> list[dict[str, str]]:
    rows = []
    for setting in settings:

        def ms(name: str, setting: dict[str, Any] = setting) -> str:
            return f"{median(of_setting(samples, setting, name)):.3f}"

        ours = setting["who"] == OURS
        rows.append(
            {
                "what": f"{setting['who']}, {setting['slots']} slots",
                "jobs a second": middle(of_setting(samples, setting, "per_s")),
                "must (aim)": MUST["drained"] if ours else "",
                "CPU a job, ms: its process": ms("worker"),
                "Postgres": ms("Postgres") if ours else "",
                "Valkey": ms("Valkey"),
            }
        )
    ours = [one for one in samples if one["who"] == OURS]
    for what, name in (("accepted through the batch path", "accepted_per_s"), ("and in line", "in_line_per_s")):
        rows.append(
            {
                "what": what,
                "jobs a second": middle([one[name] for one in ours]),
                "must (aim)": MUST["accepted"] if name == "accepted_per_s" else "",
                "CPU a job, ms: its process": f"{median(one['accepting process'] for one in ours):.3f}",
                "Postgres": f"{median(one['accepting Postgres'] for one in ours):.3f}",
                "Valkey": f"{median(one['accepting Valkey'] for one in ours):.3f}",
            }
        )
    enqueued = [one["accepted_per_s"] for one in samples if one["who"] == ARQ]
    rows.append(dict.fromkeys(rows[0], "") | {"what": "enqueue_job of arq", "jobs a second": middle(enqueued)})
    return rows
