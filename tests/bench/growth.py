"""The drain on tables that have grown for a year beside the drain on empty ones, in turn, each on servers of its own.

The old rows are copies of a real finished job and its call, other ids, times and fingerprints, spread over the past.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterable
from statistics import median
from typing import Any

import asyncpg
import uvloop

from tests.bench.drain import drain
from tests.bench.house import House, open_house
from tests.bench.measuring import Effort, Measured, in_turn, middle, middle_ratio, of_setting

TITLE = "the drain on grown tables beside empty ones: jobs a second, median (lowest–highest round)"
JOBS = 20_000
ROWS = 5_000_000
CALLS_OF_A_JOB = 2
PAGE = 50_000
SLOTS = 500
BYTES_OF_A_JOB = 3500  # with its calls and indexes 2600, and room for the log of it
COLUMNS = (
    "SELECT attname::text FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped "
    "AND attgenerated = '' ORDER BY attnum"
)
# `n` numbers the rows; the newest is a minute old, and they lie evenly over the year before it.
AGO = "interval '1 minute' + interval '1 year' * (1 - {n}::double precision / {rows})"
JOB = {
    "id": "uuidv7(-(made.ago))",
    "batch_id": "NULL",
    "line": "NULL",
    "key": "NULL",
    "fingerprint": "sha256(('old ' || made.n)::bytea)",
    "created_at": "now() - made.ago",
    "queued_at": "now() - made.ago",
    "run_at": "now() - made.ago",
    "started_at": "now() - made.ago + interval '1 second'",
    "finished_at": "now() - made.ago + interval '3 seconds'",
}
CALL = {
    "id": "uuidv7(made.started_at - now() + interval '1 ms' * made.n)",
    "job_id": "made.id",
    "batch_id": "NULL",
    "started_at": "made.started_at",
    "finished_at": "made.finished_at",
}


def run(effort: Effort) -> Measured:
    """`seconds` has no part in it. Takes 13 GB of disk and ten minutes at full size; see `--rows`."""
    rows, jobs, slots = effort.rows or ROWS, effort.jobs or JOBS, (effort.slots or (SLOTS,))[0]
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < rows * BYTES_OF_A_JOB:
        raise OSError(f"{rows:,} rows need {rows * BYTES_OF_A_JOB / 1e9:.0f} GB, {free / 1e9:.0f} are free: set --rows")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        opened = [open_house(), open_house()]
        houses = dict(zip(("empty", "grown"), (runner.run(one.__aenter__()) for one in opened), strict=True))
        try:
            runner.run(_grow(houses["grown"], rows, effort))

            def measure(tables: str) -> dict[str, float]:
                return runner.run(_drain(houses[tables], jobs, slots, empty=tables == "empty"))

            samples = in_turn([{"tables": name} for name in houses], effort, measure)
        finally:
            for one in opened:
                runner.run(one.__aexit__(None, None, None))
    return Measured(_rows(samples, rows), samples)


async def _drain(house: House, jobs: int, slots: int, *, empty: bool) -> dict[str, float]:
    found = await drain(house, jobs, slots)
    if empty:
        await house.database.execute(
            "TRUNCATE factory.jobs, factory.calls, factory.batches, factory.cache_entries CASCADE"
        )
    return found


async def _grow(house: House, rows: int, effort: Effort) -> None:
    """As a finished job leaves them; triggers and foreign keys do not see it."""
    await drain(house, 1, 1)
    connection = await asyncpg.connect(house.settings.database_url)
    try:
        await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
        statement = await _copying(connection, rows)
        began = time.monotonic()
        for start in range(0, rows, PAGE):
            await connection.execute(statement, start, min(rows, start + PAGE))
            if start // PAGE % 10 == 9:
                effort.say(f"{start + PAGE:,} old jobs after {time.monotonic() - began:.0f} s")
    finally:
        await connection.close()
    await house.tidy()
    effort.say(f"{rows:,} old jobs and their calls after {time.monotonic() - began:.0f} s")


async def _copying(connection: "asyncpg.Connection[asyncpg.Record]", rows: int) -> str:
    jobs, calls = [
        [row["attname"] for row in await connection.fetch(COLUMNS, f"factory.{table}")] for table in ("jobs", "calls")
    ]
    ago = AGO.format(n="n", rows=rows)
    return f"""
    WITH made AS (
        INSERT INTO factory.jobs ({", ".join(jobs)})
        SELECT {_values(jobs, JOB)}
        FROM (SELECT n, {ago} AS ago FROM generate_series($1::integer + 1, $2::integer) AS n) AS made,
            (SELECT * FROM factory.jobs ORDER BY id LIMIT 1) AS one
        RETURNING id, started_at, finished_at
    )
    INSERT INTO factory.calls ({", ".join(calls)})
    SELECT {_values(calls, CALL)}
    FROM (SELECT * FROM made, generate_series(1, {CALLS_OF_A_JOB}) AS n) AS made,
        (SELECT * FROM factory.calls ORDER BY id DESC LIMIT 1) AS one
    """


def _values(columns: Iterable[str], own: dict[str, str]) -> str:
    return ", ".join(own.get(name, f"one.{name}") for name in columns)


def _rows(samples: list[dict[str, Any]], rows: int) -> list[dict[str, str]]:
    empty, grown = ({"tables": name} for name in ("empty", "grown"))
    found = []
    for name, setting in (("empty tables", empty), (f"{rows:,} jobs and {CALLS_OF_A_JOB * rows:,} calls", grown)):
        figures = {what: median(of_setting(samples, setting, what)) for what in ("worker", "Postgres", "Valkey")}
        found.append(
            {"tables": name, "jobs a second": middle(of_setting(samples, setting, "per_s")), "must (aim)": ""}
            | {f"CPU a job, ms: {what}": f"{ms:.3f}" for what, ms in figures.items()}
        )
    ratio = middle_ratio(of_setting(samples, grown, "per_s"), of_setting(samples, empty, "per_s"))
    blank = dict.fromkeys(found[0], "")
    return [*found, blank | {"tables": "grown / empty", "jobs a second": ratio, "must (aim)": "0.9 (0.95)"}]
