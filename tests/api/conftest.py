"""The API over a real socket, for clients that need one."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn

from producer.api.app import create_app
from producer.composition import Services
from tests.house import Factory


@asynccontextmanager
async def serving(services: Services) -> AsyncIterator[str]:
    """The URL of an API with these services, on a socket of its own."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(services), log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


@pytest.fixture
async def served(factory: Factory) -> AsyncIterator[str]:
    """The URL of the factory's API."""
    async with serving(factory.services) as url:
        yield url
