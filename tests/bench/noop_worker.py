"""The worker of production, as a program, with one handler more: it answers at once and calls nobody.

BENCH_PROFILE names a file where it leaves what cProfile saw of its main thread. BENCH_WITHOUT names a package that is not
to be found.
"""

import cProfile
import os
import sys

from adapters.pool import ProviderPool
from adapters.registry import HANDLERS
from core.provider import HandlerSpec, ProviderAnswer, ProviderCall
from core.result import Usage

ANSWER = HandlerSpec("bench.answer", "text", "tests.bench.noop_worker:answer")


async def answer(_pool: ProviderPool, call: ProviderCall) -> ProviderAnswer:
    return ProviderAnswer(usage=Usage(50, 20), model=call.model.model_id, content="done")


def main() -> int:
    HANDLERS[ANSWER.name] = ANSWER
    if missing := os.environ.get("BENCH_WITHOUT"):
        sys.modules[missing] = None  # type: ignore[assignment]
    from workers.__main__ import main as work

    place = os.environ.get("BENCH_PROFILE")
    if not place:
        return work()
    profile = cProfile.Profile()
    try:
        return profile.runcall(work)
    finally:
        profile.dump_stats(place)


if __name__ == "__main__":
    sys.exit(main())
