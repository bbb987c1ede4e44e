"""What commands that wait for others' work have in common: the door, leaving on Ctrl-C, saying what is missing."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import click

from core.jsonio import decimal_text

if TYPE_CHECKING:
    from producer.client import FactoryClient

OVER = frozenset({"completed", "failed", "cancelled", "expired"})
LEFT = 130
QUIET_S = 5.0
NO_WORKER = "nothing has started yet: is a worker running? `factory up` or `factory worker` starts one"


@asynccontextmanager
async def factory_client() -> "AsyncIterator[FactoryClient]":
    """The API that the environment names, or this machine's servers, started when they do not run."""
    from core.settings import read_settings
    from producer.client import open_client

    async with open_client(read_settings()) as client:
        yield client


@contextmanager
def detaching(message: str) -> Iterator[None]:
    """Ctrl-C leaves the work to the workers: the message says how to come back, the exit code is the shell's 130."""
    try:
        yield
    except asyncio.CancelledError:
        click.echo(f"\n{message}", err=True)
        raise click.exceptions.Exit(LEFT) from None


class WorkerHint:
    """Says once that no worker seems to run, when jobs have been queued for a while and none was ever started."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._said = False

    def look(self, *, queued: bool, started: bool) -> str | None:
        """The hint, when it is time for it."""
        if self._said or started or not queued or time.monotonic() - self._since < QUIET_S:
            return None
        self._said = True
        return NO_WORKER

    def look_at_batch(self, batch: dict[str, Any]) -> str | None:
        counts = batch["counts"]
        return self.look(queued=counts["queued"] > 0, started=any(counts[state] for state in (*OVER, "in_progress")))


def say_cost(cost: Any) -> str:
    """With every digit."""
    return "cost unknown, a price is missing" if cost is None else f"{decimal_text(cost)} USD"


def say_counts(batch: dict[str, Any]) -> str:
    return ", ".join(f"{number} {state.replace('_', ' ')}" for state, number in batch["counts"].items() if number)


def say_seconds(milliseconds: float | None) -> str:
    if milliseconds is None:
        return ""
    minutes, seconds = divmod(milliseconds / 1000, 60)
    return f"{minutes:.0f} min {seconds:02.0f} s" if minutes else f"{seconds:.1f} s"


def say_failure(job: dict[str, Any]) -> str:
    """Why a job has no answer."""
    error = job["error"]
    return f"{job['status']}: {error['kind']}: {error['message']}" if error else str(job["status"])
