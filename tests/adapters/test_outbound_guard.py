"""Requests to addresses that callers name: they reach the open internet, and nothing inside."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from adapters.outbound import Outbound, OutboundRefused, resolve_host

Answer = Callable[[str, str, bytes], tuple[str, dict[str, str], bytes]]


@asynccontextmanager
async def serving(answer: Answer, *, pause_s: float = 0.0) -> AsyncIterator[int]:
    """A web server of a few lines on 127.0.0.1; `answer` takes path, host header and body. Yields its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        status, more, content = answer(lines[0].split()[1], headers["host"], body)
        await asyncio.sleep(pause_s)
        more = {"content-length": str(len(content)), "connection": "close", **more}
        shown = "".join(f"{name}: {value}\r\n" for name, value in more.items())
        writer.write(f"HTTP/1.1 {status}\r\n{shown}\r\n".encode() + content)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def resolving(**hosts: str) -> Callable[[str, int], Awaitable[list[str]]]:
    """A resolver that knows these hosts, `_` standing for a dot."""

    async def resolve(host: str, _port: int) -> list[str]:
        if (found := hosts.get(host.replace(".", "_"))) is None:
            raise OSError
        return found.split()

    return resolve


async def test_the_checked_address_is_the_one_connected_to_and_the_host_keeps_its_name() -> None:
    seen: list[str] = []

    def answer(path: str, host: str, _body: bytes) -> tuple[str, dict[str, str], bytes]:
        seen.append(f"{host}{path}")
        return "200 OK", {"content-type": "image/png"}, b"picture"

    async with (
        serving(answer) as port,
        Outbound(private_allowed=True, resolve=resolving(pictures_example_org="127.0.0.1")) as outbound,
    ):
        fetched = await outbound.fetch(f"http://pictures.example.org:{port}/a?b=c", max_bytes=100, timeout_s=5)
    assert (fetched.status, fetched.body) == (200, b"picture")
    assert seen == [f"pictures.example.org:{port}/a?b=c"]


@pytest.mark.parametrize("addresses", ["10.0.0.7", "93.184.216.34 10.0.0.7", "::1", "::ffff:169.254.169.254"])
async def test_a_name_that_leads_inside_is_refused(addresses: str) -> None:
    async with Outbound(resolve=resolving(rebind_example_org=addresses)) as outbound:
        with pytest.raises(OutboundRefused, match="inside a private network"):
            await outbound.fetch("http://rebind.example.org/", max_bytes=100, timeout_s=5)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://localhost/", "http://0x7f.1/", "gopher://example.org/"])
async def test_an_address_that_says_it_itself_is_refused_unresolved(url: str) -> None:
    async with Outbound(resolve=resolving()) as outbound:
        with pytest.raises(OutboundRefused, match="has an address that"):
            await outbound.post(url, content=b"{}", headers={}, timeout_s=5)


async def test_a_host_that_does_not_exist_is_refused() -> None:
    async with Outbound(resolve=resolving()) as outbound:
        with pytest.raises(OutboundRefused, match="does not exist"):
            await outbound.fetch("http://nowhere.example.org/", max_bytes=100, timeout_s=5)


async def test_a_redirect_is_checked_like_the_first_address() -> None:
    hosts = resolving(good_example_org="93.184.216.34", bad_example_org="127.0.0.1")
    async with Outbound(resolve=hosts) as outbound:
        with pytest.raises(OutboundRefused, match="inside a private network"):
            await outbound.fetch("http://bad.example.org/", max_bytes=100, timeout_s=5)

    def answer(path: str, _host: str, _body: bytes) -> tuple[str, dict[str, str], bytes]:
        return ("302 Found", {"location": "/there"}, b"") if path == "/here" else ("200 OK", {}, b"done")

    async with serving(answer) as port, Outbound(private_allowed=True) as outbound:
        fetched = await outbound.fetch(f"http://127.0.0.1:{port}/here", max_bytes=100, timeout_s=5)
    assert fetched.body == b"done"


async def test_a_redirect_into_the_network_is_refused() -> None:
    """The first address is let through by its name, the second is judged by what it is."""

    def answer(_path: str, _host: str, _body: bytes) -> tuple[str, dict[str, str], bytes]:
        return "302 Found", {"location": "http://169.254.169.254/latest/meta-data/"}, b""

    class FirstStepFree(Outbound):
        async def _checked_address(self, url: str, asked: object) -> str:
            if "good.example.org" in url:
                return "127.0.0.1"
            return await super()._checked_address(url, asked)  # type: ignore[arg-type]

    async with serving(answer) as port, FirstStepFree() as outbound:
        with pytest.raises(OutboundRefused, match="private or reserved"):
            await outbound.fetch(f"http://good.example.org:{port}/", max_bytes=100, timeout_s=5)


async def test_a_chain_of_redirects_ends() -> None:
    def answer(path: str, _host: str, _body: bytes) -> tuple[str, dict[str, str], bytes]:
        return "302 Found", {"location": path + "x"}, b""

    async with serving(answer) as port, Outbound(private_allowed=True) as outbound:
        with pytest.raises(OutboundRefused, match="more than 3 times"):
            await outbound.fetch(f"http://127.0.0.1:{port}/", max_bytes=100, timeout_s=5)


async def test_a_body_that_is_too_large_is_refused_and_a_posts_answer_cut() -> None:
    def answer(_path: str, _host: str, body: bytes) -> tuple[str, dict[str, str], bytes]:
        return "200 OK", {}, b"x" * 3_000_000 if not body else body * 10_000

    async with serving(answer) as port, Outbound(private_allowed=True) as outbound:
        url = f"http://127.0.0.1:{port}/"
        with pytest.raises(OutboundRefused, match="larger than 2 MB"):
            await outbound.fetch(url, max_bytes=2_000_000, timeout_s=5)
        posted = await outbound.post(url, content=b"hook", headers={"x-a": "b"}, timeout_s=5, max_answer_bytes=8)
    assert posted.body == b"hookhook"


async def test_a_post_does_not_follow_a_redirect() -> None:
    def answer(_path: str, _host: str, _body: bytes) -> tuple[str, dict[str, str], bytes]:
        return "307 Temporary Redirect", {"location": "http://169.254.169.254/"}, b""

    async with serving(answer) as port, Outbound(private_allowed=True) as outbound:
        posted = await outbound.post(f"http://127.0.0.1:{port}/", content=b"{}", headers={}, timeout_s=5)
    assert posted.status == 307


async def test_a_slow_server_is_given_up() -> None:
    def answer(_path: str, _host: str, _body: bytes) -> tuple[str, dict[str, str], bytes]:
        return "200 OK", {}, b"late"

    async with serving(answer, pause_s=5) as port, Outbound(private_allowed=True) as outbound:
        with pytest.raises(OutboundRefused, match=r"within 0\.1 s|could not be reached"):
            await outbound.fetch(f"http://127.0.0.1:{port}/", max_bytes=100, timeout_s=0.1)


async def test_a_server_that_is_not_there_is_named_as_such() -> None:
    async with Outbound(private_allowed=True) as outbound:
        with pytest.raises(OutboundRefused, match="could not be reached"):
            await outbound.fetch("http://127.0.0.1:9/", max_bytes=100, timeout_s=5)
    assert "127.0.0.1" in await resolve_host("127.0.0.1", 80)
