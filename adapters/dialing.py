"""A connection to a host: over whichever of its addresses is there first. Imports httpx2, as `adapters/lanes.py`."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from itertools import chain, zip_longest
from typing import Any, TypeVar

import httpx2

_NEXT_ADDRESS_AFTER_S = 0.25

Spoken = TypeVar("Spoken", bound=asyncio.Protocol)
Connected = tuple[asyncio.Transport, Spoken]


async def dial(
    request: httpx2.Request, tls: Callable[[], ssl.SSLContext], speak: Callable[[], Spoken], within_s: float | None
) -> Spoken:
    """The protocol that `speak` gives, connected to where the request goes. Nothing of the request is sent.

    Raises httpx2's ConnectError, ConnectTimeout or UnsupportedProtocol.
    """
    url, loop = request.url, asyncio.get_running_loop()
    if url.scheme not in ("http", "https") or not url.host:
        raise httpx2.UnsupportedProtocol("A provider's address begins with http:// or https://")
    host, secured = url.raw_host.decode("ascii").strip("[]"), url.scheme == "https"
    named = request.extensions.get("sni_hostname") or host
    safety: dict[str, Any] = {"ssl": tls(), "server_hostname": named} if secured else {}

    async def connect(address: Any) -> Connected[Spoken]:
        (where, port, *_), family = address[4], address[0]
        return await loop.create_connection(speak, where, port, family=family, **safety)

    try:
        async with asyncio.timeout(within_s):
            port = url.port or (443 if secured else 80)
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            _, spoken = await _first(connect, _in_order(found))
            return spoken
    except TimeoutError:
        raise httpx2.ConnectTimeout("The address did not answer in time") from None
    except (OSError, UnicodeError) as error:
        raise httpx2.ConnectError(str(error)) from error


def _in_order(found: list[Any]) -> list[Any]:
    """IPv6 and IPv4 in turn."""
    six, four = ([one for one in found if (one[0] == socket.AF_INET6) is wanted] for wanted in (True, False))
    return [one for one in chain.from_iterable(zip_longest(six, four)) if one]


async def _first(connect: Callable[[Any], Awaitable[Connected[Spoken]]], addresses: list[Any]) -> Connected[Spoken]:
    """The next address is tried as soon as one fails, or has not answered for a quarter of a second (RFC 8305). Raises
    the last OSError when none is there."""
    if len(addresses) == 1:
        return await connect(addresses[0])
    failed = OSError("The host has no address")
    waiting = list(addresses)
    trying: set[asyncio.Future[Connected[Spoken]]] = set()
    try:
        while waiting or trying:
            if waiting:
                trying.add(asyncio.ensure_future(connect(waiting.pop(0))))
            pause_s = _NEXT_ADDRESS_AFTER_S if waiting else None
            done, _ = await asyncio.wait(trying, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                trying.remove(one)
                error = one.exception()
                if error is None:
                    return one.result()
                failed = error if isinstance(error, OSError) else OSError(str(error))
        raise failed
    finally:
        for one in trying:
            one.cancel()
            one.add_done_callback(_hang_up)


def _hang_up(late: "asyncio.Future[Connected[Spoken]]") -> None:
    """A connection that came after another was taken."""
    if not late.cancelled() and late.exception() is None:
        late.result()[0].abort()
