"""The factory's API on a socket, in whose way a test can put trouble; and the two Python clients, called alike."""

import asyncio
import inspect
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from factory_client import FactoryClient, SyncFactoryClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from producer.api.app import create_app
from tests.house import Factory


@dataclass
class Trouble:
    """What happens to the next request whose path ends so: an answer instead of the application's, or its own answer
    cut off once so many bytes of the body have gone."""

    path: str
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None


class Door:
    """An ASGI application before the API. `seen` are the requests: method, path, headers."""

    def __init__(self, inner: ASGIApp) -> None:
        self.inner = inner
        self.url = ""
        self.troubles: list[Trouble] = []
        self.seen: list[tuple[str, str, dict[str, str]]] = []

    def headers_of(self, path: str) -> list[dict[str, str]]:
        return [headers for _, seen, headers in self.seen if seen.endswith(path)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.seen.append((scope["method"], path, headers))
        trouble = next((one for one in self.troubles if path.endswith(one.path)), None)
        if trouble is None:
            await self.inner(scope, receive, send)
            return
        self.troubles.remove(trouble)
        if trouble.status:
            while (await receive()).get("more_body"):
                pass
            said = [(name.encode(), value.encode()) for name, value in trouble.headers.items()]
            await send({"type": "http.response.start", "status": trouble.status, "headers": said})
            await send({"type": "http.response.body", "body": b"<html>a balancer</html>"})
            return
        await self.inner(scope, receive, _cutting(send, trouble.cut_after or 0))


def _cutting(send: Send, left: int) -> Send:
    async def cut(message: Message) -> None:
        nonlocal left
        body = message.get("body", b"")
        if message["type"] == "http.response.body" and len(body) >= left:
            await send({"type": "http.response.body", "body": body[:left], "more_body": True})
            raise Cut
        left -= len(body)
        await send(message)

    return cut


class Cut(Exception):
    """Breaks a connection: uvicorn closes the socket of an application that fails in the middle."""


@pytest.fixture
async def door(factory: Factory) -> AsyncIterator[Door]:
    listening = socket.create_server(("127.0.0.1", 0))
    found = Door(create_app(factory.services))
    found.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    config = uvicorn.Config(found, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    running = asyncio.create_task(server.serve(sockets=[listening]))
    yield found
    server.should_exit = True
    await running


class Caller:
    """A client's methods, all awaited; iterators as lists."""

    def __init__(self, client: FactoryClient | SyncFactoryClient) -> None:
        self.client = client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            if isinstance(self.client, SyncFactoryClient):
                return await asyncio.to_thread(_whole, method, args, kwargs)
            found = method(*args, **kwargs)
            return await found if inspect.isawaitable(found) else [item async for item in found]

        return call


def _whole(method: Any, args: Any, kwargs: Any) -> Any:
    found = method(*args, **kwargs)
    return list(found) if inspect.isgenerator(found) else found


@pytest.fixture(params=["async", "sync"])
async def caller(request: pytest.FixtureRequest, factory: Factory, door: Door) -> AsyncIterator[Caller]:
    if request.param == "async":
        async with FactoryClient(door.url, factory.key, retry_for_s=15) as client:
            yield Caller(client)
        return
    with SyncFactoryClient(door.url, factory.key, retry_for_s=15) as sync_client:
        yield Caller(sync_client)
