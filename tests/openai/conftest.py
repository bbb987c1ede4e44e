"""OpenAI's own client against the API over a real socket, with nothing changed but base URL and key."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest
from openai import AsyncOpenAI

from tests.api.conftest import served
from tests.house import Factory

__all__ = ["served"]


@pytest.fixture
async def client(served: str, factory: Factory) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{served}/v1", api_key=factory.key) as opened:
        yield opened


@pytest.fixture
async def emulator(factory: Factory) -> AsyncIterator[httpx.AsyncClient]:
    """The emulator's own controls; this test's faults are taken back at the end."""
    async with httpx.AsyncClient(base_url=factory.emulator, params={"owner": uuid4().hex}) as controls:
        yield controls
        await controls.delete("/_emulator/faults")
