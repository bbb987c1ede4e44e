"""OpenAI's own client against the API over a real socket, with nothing changed but base URL and key."""

from collections.abc import AsyncIterator

import pytest
from openai import AsyncOpenAI

from tests.api.conftest import served
from tests.house import Factory

__all__ = ["served"]


@pytest.fixture
async def client(served: str, factory: Factory) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{served}/v1", api_key=factory.key) as opened:
        yield opened
