"""The connections under the provider SDKs: shared, not lost, not kept for ever, and as many as there are calls."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

from adapters.lanes import Lanes
from tests.adapters.server import Asked, Reply, serving


class Server:
    """Answers every path after `pause_s`, keeps connections open, and knows which there are."""

    def __init__(self) -> None:
        self.pause_s = 0.0
        self.opened = 0
        self.open: set[asyncio.StreamWriter] = set()
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.open.add(writer)
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                if not await self._stays(reader):
                    break
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        self.open.discard(writer)
        writer.close()

    async def _stays(self, reader: asyncio.StreamReader) -> bool:
        """Does the caller wait for as long as the answer takes?"""
        try:
            async with asyncio.timeout(self.pause_s):
                await reader.read(1)
        except TimeoutError:
            return True
        return False

    async def has_open(self, number: int) -> None:
        """Until the server sees so many connections."""
        async with asyncio.timeout(5):
            while len(self.open) != number:
                await asyncio.sleep(0.005)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    listening = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield made
    for writer in list(made.open):
        writer.close()
    listening.close()
    await made.has_open(0)


def client(
    max_busy: int = 100, max_idle: int = 100, keep_idle_s: float = 60.0, pool_s: float = 5.0
) -> httpx2.AsyncClient:
    timeout = httpx2.Timeout(5.0, pool=pool_s)
    return httpx2.AsyncClient(transport=Lanes(max_busy, max_idle, keep_idle_s), timeout=timeout)


async def test_calls_one_after_another_share_a_connection(server: Server) -> None:
    async with client() as http:
        for _ in range(10):
            assert (await http.get(server.url)).text == "ok"
    assert server.opened == 1
    await server.has_open(0)


async def test_calls_at_once_have_connections_of_their_own_and_the_next_ones_take_them_over(server: Server) -> None:
    server.pause_s = 0.05
    async with client() as http:
        for _ in range(3):
            await asyncio.gather(*(http.get(server.url) for _ in range(20)))
        assert server.opened == 20


async def test_a_cancelled_call_closes_its_connection_and_no_other(server: Server) -> None:
    async with client() as http:
        await http.get(server.url)
        server.pause_s = 60
        waiting = [asyncio.create_task(http.get(server.url)) for _ in range(2)]
        await server.has_open(2)
        waiting[0].cancel()
        await server.has_open(1)
        assert [one.done() for one in waiting] == [True, False]
        server.pause_s = 0
        assert (await http.get(server.url)).text == "ok"
        waiting[1].cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_an_answer_nobody_reads_to_the_end_gives_its_place_back(server: Server) -> None:
    async with client(max_busy=1) as http:
        for _ in range(3):
            async with http.stream("GET", server.url) as answer:
                assert answer.status_code == 200


async def test_a_connection_that_the_server_closed_is_opened_anew(server: Server) -> None:
    async with client() as http:
        await http.get(server.url)
        for writer in server.open:
            writer.close()
        await server.has_open(0)
        assert (await http.get(server.url)).text == "ok"
    assert server.opened == 2


async def test_a_connection_that_rested_for_too_long_is_not_used_again(server: Server) -> None:
    async with client(keep_idle_s=0.05) as http:
        await http.get(server.url)
        await asyncio.sleep(0.06)
        assert (await http.get(server.url)).text == "ok"
        await server.has_open(1)
    assert server.opened == 2


async def test_no_more_connections_are_kept_than_wanted_nor_longer(server: Server) -> None:
    server.pause_s = 0.05
    async with client(max_idle=2) as http:
        await asyncio.gather(*(http.get(server.url) for _ in range(8)))
        await server.has_open(2)
    async with client(keep_idle_s=0.1) as http:
        await asyncio.gather(*(http.get(server.url) for _ in range(8)))
        await server.has_open(8)
        async with asyncio.timeout(5):
            while len(server.open) > 1:
                await http.get(server.url)


async def test_a_call_that_finds_no_place_says_so(server: Server) -> None:
    server.pause_s = 0.3
    async with client(max_busy=1, pool_s=0.05) as http:
        first = asyncio.create_task(http.get(server.url))
        await server.has_open(1)
        with pytest.raises(httpx2.PoolTimeout):
            await http.get(server.url)
        assert (await first).text == "ok"
        assert (await http.get(server.url)).text == "ok"


async def test_a_call_to_nowhere_takes_no_place_away() -> None:
    async with client(max_busy=1, pool_s=0.05) as http:
        for _ in range(3):
            with pytest.raises(httpx2.ConnectError):
                await http.get("http://127.0.0.1:9")


async def test_a_proxy_of_the_environment_is_used_except_where_it_is_not_wanted(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(f"{asked.headers['host']} by proxy".encode())

    async with serving(answer) as proxy, client() as http:
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert (await http.get("http://provider.example/v1")).text == "provider.example by proxy"
        assert (await http.get(server.url)).text == "ok"
