"""The bench measures calls that come back; what it finds is for docs/performance.md."""

import asyncio

import pytest

from tests.bench.measuring import Effort, emulator, in_turn, middle_ratio
from tests.bench.speech_calls import CLIENTS, hold_calls


@pytest.mark.parametrize("client", CLIENTS)
async def test_calls_are_held_and_their_cpu_is_counted(client: str) -> None:
    with emulator(latency_ms=15) as url:
        found = await hold_calls(client, f"{url}/elevenlabs", held=5, seconds=0.3)
    assert found["calls"] > 5
    assert 0 < found["cpu_ms"] < 1000


async def test_a_call_that_fails_ends_the_bench() -> None:
    with pytest.raises(Exception, match="No connection"):
        async with asyncio.timeout(10):
            await hold_calls("factory", "http://127.0.0.1:9", held=2, seconds=1)


def test_settings_are_measured_in_turn() -> None:
    heard: list[str] = []
    samples = in_turn([{"n": 1}, {"n": 2}], Effort(2, 1, heard.append), lambda n: {"square": n * n})
    assert [sample["square"] for sample in samples] == [1, 4, 1, 4]
    assert heard[1] == "round 1 of 2: n 2, square 4"
    assert middle_ratio([4, 9], [2, 3]) == "2.50 (2.00–3.00)"
