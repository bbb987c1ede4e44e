"""The emulator's controls for tests of workers."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from tests.house import Factory


@pytest.fixture
async def emulator(factory: Factory) -> AsyncIterator[httpx.AsyncClient]:
    """The emulator's own controls; this test's faults are taken back at the end."""
    async with httpx.AsyncClient(base_url=factory.emulator, params={"owner": uuid4().hex}) as client:
        yield client
        await client.delete("/_emulator/faults")
        await client.delete("/_emulator/limits")
