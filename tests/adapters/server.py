"""A web server of a few lines on 127.0.0.1, for answers that the emulator does not give."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came; header names in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    body: bytes = b""
    status: str = "200 OK"
    headers: Mapping[str, str] = field(default_factory=dict)
    pause_s: float = 0.0


@asynccontextmanager
async def serving(answer: Callable[[Asked], Reply]) -> AsyncIterator[str]:
    """Yields the server's URL, without a slash at the end."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = (line.partition(": ") for line in lines[1:] if line)
        headers = {name.lower(): value for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        reply = answer(Asked(lines[0].split()[1], headers, body))
        await asyncio.sleep(reply.pause_s)
        shown = {"content-length": str(len(reply.body)), "connection": "close", **reply.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in shown.items())
        writer.write(f"HTTP/1.1 {reply.status}\r\n{head}\r\n".encode() + reply.body)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
