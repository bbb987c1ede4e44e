"""HTTP/1.1 over one connection straight to a provider: asyncio's protocols, and httptools, which uvicorn reads with.

h11 and anyio under httpx2's own transport take four times the CPU (docs/performance.md)."""

import asyncio
import re
import select
import ssl
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import httptools
import httpx2

from adapters.dialing import dial

_MOST_OF_A_HEAD = 100_000
_MOST_AHEAD = 262_144
_SENT_AS_ONE = 65_536
_HEAD = re.compile(rb"[A-Z]+ [\x21-\x7e\x80-\xff]+ HTTP/1\.1\r\n([!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\x00\r\n]*\r\n)+\r\n")


class Line(httpx2.AsyncBaseTransport):
    """One call at a time. Opened for the first call, and anew when the server closed it in between, or when it rested
    for so long that the server may be about to."""

    def __init__(self, tls: Callable[[], ssl.SSLContext], keep_idle_s: float) -> None:
        self._tls = tls
        self._keep_idle_s = keep_idle_s
        self._wire: _Wire | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The head of the answer, whose body is still to be read."""
        limits_s = request.extensions.get("timeout", {})
        sent = _to_bytes(request, await request.aread())
        if self._wire is not None and not self._wire.is_open(self._keep_idle_s):
            await self.aclose()
        if self._wire is None:
            self._wire = await dial(request, self._tls, _Wire, limits_s.get("connect"))
        return await self._wire.exchange(sent, limits_s.get("read"), has_body=request.method != "HEAD")

    async def aclose(self) -> None:
        """Also in the middle of a call."""
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.close()


class _Wire(asyncio.Protocol):
    """What goes to and fro. It reads on ahead of whoever takes the answer, but not much."""

    def __init__(self) -> None:
        self._gone = asyncio.get_running_loop().create_future()
        self._waiter: asyncio.Future[None] | None = None
        self._idle_since = 0.0
        self._failed: httpx2.TransportError | None = None
        self._begin()
        self._done = True

    def _begin(self) -> None:
        self._parser: Any = httptools.HttpResponseParser(self)
        self._status, self._reason = 0, b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self._ahead = self._came = 0
        self._headed = self._done = False

    def is_open(self, keep_idle_s: float) -> bool:
        """Is it there for another call? The socket is asked, too, as httpx2 does: the server's farewell may have come
        and not been read yet."""
        if self._transport.is_closing() or time.monotonic() - self._idle_since > keep_idle_s:
            return False
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    async def exchange(self, sent: tuple[bytes, ...], read_s: float | None, *, has_body: bool) -> httpx2.Response:
        """Raises httpx2's ReadTimeout, ReadError or RemoteProtocolError; ConnectError when nothing was sent."""
        if self._gone.done():
            raise httpx2.ConnectError("The server left at once")
        self._begin()
        for part in sent:
            self._transport.write(part)
        while not self._headed:
            await self._more(read_s)
        if not has_body:
            self._end(reusable=False)
        return httpx2.Response(
            self._status,
            headers=self._headers,
            stream=_Body(self, read_s),
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": self._reason},
        )

    async def read(self, read_s: float | None) -> bytes:
        """What came of the body since; nothing at its end."""
        while not self._chunks:
            if self._done:
                return b""
            await self._more(read_s)
        came = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        if self._ahead > _MOST_AHEAD and not self._transport.is_closing():
            self._transport.resume_reading()
        self._ahead = 0
        return came

    async def finish(self) -> None:
        """After an answer; one that was not read to its end takes the connection with it."""
        self._idle_since = time.monotonic()
        if not self._done or self._chunks:
            await self.close()

    async def close(self) -> None:
        """At once: nobody waits for what is still on its way."""
        if not self._done:
            self._fail(httpx2.ReadError("The connection was closed before the answer was complete"))
        self._transport.abort()
        await asyncio.shield(self._gone)

    async def _more(self, read_s: float | None) -> None:
        if self._failed is not None:
            raise self._failed
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        clock = None if read_s is None else loop.call_later(read_s, self._time_out)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if clock is not None:
                clock.cancel()

    def _time_out(self) -> None:
        self._fail(httpx2.ReadTimeout("No answer in time"))

    def _fail(self, error: httpx2.TransportError) -> None:
        self._failed = self._failed or error
        self._transport.abort()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._done or (not self._headed and self._came > _MOST_OF_A_HEAD):
            self._fail(httpx2.RemoteProtocolError("More came than an answer"))
            return
        self._came += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self._done:
                self._fail(httpx2.RemoteProtocolError(f"The answer is not HTTP/1.1 ({type(error).__name__})"))
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self._fail(httpx2.ReadError(str(error)))
        elif self._headed and self._failed is None and _ends_with_connection(self._headers):
            self._done = True
        elif not self._done:
            self._fail(httpx2.RemoteProtocolError("The server left before its answer was complete"))
        self._gone.set_result(None)
        self._wake()

    # What httptools calls.

    def on_message_begin(self) -> None:
        if self._done:  # nobody asked for a second answer
            self._transport.abort()
            raise ValueError

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        self._headed = self._status >= 200

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._ahead += len(body)
        if self._ahead > _MOST_AHEAD and not self._transport.is_closing():
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._headed:
            self._end(reusable=self._parser.should_keep_alive())
        else:  # 100 or 103: the answer is still to come
            self._headers, self._reason = [], b""

    def _end(self, *, reusable: bool) -> None:
        self._done = True
        if not reusable:
            self._transport.abort()


class _Body(httpx2.AsyncByteStream):
    def __init__(self, wire: _Wire, read_s: float | None) -> None:
        self._wire = wire
        self._read_s = read_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while came := await self._wire.read(self._read_s):
            yield came

    async def aclose(self) -> None:
        await self._wire.finish()


def _to_bytes(request: httpx2.Request, body: bytes) -> tuple[bytes, ...]:
    """Head and body, in one piece where they are small. Raises httpx2.LocalProtocolError for what would be read as
    something else than what it says, such as a header with a line break."""
    lines = b"".join([b"%b: %b\r\n" % pair for pair in request.headers.raw])
    head = b"%b %b HTTP/1.1\r\n%b\r\n" % (request.method.encode("ascii"), request.url.raw_path, lines)
    if not _HEAD.fullmatch(head) or head.count(b"\n") != len(request.headers.raw) + 2:
        raise httpx2.LocalProtocolError("A header of the request cannot be sent")
    if "transfer-encoding" in request.headers:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    return (head + body,) if len(body) < _SENT_AS_ONE else (head, body)


def _ends_with_connection(headers: list[tuple[bytes, bytes]]) -> bool:
    return not any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in headers)
