"""What workers tell each other of routes: breakers, rests, marks of credentials, latencies."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from broker.health import HEALTH, PREFIX, Change, HealthBoard, Tally, latency_bucket
from core.health import BreakerRule
from core.settings import Settings

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROUTE = "00000000-0000-0000-0000-000000000001|openai/gpt-6-luna"
RULE = BreakerRule(failures=5, share=0.5, window_s=30, rest_s=0.1, rest_cap_s=0.3, probe_s=5)


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    async with Redis.from_url(settings.redis_url or "") as found:
        yield found


@pytest.fixture
def board(redis: Redis) -> HealthBoard:
    return HealthBoard(redis, RULE)


async def failures(board: HealthBoard, count: int, answers: int = 0) -> Change:
    return await board.report({ROUTE: Tally(answers, count, "overloaded", "HTTP 529")}, {})


async def rest_is_over(board: HealthBoard) -> None:
    async with asyncio.timeout(5):
        while not (await board.read(NOW)).breakers[ROUTE].is_over(NOW):
            await asyncio.sleep(0.01)


async def test_a_breaker_opens_when_enough_of_the_calls_failed(board: HealthBoard) -> None:
    assert (await failures(board, 4)).opened == []
    assert (await failures(board, 1)).opened == [ROUTE]
    rest = (await board.read(NOW)).breakers[ROUTE]
    assert (rest.scope, rest.kind, rest.reason) == ("breaker", "overloaded", "HTTP 529")
    assert rest.until > NOW


async def test_a_few_failures_among_many_answers_open_nothing(board: HealthBoard) -> None:
    for _ in range(10):
        assert (await failures(board, 0, answers=9)).opened == []
        assert (await failures(board, 1)).opened == []


async def test_failures_of_long_ago_do_not_count(redis: Redis) -> None:
    fleeting = HealthBoard(redis, BreakerRule(window_s=0.02))
    for _ in range(12):
        assert (await failures(fleeting, 1, answers=1)).opened == []
        await asyncio.sleep(0.03)  # time itself is what is tested


async def test_one_probe_decides_and_each_failed_one_doubles_the_rest(board: HealthBoard) -> None:
    await failures(board, 5)
    since = (await board.read(NOW)).breakers[ROUTE].since
    await rest_is_over(board)
    assert [await board.take_probe(ROUTE) for _ in range(3)] == [True, False, False]
    assert (await failures(board, 1)).opened == [ROUTE]
    again = (await board.read(NOW)).breakers[ROUTE]
    assert 0.1 < (again.until - NOW).total_seconds() <= 0.2
    assert again.since == since is not None, "it was open all the time"
    await rest_is_over(board)
    assert await board.take_probe(ROUTE)
    assert (await failures(board, 0, answers=1)).closed == [ROUTE]
    assert (await board.read(NOW)).breakers == {}
    assert (await failures(board, 4)).opened == []


async def test_late_answers_do_not_close_a_breaker_that_rests(board: HealthBoard) -> None:
    await failures(board, 5)
    assert await failures(board, 0, answers=3) == Change([], [])
    assert ROUTE in (await board.read(NOW)).breakers


async def test_a_rest_is_told_to_all_and_forgotten_when_it_is_over(board: HealthBoard, redis: Redis) -> None:
    async with redis.pubsub() as hints:
        await hints.subscribe(HEALTH)
        assert await board.rest_route(ROUTE, 0.1, "rate_limited", "429")
        assert not await board.rest_route(ROUTE, 0.05, "rate_limited", "an earlier end changes nothing")
        async with asyncio.timeout(5):
            while (await hints.get_message(ignore_subscribe_messages=True, timeout=1)) is None:
                pass
        assert (await board.read(NOW)).rests[ROUTE].reason == "429"
        async with asyncio.timeout(5):
            while (await board.read(NOW)).rests:
                await asyncio.sleep(0.01)
    assert not await redis.exists(PREFIX + "rests")


async def test_a_credentials_mark_stays_until_it_is_lifted(board: HealthBoard) -> None:
    assert await board.rest_credential("env:OPENAI_API_KEY|abc", 0.01, "quota_exhausted", "no credit")
    async with asyncio.timeout(5):
        while not (await board.read(NOW)).credentials["env:OPENAI_API_KEY|abc"].is_over(NOW):
            await asyncio.sleep(0.01)
    await board.lift_credentials(["env:OPENAI_API_KEY|abc"])
    assert (await board.read(NOW)).credentials == {}


async def test_the_median_latency_of_a_model_is_known_within_a_tenth(board: HealthBoard, redis: Redis) -> None:
    durations = [100.0] * 40 + [400.0] * 41 + [9000.0] * 19
    counts: dict[tuple[str, int], int] = {}
    for one in durations:
        key = ("openai/gpt-6-luna", latency_bucket(one))
        counts[key] = counts.get(key, 0) + 1
    await board.report({}, counts)
    await redis.delete(PREFIX + "medians")
    found = (await board.read(NOW)).latency_ms
    assert found == {"openai/gpt-6-luna": pytest.approx(400, rel=0.1)}
