"""The HTTP client that all SDKs share. Imports httpx2: `adapters/pool.py` loads it on first use."""

from typing import Any, cast

import httpx2

from adapters.limits import WIRE
from adapters.pool import NO_KEY

_KEY_HEADERS = ("authorization", "x-goog-api-key", "xi-api-key", "x-api-key")
_ELSE_TO_BUILD = ("params", "cookies", "extensions", "data", "files", "json")
_MOST_URLS = 1000


class Sender(httpx2.AsyncClient):
    """httpx2's client without what no call to a provider needs. It follows no redirect, because the key would travel
    with it, and keeps no cookie, because callers share this client.

    That, and reading an address that was read before, is half of what httpx2 does around its transport.
    """

    def __init__(self, transport: httpx2.AsyncBaseTransport, timeout: httpx2.Timeout) -> None:
        super().__init__(timeout=timeout, transport=transport)
        self._way = transport
        self._known: dict[str, httpx2.URL] = {}
        self._always = {name.lower(): value for name, value in self.headers.items()}

    def build_request(self, method: str, url: httpx2.URL | str, **parts: Any) -> httpx2.Request:
        """As httpx2 does, in less time for bytes that go to an address it knows."""
        if any(parts.get(name) for name in _ELSE_TO_BUILD):
            return super().build_request(method, url, **parts)
        timeout = parts.get("timeout", httpx2.USE_CLIENT_DEFAULT)
        if timeout is httpx2.USE_CLIENT_DEFAULT:
            timeout = self.timeout
        elif not isinstance(timeout, httpx2.Timeout):
            timeout = httpx2.Timeout(timeout)
        return httpx2.Request(
            method,
            self._read(url),
            headers=self._complete(parts.get("headers")),
            content=parts.get("content"),
            extensions={"timeout": timeout.as_dict()},
        )

    async def send(self, request: httpx2.Request, *, stream: bool = False, **_: Any) -> httpx2.Response:
        """As httpx2 does, once the call may go."""
        wire = WIRE.get()
        if wire is not None:
            await wire.may_go()
        if self.is_closed:
            raise RuntimeError("The pool is closed")
        request.extensions.setdefault("timeout", self.timeout.as_dict())
        _drop_placeholder_keys(request)
        if request.url.userinfo:
            next(httpx2.BasicAuth(request.url.username, request.url.password).auth_flow(request))
        try:
            response = await self._way.handle_async_request(request)
            response.request = request
            if wire is not None:
                wire.headers = response.headers
            if not stream:
                await _read_body(response)
        except httpx2.RequestError as error:
            error.request = request
            raise
        return response

    def _read(self, url: httpx2.URL | str) -> httpx2.URL:
        if isinstance(url, httpx2.URL):
            return url
        if (known := self._known.get(url)) is None:
            if len(self._known) >= _MOST_URLS:
                self._known.clear()
            known = self._known[url] = httpx2.URL(url)
        return known

    def _complete(self, headers: Any) -> list[tuple[str, str]]:
        """With those that every request has, unless it says otherwise."""
        own = headers if isinstance(headers, list) else httpx2.Headers(headers).multi_items()
        named = {name.lower() for name, _ in own}
        return [*(one for one in self._always.items() if one[0] not in named), *own]


async def _read_body(response: httpx2.Response) -> None:
    """All of it, then decoded: by itself httpx2 hands every piece through three generators."""
    stream = cast("httpx2.AsyncByteStream", response.stream)
    try:
        came = b"".join([part async for part in stream])
    finally:
        await stream.aclose()
    response.stream = httpx2.ByteStream(came)
    response.read()


def _drop_placeholder_keys(request: httpx2.Request) -> None:
    """An SDK that insists on a key is given NO_KEY; an endpoint without a credential must not see it."""
    for name in _KEY_HEADERS:
        if request.headers.get(name, "").endswith(NO_KEY):
            del request.headers[name]
