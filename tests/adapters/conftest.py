"""The emulator as a process of its own, and the pool that the handlers under test share."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from adapters.pool import ProviderPool
from adapters.registry import HANDLERS, import_handler, load_handler
from core.jsonio import load_json
from core.provider import ProviderAnswer, ProviderCall
from core.settings import python_program
from tests import dialects

PREFIXES = {"openai": "/openai/v1"}  # the others' is their name


@dataclass(frozen=True, slots=True)
class Providers:
    """Makes calls through the real handlers, and knows what the emulator saw of them."""

    url: str
    pool: ProviderPool

    def base_url(self, handler: str) -> str:
        provider = handler.partition(".")[0]
        return self.url + PREFIXES.get(provider, f"/{provider}")

    async def call(self, call: ProviderCall) -> ProviderAnswer:
        return await load_handler(call.endpoint.handler_function, self.pool)(call)

    async def seen(self, call_id: UUID, *, finished: bool = True) -> dict[str, Any]:
        """The journal's entry of a call, waited for until it is there and over."""
        async with asyncio.timeout(5), httpx2.AsyncClient() as client:
            while True:
                calls = (await client.get(f"{self.url}/_emulator/calls")).json()["calls"]
                found: list[dict[str, Any]] = [one for one in calls if one["call_id"] == str(call_id)]
                if found and (not finished or found[0]["finished_at"] is not None):
                    assert len(found) == 1, "one call was made once"
                    return found[0]
                await asyncio.sleep(0.01)


@pytest.fixture(autouse=True, scope="session")
async def _sdks_are_imported() -> None:
    """As a worker does: before the time of a call begins."""
    for name in HANDLERS:
        await import_handler(name)


@pytest.fixture(scope="session")
def emulator_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An emulator without latency."""
    ready = tmp_path_factory.mktemp("emulator") / "ready.json"
    program = python_program("adapters.emulator", "--port", "0", "--latency-ms", "0", "--ready-file", str(ready))
    program += ["--dialect", dialects.EMULATED]
    with subprocess.Popen(program, stdout=subprocess.DEVNULL) as process:
        try:
            yield _wait_for(ready, process)
        finally:
            process.terminate()


def _wait_for(ready: Path, process: subprocess.Popen[bytes]) -> str:
    until = time.monotonic() + 20
    while not ready.exists():
        assert process.poll() is None, "the emulator ended before it listened"
        assert time.monotonic() < until, "the emulator does not listen"
        time.sleep(0.02)
    url: str = load_json(ready.read_bytes())["url"]
    return url


@pytest.fixture(scope="session")
async def providers(emulator_url: str) -> AsyncIterator[Providers]:
    async with ProviderPool() as pool:
        yield Providers(emulator_url, pool)
