"""A call by the factory costs less than one by the SDK as it comes; how much less is for docs/performance.md."""

from tests.bench.sdk_calls import hold_calls, let_wait
from tests.bench.wire_server import wire_server


async def test_a_call_costs_less_than_the_sdk_as_it_comes() -> None:
    with wire_server(answer_ms=5) as url:
        spent = {
            client: await hold_calls(client, url, held=10, seconds=0.5) for client in ("plain", "chat", "responses")
        }
    assert all(one["calls"] > 10 for one in spent.values())
    assert spent["chat"]["cpu_ms"] < 0.8 * spent["plain"]["cpu_ms"]
    assert spent["responses"]["cpu_ms"] < 0.8 * spent["plain"]["cpu_ms"]


async def test_what_a_call_that_waits_keeps_is_told() -> None:
    with wire_server(answer_ms=60_000) as url:
        found = await let_wait("chat", url, 200)
    assert found["kept_kb"] < 100
