"""`python -m workers.autoscaling`: as many worker processes on this machine as `/v1/autoscaling` asks for.

While the API cannot be asked, the number stays and the dead are replaced.
"""

import argparse
import json
import signal
import socket
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.logging import get_logger, set_up_logging
from core.parent import follow_parent
from core.scaling import Asked, Bounds, remember, settle
from core.settings import child_environment, python_program, read_settings
from workers.processes import WorkerProcesses, monotonic_s

EVERY_S = 1.0
PATIENCE_S = 3.0
SPARING = 10  # a number that is dear to reckon is asked for less often
MISSED = 5  # an API that has just been started is not missed
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Heard:
    """What the API said: workers for our pools, why, and the jobs of workers on this machine by process id."""

    workers: int
    reason: str
    busy: Mapping[int, int]


class Autoscaler:
    """`start`, then `step` once a second, then `stop`."""

    def __init__(
        self, url: str, key: str | None, pools: Sequence[str], slots: int, bounds: Bounds, log_form: str
    ) -> None:
        self._request = urllib.request.Request(  # noqa: S310  the operator's own address
            f"{url}/v1/autoscaling?slots_per_worker={slots}", headers={"x-api-key": key} if key else {}
        )
        self._pools = pools
        self._bounds = bounds
        given = {"FACTORY_WORKER_POOLS": ",".join(pools), "FACTORY_WORKER_SLOTS": str(slots)}
        if log_form == "auto" and sys.stderr.isatty():  # what they say comes through us
            given["FACTORY_LOG_FORMAT"] = "console"
        self._processes = WorkerProcesses(python_program("workers"), child_environment(**given))
        self._asked: tuple[Asked, ...] = ()
        self._target = bounds.least
        self._busy: Mapping[int, int] = {}
        self._missed = 0

    def start(self) -> None:
        """The least that there should be, before anybody is asked."""
        self._processes.resize(self._target, self._bounds.most, monotonic_s(), {})

    def step(self) -> None:
        """Ask, decide, start and stop."""
        if (heard := self._ask()) is not None:
            self._busy = heard.busy
            self._decide(Asked(monotonic_s(), heard.workers, heard.reason))
        now_s = monotonic_s()
        self._processes.reap(now_s)
        self._processes.resize(self._target, self._bounds.most, now_s, self._busy)

    def _decide(self, newest: Asked) -> None:
        self._asked = remember(self._asked, newest, self._bounds)
        target, reason = settle(self._asked, self._target, self._bounds)
        if target != self._target:
            log.info("scaling", workers=self._target, to=target, reason=reason)
        self._target = target

    def _ask(self) -> Heard | None:
        try:
            with urllib.request.urlopen(self._request, timeout=PATIENCE_S) as answer:  # noqa: S310
                heard = hear(json.loads(answer.read()), self._pools)
        except (OSError, ValueError, KeyError) as error:
            self._missed += 1
            if self._missed == MISSED:
                log.warning("the number of workers stays: the API cannot be asked", error=str(error)[:200])
            return None
        self._missed = 0
        return heard

    def stop(self) -> None:
        """Until all workers have ended."""
        self._processes.stop()


def hear(answer: Mapping[str, Any], pools: Sequence[str]) -> Heard:
    """Out of the answer of `/v1/autoscaling`. Raises KeyError when it is another one."""
    told = [answer["pools"][pool] for pool in pools]
    workers = told[0]["workers"] if len(told) == 1 else answer["workers"]
    here = socket.gethostname()
    busy = {one["pid"]: sum(one["running"].values()) for one in answer["fleet"] or () if one["host"] == here}
    return Heard(workers, "; ".join(f"{pool}: {one['reason']}" for pool, one in zip(pools, told, strict=True)), busy)


def main() -> int:
    """Until a signal. Exit code 2 for arguments that cannot be used."""
    settings = read_settings()
    set_up_logging(settings.log_level, settings.log_format, program="autoscaler")
    follow_parent()
    parser = argparse.ArgumentParser(prog="factory autoscale")
    parser.add_argument("--pool", action="append", choices=("text", "speech"), default=[])
    parser.add_argument("--min", type=int, default=settings.min_workers)
    parser.add_argument("--max", type=int, default=settings.max_workers)
    parser.add_argument("--slots", type=int, default=settings.worker_slots)
    parser.add_argument("--cool-down", type=float, default=settings.cool_down_s)
    parser.add_argument("--url", default=settings.url or f"http://127.0.0.1:{settings.port}")
    given = parser.parse_args()
    if not 0 <= given.min <= given.max or given.max < 1:
        parser.error(f"--min {given.min} and --max {given.max}: at least 0, at least 1, and in this order")
    if not given.url.startswith(("http://", "https://")):
        parser.error(f"--url {given.url}: an address begins with http:// or https://")
    pools = tuple(dict.fromkeys(given.pool)) or settings.pools
    bounds = Bounds(given.min, given.max, given.cool_down)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    url = given.url.rstrip("/")
    autoscaler = Autoscaler(url, settings.api_key, pools, given.slots, bounds, settings.log_format)
    log.info("autoscaler starting", pools=pools, least=bounds.least, most=bounds.most, slots=given.slots)
    autoscaler.start()
    pause_s = EVERY_S
    while not stopping.wait(pause_s):
        began_s = monotonic_s()
        autoscaler.step()
        pause_s = max(EVERY_S, SPARING * (monotonic_s() - began_s))
    autoscaler.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
