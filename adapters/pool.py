"""One HTTP connection pool under every provider SDK, and one SDK object per address."""

import asyncio
import ssl
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar, cast
from urllib.request import getproxies, proxy_bypass

import httpx2

NO_KEY = "no-key"
KEEP_IDLE_S = 60.0
_KEY_HEADERS = ("authorization", "x-goog-api-key", "xi-api-key", "x-api-key")

Client = TypeVar("Client")


class ProviderPool:
    """Owns the HTTP client that all SDKs share; the SDK objects are never closed, only the pool, once.

    An SDK object serves many keys: the key of a call travels with the call. Redirects are not followed,
    because a provider's key would travel with them.
    """

    def __init__(self, *, max_connections: int = 6000, max_keepalive: int = 1000) -> None:
        self._lanes = Lanes(max_connections, max_keepalive)
        self._http: httpx2.AsyncClient | None = None
        self._clients: dict[tuple[str, str], Any] = {}

    @property
    def http(self) -> httpx2.AsyncClient:
        """The shared client, made on first use."""
        if self._http is None:
            self._http = httpx2.AsyncClient(
                timeout=httpx2.Timeout(60.0, connect=5.0),
                transport=self._lanes,
                event_hooks={"request": [_drop_placeholder_keys]},
            )
        return self._http

    def client(self, sdk: str, base_url: str, build: Callable[[str, httpx2.AsyncClient], Client]) -> Client:
        """The SDK object for an address, built once with the shared client."""
        found: Client | None = self._clients.get((sdk, base_url))
        if found is None:
            found = self._clients[sdk, base_url] = build(base_url, self.http)
        return found

    async def aclose(self) -> None:
        """Close every connection. The pool cannot be used afterwards."""
        self._clients.clear()
        if self._http is not None:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


async def _drop_placeholder_keys(request: httpx2.Request) -> None:
    """An SDK that insists on a key is given NO_KEY; an endpoint without a credential must not see it."""
    for name in _KEY_HEADERS:
        if request.headers.get(name, "").endswith(NO_KEY):
            del request.headers[name]


@dataclass(slots=True, eq=False)
class _Lane:
    """One connection to one address, while it is there; httpx2 opens it, checks it and opens it anew."""

    transport: httpx2.AsyncHTTPTransport
    idle_since: float = 0.0


class Lanes(httpx2.AsyncBaseTransport):
    """Connections, each found without a look at the others.

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
        await self._wait_for_slot(request)
        url = request.url
        idle = self._idle[url.scheme, url.host, url.port]
        lane = idle.pop() if idle else self._open(url)
        self._busy.add(lane)
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

    def _open(self, url: httpx2.URL) -> _Lane:
        if self._tls is None:
            self._tls = httpx2.create_ssl_context()
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=1, keepalive_expiry=self._keep_idle_s)
        return _Lane(httpx2.AsyncHTTPTransport(verify=self._tls, limits=limits, proxy=_proxy_for(url)))

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

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body:
            yield chunk

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
