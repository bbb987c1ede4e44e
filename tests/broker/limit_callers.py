"""`python -m tests.broker.limit_callers URL SECONDS CALLERS WINDOW_S`: one of several processes under the same limits.

Each caller takes a request and a place again and again and prints what it had: `slot begun ended`, times of the
machine's monotonic clock between the answer and the give-back.
"""

import asyncio
import sys
import time

from redis.asyncio import Redis

from broker.limits import Limiter
from core.limits import Limits, Scope, Taken

MINUTE = Scope("project:judged", Limits(requests_per_minute=100, concurrency=20))
LEASE_S = 1.5


async def main(url: str, seconds: float, callers: int, window_s: float) -> None:
    """Call until the time is over."""
    async with Redis.from_url(url) as redis:
        limiter = Limiter(redis, "api", lease_s=LEASE_S, window_s=window_s)
        until = time.monotonic() + seconds

        async def call_on(name: str) -> None:
            count = 0
            while time.monotonic() < until:
                count += 1
                taken = await limiter.take(f"{name}-{count}", [MINUTE])
                if not isinstance(taken, Taken):
                    await asyncio.sleep(0.02)
                    continue
                begun = time.monotonic()
                await asyncio.sleep(0.08)
                print(taken.slot, begun, time.monotonic(), int(taken.local), flush=True)
                await limiter.give_back(taken, None)

        await asyncio.gather(*(call_on(f"{id(redis)}-{number}") for number in range(callers)))


if __name__ == "__main__":
    url, seconds, callers, window_s = sys.argv[1:5]
    asyncio.run(main(url, float(seconds), int(callers), float(window_s)))
