"""Commands past redis-py's way around each."""

import asyncio

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from broker.direct import Direct, Script


async def test_each_command_has_its_answer_and_a_refusal_is_one(redis: Redis) -> None:
    direct = Direct(redis)
    came = await direct.send(("SET", "a", 1), ("INCR", "a"), ("LPOP", "a"), ("EVALSHA", "0" * 40, 0), ("GET", "a"))
    assert came[:2] == [b"OK", 2]
    assert isinstance(came[2], ResponseError)
    assert isinstance(came[3], NoScriptError)
    assert came[4] == b"2"
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await direct.execute("LPOP", "a")


async def test_a_script_that_the_server_forgot_is_told_again(redis: Redis) -> None:
    script = Script(Direct(redis), "return {KEYS[1], ARGV[1], ARGV[2]}")
    for _ in range(2):
        await redis.script_flush()
        assert await script(keys=["k"], args=["ü", 7]) == [b"k", "ü".encode(), b"7"]


async def test_a_connection_that_was_closed_meanwhile_is_no_error(redis: Redis, redis_url: str) -> None:
    direct = Direct(redis)
    mine = await direct.execute("CLIENT", "ID")
    async with Redis.from_url(redis_url) as other:
        assert await other.client_kill_filter(_id=mine) == 1
    assert await direct.execute("ECHO", "again") == b"again"
    assert await direct.execute("ECHO", "and again") == b"and again"


async def test_nobody_gets_the_answer_to_what_was_given_up(redis: Redis) -> None:
    direct = Direct(redis)
    waiting = asyncio.create_task(direct.send(("BLPOP", "bell", "10")))
    while not any(one["cmd"] == "blpop" for one in await redis.client_list()):
        await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await direct.execute("RPUSH", "bell", "rung")
    assert await asyncio.gather(*(direct.execute("ECHO", str(n)) for n in range(5))) == [b"0", b"1", b"2", b"3", b"4"]
