"""Shares between projects on a real server whose time the test tells: who is served how much, to the end."""

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import count
from uuid import UUID

import pytest
from redis.asyncio import Redis

from broker.queue import PREFIX, Held, JobQueue, Ticket, read_script
from tests.broker.test_queue import MINE, POOLS, YOURS, ticket

OTHERS = UUID(int=3)


class House:
    """A fleet with so many slots, in a time of its own: what runs when, and for whom."""

    def __init__(self, redis: Redis, slots: int) -> None:
        self.redis = redis
        self.queue = JobQueue(redis)
        for name in ("hand_over", "claim", "acknowledge", "release"):
            told = read_script(name).replace("redis.call('TIME')", "redis.call('LRANGE', 'told', 0, 1)")
            self.queue._scripts[name] = redis.register_script(told)
        self.slots = slots
        self.now_ms = 1_000_000
        self.running: list[tuple[int, int, Held, UUID, int]] = []
        self.projects: dict[UUID, UUID] = {}
        self.started: Counter[UUID] = Counter()
        self.held_ms: Counter[UUID] = Counter()
        self.paused: list[UUID] = []
        self.caps: dict[UUID, int] = {}
        self._order = count()

    async def at(self, now_ms: int) -> None:
        self.now_ms = now_ms
        async with self.redis.pipeline() as pipeline:
            pipeline.delete("told").rpush("told", now_ms // 1000, now_ms % 1000 * 1000)
            await pipeline.execute()

    async def submit(self, project: UUID, jobs: int, weight: int = 100) -> list[Ticket]:
        made = [ticket(next(self._order), project, weight=weight) for _ in range(jobs)]
        self.projects |= {one.id: project for one in made}
        await self.queue.hand_over(made)
        return made

    async def fill(self, length_ms: Callable[[UUID], int], most: int = 1000) -> list[UUID]:
        """Claims for the slots that are free; the projects of what started, in that order."""
        free = min(most, self.slots - len(self.running))
        got = (await self.queue.claim("w", free, 600, POOLS, self.paused, caps=self.caps)).jobs if free else []
        for held in got:
            project = self.projects[held.id]
            self.started[project] += 1
            end = self.now_ms + length_ms(project)
            heapq.heappush(self.running, (end, next(self._order), held, project, self.now_ms))
        return [self.projects[one.id] for one in got]

    async def pass_time(self, least_ms: int = 1) -> None:
        """Until a job ends; those that end within `least_ms` of now end with it."""
        await self.at(max(self.now_ms + least_ms, self.running[0][0]))
        over = []
        while self.running and self.running[0][0] <= self.now_ms:
            _, _, held, project, began = heapq.heappop(self.running)
            self.held_ms[project] += self.now_ms - began
            over.append(held)
        await self.queue.acknowledge(over)

    async def run(self, length_ms: Callable[[UUID], int], until: Callable[[], bool], least_ms: int = 1) -> None:
        while not until():
            await self.fill(length_ms)
            await self.pass_time(least_ms)

    async def place_of(self, project: UUID) -> float | None:
        found: float | None = await self.redis.zscore(f"{PREFIX}shares:text", str(project))
        return found

    def worked_ms(self, projects: Iterable[UUID]) -> dict[UUID, int]:
        """With what runs."""
        under_way = Counter(self.held_ms)
        for _, _, _, project, began in self.running:
            under_way[project] += self.now_ms - began
        return {project: under_way[project] for project in projects}


@pytest.fixture
async def house(redis: Redis) -> House:
    house = House(redis, slots=20)
    await house.at(house.now_ms)
    return house


async def test_equal_jobs_are_counted_by_weight_however_uneven_their_times_are(house: House) -> None:
    house.slots = 200
    weights = {UUID(int=10 + weight): 100 * weight for weight in (1, 2, 3, 4)}
    for project, weight in weights.items():
        await house.submit(project, 20 * weight, weight)
    chance = random.Random(9)
    await house.run(lambda _: chance.randint(1, 1600), lambda: house.started.total() >= 15_000, least_ms=100)
    for project, weight in weights.items():
        assert house.started[project] / house.started.total() == pytest.approx(weight / 1000, rel=0.05)


async def test_slot_seconds_follow_the_weights_when_jobs_differ_in_length(house: House) -> None:
    lengths, weights = {MINE: 30_000, YOURS: 2000, OTHERS: 4000}, {MINE: 100, YOURS: 100, OTHERS: 200}
    for project, weight in weights.items():
        await house.submit(project, 5000, weight)
    chance, began_ms = random.Random(3), house.now_ms
    await house.run(
        lambda project: round(lengths[project] * chance.uniform(0.5, 1.5)),
        lambda: house.now_ms > began_ms + 600_000,
        least_ms=250,
    )
    worked = house.worked_ms(weights)
    total = sum(worked.values())
    assert total > 0.95 * 20 * 600_000, "the slots are never idle"
    for project, weight in weights.items():
        assert worked[project] / total == pytest.approx(weight / 400, rel=0.07)


@pytest.mark.parametrize(("guessed_ms", "true_ms"), [(60_000, 200), (200, 60_000), (1000, 1000)])
async def test_a_new_projects_first_job_is_next_and_its_others_have_their_share_whatever_was_guessed(
    house: House, guessed_ms: int, true_ms: int
) -> None:
    await house.submit(MINE, 3000)
    ended = house.now_ms + 5 * guessed_ms
    await house.run(lambda _: guessed_ms, lambda: house.now_ms > ended, least_ms=guessed_ms)
    await house.fill(lambda _: guessed_ms)
    house.running = [(house.now_ms + true_ms, *rest) for _, *rest in house.running]
    await house.submit(YOURS, 500)
    await house.pass_time()
    assert len(house.running) == 0
    assert (await house.fill(lambda _: true_ms, 1)) == [YOURS]
    house.started = Counter()
    await house.run(lambda _: true_ms, lambda: house.started.total() >= 100)
    assert house.started[YOURS] >= 45, "and it does not pay for what was guessed of the other one"


@pytest.mark.parametrize("why", ["idle", "paused", "capped"])
async def test_who_takes_no_part_saves_nothing_up(house: House, why: str) -> None:
    await house.submit(MINE, 5000)
    if why != "idle":
        await house.submit(YOURS, 1000)
        await house.run(lambda _: 1000, lambda: house.started.total() >= 100)
    house.paused, house.caps = [YOURS] if why == "paused" else [], {YOURS: 1} if why == "capped" else {}
    ended = house.now_ms + 60_000
    await house.run(lambda _: 1000, lambda: house.now_ms > ended)
    if why == "idle":
        await house.submit(YOURS, 1000)
    house.paused, house.caps, house.started = [], {}, Counter()
    await house.run(lambda _: 1000, lambda: house.started.total() >= 200)
    assert house.started[YOURS] == pytest.approx(100, abs=15)


async def test_who_empties_its_line_still_owes_what_it_was_served(house: House) -> None:
    """One job at a time, each much longer than the other project's: no way to more than a share."""
    house.slots = 2
    await house.submit(MINE, 1000)
    began_ms = house.now_ms
    while house.now_ms < began_ms + 100_000:
        if await house.redis.zcard(f"{PREFIX}ready:text:{YOURS}") == 0:
            await house.submit(YOURS, 1)
        await house.fill(lambda project: 4000 if project == YOURS else 1000)
        await house.pass_time()
    worked = house.worked_ms([MINE, YOURS])
    assert worked[YOURS] / sum(worked.values()) == pytest.approx(0.5, abs=0.06)


async def test_in_the_end_a_place_is_the_work_that_was_served(house: House) -> None:
    chance = random.Random(7)
    weights = {MINE: 100, YOURS: 300}
    for project, weight in weights.items():
        await house.submit(project, 2000, weight)
    await house.run(lambda _: chance.randint(1000, 9000), lambda: house.started.total() >= 400, least_ms=100)
    _, _, given_back, project, began = house.running.pop()
    heapq.heapify(house.running)
    house.held_ms[project] += max(1000, house.now_ms - began)
    await house.queue.release([given_back], 3600.0)
    while house.running:
        await house.pass_time()
    for project, weight in weights.items():
        assert await house.place_of(project) == pytest.approx(house.held_ms[project] / weight, abs=1)


async def test_a_lost_lease_is_not_charged(house: House) -> None:
    await house.submit(MINE, 2)
    (lost,) = (await house.queue.claim("dead", 1, 9, POOLS)).jobs
    await house.at(house.now_ms + 50_000)
    (again,) = (await house.queue.claim("w", 1, 9, POOLS)).jobs
    assert again.id == lost.id
    await house.at(house.now_ms + 3000)
    await house.queue.acknowledge([again])
    assert await house.place_of(MINE) == pytest.approx(3000 / 100)


async def test_a_changed_weight_counts_for_what_is_in_line(house: House) -> None:
    for project in (MINE, YOURS):
        await house.submit(project, 1000)
    await house.run(lambda _: 1000, lambda: house.started.total() >= 200)
    await house.queue.weigh({YOURS: 300})
    house.started = Counter()
    await house.run(lambda _: 1000, lambda: house.started.total() >= 400)
    assert house.started[YOURS] == pytest.approx(300, abs=15)


async def test_a_claim_takes_from_the_least_served_of_many(house: House) -> None:
    """More projects than a claim reads at once, the first of them paused or at their caps."""
    projects = [UUID(int=1000 + at) for at in range(60)]
    for project in projects:
        await house.submit(project, 3)
    house.paused, house.caps = projects[:20], dict.fromkeys(projects[20:40], 0)
    house.slots = 100
    assert Counter(await house.fill(lambda _: 1000, 5)).most_common(1)[0][1] == 1
    await house.fill(lambda _: 1000)
    assert house.started == dict.fromkeys(projects[40:], 3)
