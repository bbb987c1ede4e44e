"""`python -m tests.nemesis.run --minutes N --seed S`: hurt a factory for a while, then see whether it kept its word."""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.nemesis.checker import OVER, violations
from tests.nemesis.world import World

CALM_DOWN_S = 120.0


def actions_of(world: World) -> list[tuple[int, Callable[[], Awaitable[None]]]]:
    """What may happen, with its weight."""
    return [
        (10, world.kill_worker),
        (3, world.stop_and_continue),
        (2, world.block_loop),
        (3, world.end_worker),
        (2, world.flush_redis),
        (1, world.restart_redis),
        (1, world.restart_postgres),
        (2, world.terminate_backends),
    ]


async def hurt(world: World, seconds: float, every_s: float, *, all_once: bool) -> None:
    """Each thing once when `all_once`, then by their weights until the time is over."""
    weights, actions = zip(*actions_of(world), strict=True)
    planned = list(actions) if all_once else []
    world.draw.shuffle(planned)
    until = time.monotonic() + seconds
    while planned or time.monotonic() < until:
        await world.keep_staffed()
        await asyncio.sleep(every_s * world.draw.uniform(0.5, 1.5))
        await world.keep_staffed()
        action = planned.pop() if planned else world.draw.choices(actions, weights)[0]
        await action()


async def calm_down(world: World) -> bool:
    """Until every job is over; False when that takes too long."""
    until = time.monotonic() + CALM_DOWN_S
    while time.monotonic() < until:
        await world.keep_staffed()
        counts = await world.counts()
        if sum(counts.values()) == world.jobs and set(counts) <= OVER:
            return await _settled(world)
        await asyncio.sleep(0.2)
    return False


async def _settled(world: World) -> bool:
    """Acknowledgements and late lines may come a moment after the last job's end."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        left = await world.left()
        if not left.redis and all(call["outcome"] is not None for call in left.calls):
            return True
        await asyncio.sleep(0.2)
    return True


async def run(root: Path, *, seed: int, seconds: float, jobs: int, poisoned: int, all_once: bool) -> list[str]:
    """Every promise that was broken."""
    world = World(root, seed, jobs, poisoned)
    try:
        await world.open()
        await world.start_submitter(25)
        await hurt(world, seconds, 1.0, all_once=all_once)
        found = [] if await calm_down(world) else [f"not over after {CALM_DOWN_S:.0f} s: {await world.counts()}"]
        left = await world.left()
        found += violations(left)
        world.note(
            "checked", jobs=len(left.jobs), calls=len(left.calls), seen=len(left.seen), kills=world.kills,
            unknown=sum(call["outcome"] == "unknown" for call in left.calls), violations=found[:20],
        )  # fmt: skip
        return found
    finally:
        await world.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--poisoned", type=int, default=2)
    given = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="nemesis-"))
    print(f"seed {given.seed}, {given.jobs} jobs, {given.minutes:g} minutes, in {root}", flush=True)
    found = asyncio.run(
        run(root, seed=given.seed, seconds=given.minutes * 60, jobs=given.jobs, poisoned=given.poisoned, all_once=True)
    )
    print((root / "history.jsonl").read_text().splitlines()[-1])
    for one in found:
        print(f"BROKEN: {one}")
    if not found:
        shutil.rmtree(root, ignore_errors=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
