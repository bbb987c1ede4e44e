"""The queue alone, on a real server: its promises one by one, and all of them under random use."""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from redis import Redis as PlainRedis
from redis.asyncio import Redis

from broker.leases import Lease, LeaseKeeper
from broker.queue import PREFIX, Bell, Claim, Held, JobQueue, Ticket, score_of
from core.clock import utc_now

POOLS = ("text", "speech")
MINE, YOURS = UUID(int=1), UUID(int=2)


def ticket(
    place: int = 0, project: UUID = MINE, *, weight: int = 100, delay_s: float = 0, pool: str = "text"
) -> Ticket:
    return Ticket(uuid4(), 0, pool, project, weight, place, delay_s)


@pytest.fixture
def queue(redis: Redis) -> JobQueue:
    return JobQueue(redis)


async def claim(
    queue: JobQueue, most: int = 100, *, owner: str = "w", lease_s: float = 60, suspects: int = 1
) -> list[Held]:
    return (await queue.claim(owner, most, lease_s, POOLS, suspects=suspects)).jobs


async def until_lapsed(queue: JobQueue, most: int = 100, **how: Any) -> list[Held]:
    """Claims again and again until leases have run out."""
    async with asyncio.timeout(5):
        while not (held := await claim(queue, most, owner="other", **how)):
            await asyncio.sleep(0.005)
    return held


async def test_jobs_come_in_order_and_never_more_than_asked_for(queue: JobQueue) -> None:
    tickets = [ticket(place) for place in range(30)]
    assert await queue.hand_over(list(reversed(tickets))) == 30
    assert [one.id for one in await claim(queue, 20)] == [one.id for one in tickets[:20]]
    assert [one.id for one in await claim(queue, 20)] == [one.id for one in tickets[20:]]
    assert await claim(queue) == []


async def test_handing_over_twice_is_harmless(queue: JobQueue) -> None:
    one = ticket()
    assert await queue.hand_over([one]) == 1
    assert await queue.hand_over([one]) == 0
    (held,) = await claim(queue)
    assert await queue.hand_over([one]) == 0
    assert await claim(queue) == []
    assert held.token == 1


async def test_a_lease_that_ran_out_goes_to_the_front_with_a_larger_token(queue: JobQueue) -> None:
    late, early = ticket(5), ticket(1)
    await queue.hand_over([late])
    (held,) = await claim(queue, lease_s=0.02)
    await asyncio.sleep(0.03)
    await queue.hand_over([early])
    again = await claim(queue, 1)
    assert [(one.id, one.token) for one in again] == [(late.id, held.token + 1)]
    assert await queue.acknowledge([held]) == 0, "the older holder may not forget it"
    assert await queue.release([held]) == 0
    assert await queue.acknowledge(again) == 1


async def test_what_is_released_comes_back_after_its_delay(queue: JobQueue) -> None:
    await queue.hand_over([ticket()])
    held = await claim(queue)
    assert await queue.release(held, 0.05) == 1
    looked = await queue.claim("w", 10, 60, POOLS)
    assert looked.jobs == []
    assert looked.due_in_s is not None
    assert 0 < looked.due_in_s <= 0.05
    (again,) = await until_lapsed(queue)
    assert again.token == 2


async def test_shares_follow_the_weights(queue: JobQueue) -> None:
    projects = {UUID(int=10 + weight): weight for weight in (100, 200, 300, 400)}
    for project, weight in projects.items():
        await queue.hand_over([ticket(place, project, weight=weight) for place in range(500)])
    owners = {one: project for project in projects for one in await _ids(queue, project)}
    taken: Counter[UUID] = Counter()
    for _ in range(50):
        taken.update(owners[one.id] for one in await claim(queue, 10))
    for project, weight in projects.items():
        assert taken[project] / 500 == pytest.approx(weight / 1000, abs=0.02)


async def _ids(queue: JobQueue, project: UUID) -> list[UUID]:
    found = await queue._redis.zrange(f"{PREFIX}ready:text:{project}", 0, -1)
    return [UUID(one.decode()) for one in found]


async def test_a_new_project_does_not_wait_behind_anothers_backlog(queue: JobQueue) -> None:
    await queue.hand_over([ticket(place) for place in range(2000)])
    await claim(queue, 100)
    yours = ticket(10**6, YOURS)
    await queue.hand_over([yours])
    assert yours.id in [one.id for one in await claim(queue, 2)]


async def test_pools_and_pauses_keep_work_back(queue: JobQueue) -> None:
    spoken, written = ticket(pool="speech"), ticket(project=YOURS)
    await queue.hand_over([spoken, written])
    assert (await queue.claim("w", 10, 60, ("text",), [YOURS])).jobs == []
    assert [one.id for one in (await queue.claim("w", 10, 60, ("text",))).jobs] == [written.id]
    assert [one.id for one in (await queue.claim("w", 10, 60, ("speech",))).jobs] == [spoken.id]


async def test_suspects_are_taken_one_by_one(queue: JobQueue) -> None:
    await queue.hand_over([ticket(place) for place in range(5)])
    assert len(await claim(queue, lease_s=0.01)) == 5
    assert len(await until_lapsed(queue, lease_s=0.01)) == 5, "one lost lease is nobody's fault"
    first = await until_lapsed(queue)
    assert [one.suspect for one in first] == [True]
    assert await claim(queue, suspects=0) == []
    assert len(await claim(queue)) == 1


async def claim_at_bell(queue: JobQueue, bell: Bell, most_s: float = 5) -> Claim:
    return await queue.claim("w", 1, 60, POOLS, bell=(bell, most_s))


async def until_listening(redis: Redis, how_many: int) -> None:
    async with asyncio.timeout(5):
        own = redis.connection_pool.connection_kwargs.get("db", 0)
        while sum("b" in one["flags"] and int(one["db"]) == own for one in await redis.client_list()) < how_many:
            await asyncio.sleep(0.005)


async def test_a_bell_wakes_one_worker_after_another_while_there_is_work(
    queue: JobQueue, redis: Redis, redis_url: str
) -> None:
    await claim(queue)  # the server knows the script
    async with AsyncExitStack() as stack:
        ears = [Bell(await stack.enter_async_context(Redis.from_url(redis_url)), POOLS) for _ in range(2)]
        waiting = [asyncio.create_task(claim_at_bell(queue, each)) for each in ears]
        await until_listening(redis, 2)
        tickets = [ticket(1), ticket(2)]
        await queue.hand_over(tickets)
        done = await asyncio.wait_for(asyncio.gather(*waiting), 1)
        assert {held.id for found in done for held in found.jobs} == {one.id for one in tickets}
        assert all(found.rung for found in done)


async def test_without_a_bell_it_claims_what_there_is_after_its_time(
    queue: JobQueue, redis: Redis, redis_url: str
) -> None:
    await queue.hand_over([ticket(delay_s=0.05)])
    await redis.delete(*[f"{PREFIX}bell:{pool}" for pool in POOLS])
    await claim(queue)
    async with Redis.from_url(redis_url) as listening:
        ear = Bell(listening, POOLS)
        found = await claim_at_bell(queue, ear, 0.1)
        assert (found.rung, len(found.jobs)) == (False, 1)
        await redis.script_flush()
        await queue.hand_over([ticket()])
        assert len((await claim_at_bell(queue, ear)).jobs) == 1, "a server that forgot the script is told it again"


async def test_who_stops_waiting_for_the_bell_leaves_no_answer_behind(
    queue: JobQueue, redis: Redis, redis_url: str
) -> None:
    await claim(queue)
    async with Redis.from_url(redis_url, max_connections=1) as listening:
        ear = Bell(listening, POOLS)
        waiting = asyncio.create_task(claim_at_bell(queue, ear))
        await until_listening(redis, 1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await queue.hand_over([ticket()])
        assert len((await claim_at_bell(queue, ear)).jobs) == 1


async def test_the_memory_is_known_by_its_mark(queue: JobQueue, redis: Redis) -> None:
    first = await queue.look_at_memory()
    assert first is not None
    await queue.remember_filled(first)
    assert await queue.look_at_memory() is None
    await redis.flushdb()
    assert await queue.look_at_memory() not in (None, first)


async def test_a_duty_has_one_holder(queue: JobQueue) -> None:
    assert await queue.take_duty("x", "a", 60)
    assert not await queue.take_duty("x", "b", 60)
    assert await queue.take_duty("x", "a", 60)


async def test_renewing_holds_adopts_or_tells_that_it_was_taken(queue: JobQueue, redis: Redis, redis_url: str) -> None:
    kept, forgotten, taken = ticket(1), ticket(2), ticket(3)
    await queue.hand_over([kept, forgotten, taken])
    held = {one.id: one.token for one in await claim(queue, owner="me", lease_s=0.3)}
    told: list[UUID] = []
    keeper = LeaseKeeper(PlainRedis.from_url(redis_url), "me", 0.3)
    keeper.on_taken = lambda job_id, _token: told.append(job_id)
    for one in (kept, forgotten, taken):
        keeper.hold(Lease(one.id, held[one.id], lambda one=one: one))
    await redis.hdel(PREFIX + "jobs", str(forgotten.id))  # type: ignore[misc]
    await redis.zadd(PREFIX + "leases:text", {str(taken.id): 1})
    assert [one.id for one in await claim(queue, owner="you")] == [taken.id]
    await redis.zrem(PREFIX + "leases:text", str(forgotten.id))
    keeper.start()
    async with asyncio.timeout(5):
        while not told:
            keeper.tick()
            await asyncio.sleep(0.02)
    until = time.monotonic() + 0.6
    while time.monotonic() < until:
        keeper.tick()
        assert await claim(queue, owner="you") == []
        await asyncio.sleep(0.02)
    assert told == [taken.id]
    lapsed = {one.id for one in await until_lapsed(queue)}  # nobody ticks any more: a hung loop loses its jobs
    assert lapsed <= {kept.id, forgotten.id}
    await asyncio.to_thread(keeper.stop)


async def test_what_is_younger_than_a_quarter_of_a_lease_is_not_renewed(
    queue: JobQueue, redis: Redis, redis_url: str
) -> None:
    old, young = ticket(1), ticket(2)
    keeper = LeaseKeeper(PlainRedis.from_url(redis_url), "me", 0.6)
    keeper.hold(Lease(old.id, 1, lambda: old))
    keeper.start()
    async with asyncio.timeout(5):
        while not await redis.hexists(PREFIX + "jobs", str(old.id)):  # type: ignore[misc]
            keeper.hold(Lease(young.id, 1, lambda: young))
            keeper.tick()
            await asyncio.sleep(0.01)
    await asyncio.to_thread(keeper.stop)
    assert not await redis.hexists(PREFIX + "jobs", str(young.id))  # type: ignore[misc]


def test_priorities_are_head_starts() -> None:
    now = utc_now()
    assert score_of("interactive", now) < score_of("standard", now) < score_of("batch", now)


class QueueMachine(RuleBasedStateMachine):
    """Random hand-overs, claims, lapses, acknowledgements, releases and floods, against what a queue must do."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.redis = Redis.from_url(self.url)
        self.queue = JobQueue(self.redis)
        self.tickets: dict[UUID, Ticket] = {}
        self.held: dict[UUID, Held] = {}
        self.stale: list[Held] = []
        self.seen: dict[UUID, int] = {}
        self.do(self.redis.flushdb())

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.do(self.redis.aclose())
        self.loop.close()

    @rule(count=st.integers(1, 5), project=st.sampled_from([MINE, YOURS]), pool=st.sampled_from(POOLS))
    def hand_over(self, count: int, project: UUID, pool: str) -> None:
        made = [ticket(place, project, pool=pool) for place in range(count)]
        assert self.do(self.queue.hand_over(made)) == count
        self.tickets |= {one.id: one for one in made}

    @precondition(lambda self: self.tickets)
    @rule()
    def hand_over_again(self) -> None:
        assert self.do(self.queue.hand_over(list(self.tickets.values()))) == 0

    @rule(most=st.integers(1, 4))
    def claim(self, most: int) -> None:
        got = self.do(claim(self.queue, most))
        waiting = len(self.tickets) - len(self.held)
        assert len(got) == min(most, waiting), "work-conserving, and never more than asked for"
        for one in got:
            assert one.id in self.tickets
            assert one.id not in self.held
            assert one.token > self.seen.get(one.id, 0)
            self.held[one.id], self.seen[one.id] = one, one.token

    @precondition(lambda self: self.held)
    @rule()
    def lapse(self) -> None:
        """Every lease runs out."""
        for pool in POOLS:
            ids = self.do(self.redis.zrange(f"{PREFIX}leases:{pool}", 0, -1))
            if ids:
                self.do(self.redis.zadd(f"{PREFIX}leases:{pool}", dict.fromkeys(ids, 1)))
        got = self.do(self.queue.claim("other", 1000, 60, POOLS, suspects=1000))
        for one in got.jobs:
            if one.id in self.held:
                self.stale.append(self.held[one.id])
            assert one.token > self.seen.get(one.id, 0)
            self.held[one.id], self.seen[one.id] = one, one.token

    @precondition(lambda self: self.held)
    @rule(delay=st.sampled_from([0.0]))
    def release(self, delay: float) -> None:
        one = next(iter(self.held.values()))
        assert self.do(self.queue.release([one], delay)) == 1
        del self.held[one.id]

    @precondition(lambda self: self.held)
    @rule()
    def acknowledge(self) -> None:
        one = next(iter(self.held.values()))
        assert self.do(self.queue.acknowledge([one])) == 1
        del self.held[one.id], self.tickets[one.id]

    @precondition(lambda self: self.stale)
    @rule()
    def the_overtaken_change_nothing(self) -> None:
        one = self.stale.pop()
        if one.id in self.held:
            assert self.do(self.queue.acknowledge([one])) == 0
            assert self.do(self.queue.release([one])) == 0

    @invariant()
    def structures_agree(self) -> None:
        assert self.do(self.queue.depth()) == len(self.tickets)
        leased = sum(self.do(self.redis.zcard(f"{PREFIX}leases:{pool}")) for pool in POOLS)
        assert leased == len(self.held)
        if not self.tickets:
            keys = {key.decode().removeprefix(PREFIX) for key in self.do(self.redis.keys(f"{PREFIX}*"))}
            assert not {key for key in keys if not key.startswith(("bell:", "clock:", "shares:", "owed:", "projects"))}


def test_under_random_use_the_queue_keeps_its_promises(redis_url: str) -> None:
    QueueMachine.url = redis_url
    run_state_machine_as_test(
        QueueMachine,
        settings=settings(
            max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
