"""Connections to providers, one for each call in flight. Imports httpx2: `adapters/pool.py` loads it on first use."""

import asyncio
import ssl
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import cast
from urllib.request import getproxies, proxy_bypass

import httpx2

from adapters.line import Line

KEEP_IDLE_S = 60.0


@dataclass(slots=True, eq=False)
class _Lane:
    """One connection to one address; its transport opens it, checks it and opens it anew."""

    transport: httpx2.AsyncBaseTransport
    idle_since: float = 0.0


class Lanes(httpx2.AsyncBaseTransport):
    """A transport for httpx2 whose connections are each found without a look at the others.

    httpx2's own pool goes over all of its connections and calls, twice for every call, so that a call costs more the
    more are in flight (docs/performance.md). Here a call takes the lane to its address that was used last, or a new
    one. Beyond `max_busy` calls wait as long as their `pool` timeout says.
    """

    def __init__(self, max_busy: int, max_idle: int, keep_idle_s: float = KEEP_IDLE_S) -> None:
        self._slots = asyncio.Semaphore(max_busy)
        self._max_idle = max_idle
        self._keep_idle_s = keep_idle_s
        self._idle: defaultdict[tuple[str, str, int | None], deque[_Lane]] = defaultdict(deque)
        self._busy: set[_Lane] = set()
        self._tls: ssl.SSLContext | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, whose body is still to be read. The lane is free again once the answer is closed."""
        url = request.url
        idle = self._idle[url.scheme, url.host, url.port]
        await self._wait_for_slot(request)
        lane = self._take(idle, url)
        try:
            answer = await lane.transport.handle_async_request(request)
        except BaseException:
            self._give_up(lane)
            await lane.transport.aclose()
            raise
        body = cast("httpx2.AsyncByteStream", answer.stream)
        answer.stream = _Body(body, partial(self._put_back, idle, lane), partial(self._give_up, lane))
        return answer

    async def aclose(self) -> None:
        """Close every connection, also those that calls are using."""
        lanes = [*self._busy, *(lane for idle in self._idle.values() for lane in idle)]
        self._idle.clear()
        for lane in lanes:
            await lane.transport.aclose()

    async def _wait_for_slot(self, request: httpx2.Request) -> None:
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("pool")):
                await self._slots.acquire()
        except TimeoutError:
            raise httpx2.PoolTimeout("Too many calls are in flight", request=request) from None

    def _take(self, idle: deque[_Lane], url: httpx2.URL) -> _Lane:
        try:
            lane = idle.pop() if idle else self._open(url)
        except BaseException:
            self._slots.release()
            raise
        self._busy.add(lane)
        return lane

    def _open(self, url: httpx2.URL) -> _Lane:
        proxy = _proxy_for(url)
        if proxy is None:
            return _Lane(Line(self._safety, self._keep_idle_s))
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=1, keepalive_expiry=self._keep_idle_s)
        return _Lane(httpx2.AsyncHTTPTransport(verify=self._safety(), limits=limits, proxy=proxy))

    def _safety(self) -> ssl.SSLContext:
        """What the system trusts, read once."""
        if self._tls is None:
            self._tls = httpx2.create_ssl_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    def _give_up(self, lane: _Lane) -> None:
        self._busy.discard(lane)
        self._slots.release()

    async def _put_back(self, idle: deque[_Lane], lane: _Lane) -> None:
        self._give_up(lane)
        lane.idle_since = time.monotonic()
        idle.append(lane)
        await self._close_surplus(lane.idle_since - self._keep_idle_s)

    async def _close_surplus(self, idle_before: float) -> None:
        """Those that nobody used for long, and the oldest when there are too many."""
        surplus = sum(map(len, self._idle.values())) - self._max_idle
        for idle in self._idle.values():
            while idle and (surplus > 0 or idle[0].idle_since < idle_before):
                surplus -= 1
                await idle.popleft().transport.aclose()


class _Body(httpx2.AsyncByteStream):
    """The body of an answer, which says when its lane is free."""

    def __init__(
        self, body: httpx2.AsyncByteStream, put_back: Callable[[], Awaitable[None]], give_up: Callable[[], None]
    ) -> None:
        self._body = body
        self._put_back = put_back
        self._give_up = give_up
        self._closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._body)

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            await self._body.aclose()
        except BaseException:
            self._give_up()
            raise
        await self._put_back()


def _proxy_for(url: httpx2.URL) -> str | None:
    """What HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say of an address."""
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(url.host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
