"""`python -m tests.replay.run`: a story platform's day in minutes, and what became of it."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.replay.calling import replay
from tests.replay.day import HOURS, plan_day
from tests.replay.figures import Invoice, figures_of, invoice_of, saving_of
from tests.replay.floors import Judged, broken_promises, judge
from tests.replay.remains import Remains, collect
from tests.replay.report import (
    call_lines,
    figures_table,
    invoice_lines,
    judged_table,
    saving_lines,
    settings_lines,
    write_report,
)
from tests.replay.schedule import OUTAGE, OUTAGE_HOURS, OUTAGE_OF, RESTART
from tests.replay.world import LATENCY_MS, World, open_world

REQUESTS, SECONDS, SEED = 15_000, 900.0, 1


async def live_through(root: Path, requests: int, seconds: float, seed: int, latency_ms: int = LATENCY_MS) -> Remains:
    """The whole day."""
    day = plan_day(requests, seconds, seed)
    async with open_world(root, latency_ms=latency_ms) as world, asyncio.TaskGroup() as group:
        happening = group.create_task(_happen(world, seconds))
        asked = await replay(world, day)
        await happening
        return await collect(world, day, asked, seconds)


async def _happen(world: World, seconds: float) -> None:
    clock, hour_s = asyncio.get_running_loop().time, seconds / HOURS
    midnight = clock()
    await asyncio.sleep(RESTART * hour_s)
    await world.restart()
    await asyncio.sleep(max(0.0, midnight + OUTAGE * hour_s - clock()))
    await world.begin_outage(OUTAGE_OF)
    await asyncio.sleep(OUTAGE_HOURS * hour_s)
    await world.end_outage()


def reduction_of(remains: Remains) -> float:
    """Of text and embeddings."""
    saving = saving_of(remains)
    return float(1 - saving["spent"] / saving["direct"]) if saving["direct"] else 0.0


def assess(remains: Remains) -> tuple[list[Judged], list[str], Invoice]:
    """The judged figures, and every promise that was broken."""
    figures, invoice = figures_of(remains), invoice_of(remains)
    judged = judge(figures, reduction_of(remains), invoice)
    return judged, list(broken_promises(remains, figures, invoice)), invoice


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when no figure is below its floor and no promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long the day takes")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--report", type=Path, help="write replay.md and its plots into this folder")
    given = parser.parse_args(arguments)
    settings = settings_lines(given.requests, given.seconds, given.seed)
    _tell(settings)
    root = Path(tempfile.mkdtemp(prefix="replay-"))
    root.chmod(0o711)
    remains = asyncio.run(live_through(root, given.requests, given.seconds, given.seed))
    figures = figures_of(remains)
    judged, broken, invoice = assess(remains)
    _tell(["", *figures_table(figures), "", *saving_lines(remains), *invoice_lines(invoice), *call_lines(remains)])
    _tell(["", *judged_table(judged), "", *(f"BROKEN: {one}" for one in broken)])
    if given.report:
        write_report(given.report, remains, figures, judged, invoice, settings)
        _tell([f"{given.report / 'replay.md'} is written"])
    good = not broken and all(one.kept for one in judged)
    if good:
        shutil.rmtree(root, ignore_errors=True)
    else:
        _tell([f"logs are in {root}"])
    return 0 if good else 1


def _tell(lines: Sequence[str]) -> None:
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    sys.exit(main())
