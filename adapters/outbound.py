"""Requests to addresses that callers name: pictures to fetch, webhooks to post. Never into a private network.

The host is resolved once, every address it has must be public, and the connection goes to one of those addresses,
so that a name that changes its mind in between gains nothing. Redirects are followed a few steps, each checked anew.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx2

from core.outbound import NOTHING, Allowed, check_public_url, is_public_address

MAX_REDIRECTS = 3
_REDIRECTS = (301, 302, 303, 307, 308)

Resolve = Callable[[str, int], Awaitable[list[str]]]


class OutboundRefused(Exception):
    """The request was not made, or brought nothing usable; the message says why, and holds no address of ours."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """`body` is whole, for a post as much of it as was asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def resolve_host(host: str, port: int) -> list[str]:
    """All addresses of a host, as the system resolves it."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Outbound:
    """One client, without cookies, proxies or kept connections, since a connection belongs to one checked name.

    `private_allowed` opens the whole of a private network, `allowed` what an operator named in it.
    """

    def __init__(
        self, *, private_allowed: bool = False, allowed: Allowed = NOTHING, resolve: Resolve = resolve_host
    ) -> None:
        self._private_allowed = private_allowed
        self._allowed = allowed
        self._resolve = resolve
        self._client: httpx2.AsyncClient | None = None

    @property
    def _http(self) -> httpx2.AsyncClient:
        """Made on first use: to read the certificates of all authorities takes tens of milliseconds."""
        if self._client is None:
            self._client = httpx2.AsyncClient(
                limits=httpx2.Limits(max_connections=200, max_keepalive_connections=0),
                follow_redirects=False,
                trust_env=False,
            )
        return self._client

    async def fetch(self, url: str, *, max_bytes: int, timeout_s: float) -> Fetched:
        """GET, following redirects. Raises OutboundRefused, also for a body that is larger than `max_bytes`."""
        try:
            async with asyncio.timeout(timeout_s):
                for _ in range(MAX_REDIRECTS + 1):
                    fetched = await self._send("GET", url, {}, None, max_bytes, timeout_s, whole=True)
                    target = fetched.headers.get("location")
                    if fetched.status not in _REDIRECTS or not target:
                        return fetched
                    url = str(httpx2.URL(url).join(target))
        except TimeoutError:
            raise OutboundRefused(f"did not come within {timeout_s:g} s") from None
        except httpx2.InvalidURL:
            raise OutboundRefused("was redirected to something that is not a URL") from None
        raise OutboundRefused(f"was redirected more than {MAX_REDIRECTS} times")

    async def post(
        self, url: str, *, content: bytes, headers: Mapping[str, str], timeout_s: float, max_answer_bytes: int = 4096
    ) -> Fetched:
        """POST; a redirect is an answer like any other. At most `max_answer_bytes` of the answer are read."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._send("POST", url, headers, content, max_answer_bytes, timeout_s, whole=False)
        except TimeoutError:
            raise OutboundRefused(f"did not answer within {timeout_s:g} s") from None

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        max_bytes: int,
        timeout_s: float,
        *,
        whole: bool,
    ) -> Fetched:
        try:
            asked = httpx2.URL(url)
            address = await self._checked_address(url, asked)
            request = self._http.build_request(
                method,
                asked.copy_with(host=address),
                headers={
                    "accept": "*/*",
                    **headers,
                    "accept-encoding": "identity",
                    "host": asked.netloc.decode("ascii"),
                },
                content=content,
                timeout=timeout_s,
                extensions={"sni_hostname": asked.host},
            )
            response = await self._http.send(request, stream=True)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise OutboundRefused(f"could not be reached ({type(error).__name__})") from None
        try:
            return Fetched(response.status_code, response.headers, await _read(response, max_bytes, whole=whole))
        except httpx2.HTTPError as error:
            raise OutboundRefused(f"broke off ({type(error).__name__})") from None
        finally:
            await response.aclose()

    async def _checked_address(self, url: str, asked: httpx2.URL) -> str:
        """An address of the host, after all of them were found public or are allowed."""
        if not self._private_allowed and (reason := check_public_url(url, self._allowed)):
            raise OutboundRefused(f"has an address that {reason}")
        port = asked.port or (443 if asked.scheme == "https" else 80)
        try:
            addresses = await self._resolve(asked.host, port)
        except OSError:
            addresses = []
        if not addresses:
            raise OutboundRefused("has a host that does not exist")
        trusted = self._private_allowed or self._allowed.has_host(asked.host)
        if not trusted and not all(map(self._may_be_reached, addresses)):
            raise OutboundRefused("has a host inside a private network")
        return addresses[0]

    def _may_be_reached(self, address: str) -> bool:
        return is_public_address(address) or self._allowed.has_address(address)


async def _read(response: httpx2.Response, max_bytes: int, *, whole: bool) -> bytes:
    """Up to `max_bytes` as sent (a compressed body would be one that nobody asked for); more is refused when the
    whole is wanted."""
    body = bytearray()
    async for chunk in response.aiter_raw(65_536):
        body += chunk
        if len(body) > max_bytes:
            if whole:
                raise OutboundRefused(f"is larger than {max_bytes // 1_000_000} MB")
            break
    return bytes(body[:max_bytes])
