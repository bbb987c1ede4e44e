"""Limits on a real server: one check for all scopes, true tokens, places that come back, and processes on their own."""

import asyncio
import itertools
import time

import pytest
from redis import Redis as PlainRedis
from redis.asyncio import Redis

from broker.direct import Direct, Script
from broker.leases import LeaseKeeper
from broker.limits import FREED, PATIENCE_S, PREFIX, Limiter
from broker.queue import read_script
from core.limits import Limits, ProviderWord, Refused, Scope, Taken

WINDOW_S = 0.6


@pytest.fixture
def limiter(redis: Redis) -> Limiter:
    return Limiter(redis, "api", window_s=WINDOW_S, lease_s=0.3)


def scope(name: str = "project:a", *, learned: bool = False, **limits: int) -> Scope:
    return Scope(name, Limits(**limits), learned)


async def taken(limiter: Limiter, *scopes: Scope, holder: str = "me", tokens: int = 0) -> Taken:
    found = await limiter.take(holder, scopes, tokens=tokens)
    assert isinstance(found, Taken), found
    return found


async def refused(limiter: Limiter, *scopes: Scope, holder: str = "me", tokens: int = 0) -> Refused:
    found = await limiter.take(holder, scopes, tokens=tokens)
    assert isinstance(found, Refused), found
    return found


async def test_never_more_than_the_limit_in_any_window_however_many_ask(limiter: Limiter) -> None:
    at: list[float] = []

    async def ask_on(name: str, until: float) -> None:
        while time.monotonic() < until:
            before = time.monotonic()
            if isinstance(await limiter.take(name, [scope(requests_per_minute=10)]), Taken):
                at.append(before)
            await asyncio.sleep(0.001)

    await asyncio.gather(*(ask_on(f"w{one}", time.monotonic() + 4 * WINDOW_S) for one in range(20)))
    assert 30 <= len(at) <= 50
    for first, eleventh in itertools.pairwise(sorted(at)[::10]):
        assert eleventh - first >= WINDOW_S - 0.05


async def test_the_refused_learns_when_to_come_back(limiter: Limiter) -> None:
    one = scope(requests_per_minute=2)
    first = await taken(limiter, one)
    second = await taken(limiter, one)
    assert first.requests_room is not None
    assert second.requests_room is not None
    assert (first.requests_room.left, second.requests_room.left) == (1, 0)
    refusal = await refused(limiter, one)
    assert (refusal.scope, refusal.dimension, refusal.limit) == ("project:a", "requests", 2)
    assert refusal.wait_s is not None
    assert 0 < refusal.wait_s <= WINDOW_S * 61 / 60 + 0.001
    await asyncio.sleep(refusal.wait_s)
    await taken(limiter, one)


async def test_a_crowd_is_given_turns_one_after_the_other(limiter: Limiter) -> None:
    one = scope(requests_per_minute=3)
    for _ in range(3):
        await taken(limiter, one)
    waits = []
    for _ in range(3):
        found = await limiter.take("me", [one], pace=True)
        assert isinstance(found, Refused)
        waits.append(found.wait_s or 0)
    assert [round(later - earlier, 1) for earlier, later in itertools.pairwise(waits)] == [0.2, 0.2]


async def test_all_scopes_or_none(limiter: Limiter) -> None:
    wide, narrow = scope("wide", requests_per_minute=10, concurrency=10), scope("narrow", concurrency=1)
    await taken(limiter, narrow, holder="first")
    assert (await refused(limiter, wide, narrow, holder="second")).scope == "narrow"
    (held,) = await limiter.look([wide])
    assert (held["requests"], held["places"]) == (0, 0)


async def test_true_tokens_replace_the_estimate(limiter: Limiter) -> None:
    one = scope(tokens_per_minute=100)
    held = await taken(limiter, one, tokens=90)
    assert (await refused(limiter, one, tokens=20)).dimension == "tokens"
    await limiter.give_back(held, 30)
    await taken(limiter, one, tokens=70)
    await refused(limiter, one, tokens=1)


async def test_true_tokens_arrive_by_name_from_another_process(redis: Redis, limiter: Limiter) -> None:
    one = scope(tokens_per_minute=100)
    await limiter.remember(await taken(limiter, one, tokens=90), {"job-1": 80, "job-2": 10})
    for _ in range(2):
        await Limiter(redis, "worker", window_s=WINDOW_S).settle("job-1", 85)
    (held,) = await limiter.look([one])
    assert held["tokens"] == 95


async def test_a_place_is_free_when_it_is_given_back_and_those_who_wait_are_told(
    redis: Redis, limiter: Limiter
) -> None:
    one = scope(concurrency=1)
    held = await taken(limiter, one, holder="first")
    assert (await refused(limiter, one, holder="second")).wait_s is None
    async with redis.pubsub() as news:
        await news.subscribe(FREED)
        await limiter.give_back(held, None)
        async with asyncio.timeout(2):
            while (message := await news.get_message(timeout=1)) is None or message["type"] != "message":
                continue
    assert message["data"] == b"project:a"
    await taken(limiter, one, holder="second")


async def test_a_dead_holders_place_comes_back_with_its_lease(limiter: Limiter) -> None:
    one = scope(concurrency=1)
    await taken(limiter, one, holder="dead")
    begun = time.monotonic()
    async with asyncio.timeout(2):
        while isinstance(await limiter.take("living", [one]), Refused):
            await asyncio.sleep(0.01)
    assert 0.25 <= time.monotonic() - begun < 1


async def test_a_living_holders_places_are_renewed_and_made_again_after_a_flush(
    redis: Redis, redis_url: str, limiter: Limiter
) -> None:
    one = scope(concurrency=1)
    keeper = LeaseKeeper(PlainRedis.from_url(redis_url), "w", 0.3)
    keeper.start()
    held = await taken(limiter, one, holder="living")
    keeper.hold_places(held.holder, held.places)
    try:
        for flushed in (False, True):
            if flushed:
                await redis.flushdb()
                await asyncio.sleep(0.15)
            until = time.monotonic() + 0.8
            while time.monotonic() < until:
                keeper.tick()
                await refused(limiter, one, holder="other")
                await asyncio.sleep(0.02)
        keeper.drop_places(held.holder)
        await limiter.give_back(held, None)
        await taken(limiter, one, holder="other")
    finally:
        await asyncio.to_thread(keeper.stop)


async def test_every_key_ends_by_itself(redis: Redis, limiter: Limiter) -> None:
    one = scope(learned=True, requests_per_minute=1, tokens_per_minute=9, concurrency=1)
    await taken(limiter, one)
    await limiter.take("other", [one], pace=True)
    held = await taken(limiter, scope("b", learned=True, tokens_per_minute=5), tokens=2)
    await limiter.remember(held, {"job": 2})
    await limiter.give_back(held, 1, "b", ProviderWord(requests_per_minute=3))
    await limiter.beat()
    keys = [key async for key in redis.scan_iter(PREFIX + "*")]
    assert len(keys) >= 7
    assert all([0 < await redis.pttl(key) <= 61_000 for key in keys])


async def test_what_a_provider_says_is_a_limit_for_all_processes(redis: Redis, limiter: Limiter) -> None:
    one, other = scope("m", learned=True), Limiter(redis, "worker", window_s=WINDOW_S)
    held = await taken(limiter, one, holder="a")
    await limiter.give_back(held, None, "m", ProviderWord(most_at_once=2, running=1))
    await limiter.give_back(await taken(other, one, holder="b"), None, "m", ProviderWord(most_at_once=2, running=1))
    for name in ("c", "d"):
        await taken(other, one, holder=name)
    assert (await refused(limiter, one, holder="e")).dimension == "concurrency"


async def test_places_that_others_use_are_left_to_them(limiter: Limiter) -> None:
    one = scope("m", learned=True)
    for _ in range(3):
        held = await taken(limiter, one, holder="a")
        await limiter.give_back(held, None, "m", ProviderWord(most_at_once=3, running=3))
    first = await taken(limiter, one, holder="a")
    assert (await refused(limiter, one, holder="b")).limit == 1
    await limiter.give_back(first, None, "m", ProviderWord(most_at_once=3, running=1))
    for name in ("a", "b", "c"):
        await taken(limiter, one, holder=name)


async def test_a_provider_without_room_rests_until_it_said(limiter: Limiter) -> None:
    one = scope("m", learned=True)
    await limiter.give_back(await taken(limiter, one), None, "m", ProviderWord(rest_s=0.2))
    refusal = await refused(limiter, one)
    assert refusal.dimension == "rest"
    assert refusal.wait_s is not None
    await asyncio.sleep(refusal.wait_s + 0.01)
    await taken(limiter, one)


async def test_a_process_that_stood_still_does_not_think_that_redis_is_away(limiter: Limiter) -> None:
    asked = [limiter.take(f"call-{n}", [Scope("standing", Limits(concurrency=2))]) for n in "ab"]
    await asyncio.sleep(0)
    time.sleep(PATIENCE_S * 1.5)
    answers = await asyncio.gather(*asked)
    assert [isinstance(answer, Taken) and answer.local for answer in answers] == [False, False]


async def test_who_is_gone_before_the_answer_comes_takes_no_place(limiter: Limiter) -> None:
    one = scope(concurrency=1)
    limiter.take("gone", [one]).cancel()
    await limiter.drain()
    await taken(limiter, one, holder="next")


async def test_a_process_keeps_its_share_while_redis_is_away(redis: Redis, limiter: Limiter) -> None:
    one = scope(requests_per_minute=9, tokens_per_minute=90, concurrency=6)
    for _ in range(2):
        await Limiter(redis, "api").beat()
    await limiter.beat()
    async with Redis(host="127.0.0.1", port=1) as nowhere:
        limiter._scripts["take_rooms"] = Script(Direct(nowhere), read_script("take_rooms"))
        held = [await taken(limiter, one, holder=f"c{n}", tokens=1) for n in range(2)]
        assert (await refused(limiter, one, holder="c9")).dimension == "concurrency"
        await limiter.give_back(held[0], 1)
        third = await taken(limiter, one, holder="c3", tokens=1)
        assert third.requests_room is not None
        assert (third.requests_room.limit, third.requests_room.left) == (3, 0)
        await limiter.give_back(third, 1)
        assert (await refused(limiter, one, holder="c4", tokens=1)).dimension == "requests"
