"""A batch of a hundred thousand lines, inside the API's process: how soon it is stored, accepted, and in line in Redis.

Beside it a plain COPY of the same lines into the table where they are stored, and a look at the batch's counts.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from core.ids import new_id
from core.settings import Settings
from producer.composition import Services, open_services
from producer.embedded import EmbeddedServers
from producer.intake.intake import BatchHeader
from producer.intake.lines import LineCutter
from producer.submit import Caller
from sql.access import find_project
from sql.batches import copy_lines, drop_lines, read_batch
from sql.migrating import migrate
from sql.pool import open_pool
from sql.seeding import seed
from tests.bench.measuring import Effort, Measured, middle

TITLE = "seconds from the first byte of 100,000 lines (20 MB): median (lowest–highest round)"
LINES = 100_000
CHUNK = 300
LINE = (
    b'{"model": "cheap", "prompt": "Describe item %d of our catalogue in two friendly sentences, for somebody who has '
    b'never seen it.", "max_output_tokens": 60, "metadata": {"row": %d}}'
)
COPIED, STORED, ACCEPTED, IN_LINE = "a plain COPY of the lines", "202: stored", "accepted: jobs", "all in Redis"
LOOK, GROWN = "a look at its counts, ms", "memory it took, MB"
MUST = {ACCEPTED: "30"}


def run(effort: Effort) -> Measured:
    """Each round on servers of its own."""
    samples = []
    for number in range(effort.rounds):
        with (
            tempfile.TemporaryDirectory(prefix="factory-bench-") as place,
            EmbeddedServers(Path(place), emulator=True, log=lambda _: None) as running,
        ):
            settings = Settings(
                database_url=running.database_url,
                redis_url=running.redis_url,
                emulator_url=running.emulator_url,
                home=Path(place) / "home",
            )
            sample = asyncio.run(_run(settings))
        effort.say(f"round {number + 1} of {effort.rounds}: {sample}")
        samples.append(sample)
    rows = [
        {"what": name, "figure": middle([one[name] for one in samples]), "must be at most": MUST.get(name, "")}
        for name in samples[0]
    ]
    return Measured(rows, samples)


async def _run(settings: Settings) -> dict[str, Any]:
    pool = await open_pool(settings.database_url or "", max_size=2)
    await migrate(pool)
    await seed(pool)
    await pool.close()
    async with open_services(settings) as services:
        copied_s = await _copy(services)
        return {COPIED: copied_s, **await _submit(services)}


async def _copy(services: Services) -> float:
    lines = [(number, LINE % (number, number)) for number in range(1, LINES + 1)]
    batch_id, began = new_id(), time.perf_counter()
    await copy_lines(services.database, batch_id, lines)
    took_s = time.perf_counter() - began
    await drop_lines(services.database, batch_id)
    return took_s


async def _submit(services: Services) -> dict[str, Any]:
    project = await find_project(services.database, "default")
    assert project is not None
    caller = Caller(project.id, project.name, frozenset({"jobs"}))
    before_mb, began = _resident_mb(), time.perf_counter()
    batch_id = await services.intake.receive(caller, BatchHeader(), _body(), LineCutter(1), None)
    found: dict[str, Any] = {STORED: time.perf_counter() - began}
    most_mb = _resident_mb()
    while (row := await read_batch(services.database, batch_id, project.id)) and row["state"] == "validating":
        most_mb = max(most_mb, _resident_mb())
        await asyncio.sleep(0.05)
    assert row is not None
    assert row["queued"] == LINES, row
    found[ACCEPTED] = time.perf_counter() - began
    while await services.queue.depth() < LINES:
        await asyncio.sleep(0.05)
    found[IN_LINE] = time.perf_counter() - began
    looked = time.perf_counter()
    await read_batch(services.database, batch_id, project.id)
    found[LOOK] = (time.perf_counter() - looked) * 1000
    found[GROWN] = max(most_mb, _resident_mb()) - before_mb
    return found


async def _body() -> AsyncIterator[bytes]:
    for start in range(0, LINES, CHUNK):
        yield b"".join(LINE % (number, number) + b"\n" for number in range(start, min(LINES, start + CHUNK)))


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6
