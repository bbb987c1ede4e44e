"""Calls of 50 ms by openai's SDK: the factory beside what one writes by hand on arq, and beside the calls alone.

Two processes each; the provider is a server in a process of its own that answers what was recorded, the same for all
(`tests/bench/completions.py`), and shares the two cores with them.
"""

import asyncio
import signal
import subprocess
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
import uvloop
from arq.connections import RedisSettings, create_pool

from core.settings import python_program
from tests.bench.baseline.producer import submit
from tests.bench.baseline.worker import QUEUE
from tests.bench.drain import drain, profiled, top_statements
from tests.bench.house import House, completing, open_house
from tests.bench.measuring import Effort, Measured, cpu_s, in_own_process, in_turn, middle, of_setting

TITLE = "calls of 50 ms by openai's SDK, two processes: median (lowest–highest round)"
JOBS = 4000
LATENCY_MS = 50
PROCESSES = 2
SLOTS = (100,)
OURS, BY_HAND, OWN, LANES = "the factory", "by hand on arq", "the SDK alone", "the SDK alone, the factory's connections"
SCHEMA = Path(__file__).parent / "baseline" / "schema.sql"
SPAN = (
    "SELECT extract(epoch FROM max(finished_at) - min(started_at))::double precision FROM baseline.jobs "
    "WHERE status = 'completed' HAVING count(*) = $1"
)
MUST = {BY_HAND: "3.5 (5)", OWN: "0.75 (0.9)", LANES: "0.75 (0.9)"}
MOST_OF_OURS = "0.4 (0.2)"
SPENDERS = {"worker": "CPU of its processes, ms", "provider": "provider", "Postgres": "Postgres", "Valkey": "Valkey"}


def run(effort: Effort) -> Measured:
    """Everybody in turn. By hand also as arq comes, ten jobs at once; the slow get fewer jobs. A profile
    is of one of our two workers."""
    jobs = effort.jobs or JOBS
    settings: list[dict[str, Any]] = []
    for slots in effort.slots or SLOTS:
        settings += [{"who": OURS, "slots": slots, "poll_s": 0.0}]
        settings += [{"who": BY_HAND, "slots": slots, "poll_s": poll_s} for poll_s in (0.5, 0.05)]
        settings += [{"who": who, "slots": slots, "poll_s": 0.0} for who in (OWN, LANES)]
    settings += [{"who": BY_HAND, "slots": 10, "poll_s": 0.5}]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        opened = open_house(statements=effort.profile is not None)
        house = runner.run(opened.__aenter__())
        try:
            with completing(house, LATENCY_MS) as url:
                runner.run(house.add_provider("chat", "openai.chat_completions", url))
                if effort.profile is not None:
                    sample = runner.run(_ours(house, jobs, settings[0]["slots"], effort.profile))
                    return profiled(effort, sample, runner.run(top_statements(house)))
                runner.run(house.database.execute(SCHEMA.read_text()))

                def measure(who: str, slots: int, poll_s: float) -> dict[str, float]:
                    if who == OURS:
                        return runner.run(_ours(house, jobs, slots))
                    if who == BY_HAND:
                        return runner.run(_by_hand(house, url, jobs if slots > 10 else jobs // 10, slots, poll_s))
                    return _alone(house, url, jobs, slots, "own" if who == OWN else "lanes")

                samples = in_turn(settings, effort, measure)
        finally:
            runner.run(opened.__aexit__(None, None, None))
    return Measured(_rows(settings, samples), samples)


async def _ours(house: House, jobs: int, slots: int, profile: Path | None = None) -> dict[str, float]:
    return await drain(house, jobs, slots, workers=PROCESSES, model="bench/chat", profile=profile)


async def _by_hand(house: House, url: str, jobs: int, slots: int, poll_s: float) -> dict[str, float]:
    """Its workers stand still while the jobs are put in, as ours do."""
    await house.database.execute("TRUNCATE baseline.jobs")
    database, redis_url = house.settings.database_url or "", house.settings.redis_url or ""
    arguments = (database, redis_url, url, str(slots), str(poll_s))
    command = python_program("tests.bench.baseline.worker", *arguments)
    workers = [subprocess.Popen(command) for _ in range(PROCESSES)]
    try:
        await _put(house, 2 * slots * PROCESSES)
        await _until_done(house, 2 * slots * PROCESSES)
        for one in workers:
            one.send_signal(signal.SIGSTOP)
        await house.database.execute("TRUNCATE baseline.jobs")
        await _put(house, jobs)
        await house.database.execute("VACUUM (ANALYZE) baseline.jobs")
        await house.database.execute("CHECKPOINT")
        house.workers[:] = [one.pid for one in workers]
        before = house.spent_s()
        for one in workers:
            one.send_signal(signal.SIGCONT)
        took_s = await _until_done(house, jobs)
        spent = {name: (value - before[name]) / jobs * 1000 for name, value in house.spent_s().items()}
    finally:
        house.workers.clear()
        for one in workers:
            one.send_signal(signal.SIGCONT)
            one.terminate()
        for one in workers:
            one.wait(30)
    return {"per_s": jobs / took_s, **spent}


async def _put(house: House, jobs: int) -> None:
    pool = await create_pool(RedisSettings.from_dsn(house.settings.redis_url or ""), default_queue_name=QUEUE)
    async with asyncpg.create_pool(house.settings.database_url, max_size=10) as database:
        gate = asyncio.Semaphore(50)

        async def one(number: int) -> None:
            prompt = f"Describe item {number} of our catalogue in two friendly sentences, for somebody new."
            async with gate:
                await submit(database, pool, "chat", prompt)

        await asyncio.gather(*map(one, range(jobs)))
    await pool.aclose()


async def _until_done(house: House, jobs: int) -> float:
    """Seconds from the first start to the last end. Raises TimeoutError where a job does not complete."""
    async with asyncio.timeout(60 + jobs / 10):
        while (took_s := await house.database.fetchval(SPAN, jobs)) is None:
            await asyncio.sleep(0.1)
    return float(took_s)


def _alone(house: House, url: str, calls: int, at_once: int, whose: str) -> dict[str, float]:
    each, before = calls // PROCESSES, cpu_s(house.servers["provider"])
    arguments = (url, str(at_once), str(each), whose)
    with asyncio.Runner() as runner:

        async def both() -> list[dict[str, Any]]:
            run = (asyncio.to_thread(in_own_process, "tests.bench.bare_calls", *arguments) for _ in range(PROCESSES))
            return await asyncio.gather(*run)

        found = runner.run(both())
    served = PROCESSES * (each + 2 * at_once)
    return {
        "per_s": sum(one["per_s"] for one in found),
        "worker": sum(one["cpu_s"] for one in found) / (each * PROCESSES) * 1000,
        "provider": (cpu_s(house.servers["provider"]) - before) / served * 1000,
    }


def _rows(settings: list[dict[str, Any]], samples: list[dict[str, Any]]) -> list[dict[str, str]]:
    rows = []
    for setting in settings:
        ours = {"who": OURS, "slots": setting["slots"]}
        if setting["who"] == BY_HAND and setting["slots"] == 10:
            ours = {"who": OURS}
        mine, theirs = of_setting(samples, ours, "per_s"), of_setting(samples, setting, "per_s")
        found = {
            name: [one[name] for one in samples if setting.items() <= one.items() and name in one] for name in SPENDERS
        }
        poll = f", polls every {setting['poll_s']:g} s" if setting["poll_s"] else ""
        above = [one / other for one, other in zip(mine, theirs, strict=False)]
        rows.append(
            {
                "who": f"{setting['who']}, {setting['slots']} at once{poll}",
                "a second": middle(theirs),
                "the factory / this": middle(above) if setting["who"] != OURS else "",
                "must (aim)": MUST.get(setting["who"], ""),
            }
            | {SPENDERS[name]: f"{median(ms):.2f}" if ms else "" for name, ms in found.items()}
        )
    return rows + [_ours_beyond(samples, slots) for slots in {one["slots"] for one in settings if one["who"] == OURS}]


def _ours_beyond(samples: list[dict[str, Any]], slots: int) -> dict[str, str]:
    """Our CPU beyond the SDK's, held against the cheaper of the two ways to call."""
    mine = of_setting(samples, {"who": OURS, "slots": slots}, "worker")
    alone = [of_setting(samples, {"who": who, "slots": slots}, "worker") for who in (OWN, LANES)]
    beyond = [one - min(own, lanes) for one, own, lanes in zip(mine, *alone, strict=True)]
    row = {"who": f"ours beyond the SDK call, {slots} at once", "a second": "", "the factory / this": ""}
    row |= {"must (aim)": f"at most {MOST_OF_OURS} ms"} | dict.fromkeys(SPENDERS.values(), "")
    return row | {SPENDERS["worker"]: middle(beyond)}
