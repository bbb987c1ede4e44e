"""What may come over one connection to a provider, on both event loops: httptools reads it, and nothing is taken for an
answer that is none."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvloop

from adapters.lanes import Lanes
from adapters.sender import Sender

NewLoop = Callable[[], asyncio.AbstractEventLoop]
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
BIG = b"0123456789" * 200_000
OK = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"

READ = {
    "a length": (OK, b"ok"),
    "no body": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "chunks": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n4\r\nayay\r\n0\r\n\r\n", b"okayay"),
    "until the end": (b"HTTP/1.1 200 OK\r\n\r\nok", b"ok"),
    "hints before it": (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK, b"ok"),
    "one more than asked for": (
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n",
        b"ok",
    ),
    "more than is read ahead": (b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(BIG), BIG), BIG),
    "gzip": (
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%b"
        % (len(gzip.compress(BIG, mtime=0)), gzip.compress(BIG, mtime=0)),
        BIG,
    ),
}
REFUSED = {
    "nothing": b"",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a body cut off": b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok",
    "a chunk cut off": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nok",
    "a head cut off": b"HTTP/1.1 200 OK\r\ncontent-le",
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"x-more: and more\r\n" * 100_000,
}


@asynccontextmanager
async def answering(answer: bytes, heard: list[bytes] | None = None, tls: ssl.SSLContext | None = None) -> Any:
    """A server that gives this answer to whatever comes, and hangs up. Yields its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            came = await reader.read(100_000)
            if heard is not None:
                heard.append(came)
            writer.write(answer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def sending(read_s: float = 5.0) -> AsyncIterator[Sender]:
    async with Sender(Lanes(10, 10), httpx2.Timeout(5.0, read=read_s)) as http:
        yield http


def run(new_loop: NewLoop, told: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(told)


@pytest.mark.parametrize("new_loop", LOOPS)
def test_answers_are_read_as_they_were_sent(new_loop: NewLoop) -> None:
    async def told() -> None:
        for what, (answer, body) in READ.items():
            async with answering(answer) as port, sending() as http:
                assert (await http.get(f"http://127.0.0.1:{port}/")).content == body, what
            async with (
                answering(answer) as port,
                sending() as http,
                http.stream("GET", f"http://127.0.0.1:{port}/") as response,
            ):
                assert b"".join([part async for part in response.aiter_bytes()]) == body, what

    run(new_loop, told())


@pytest.mark.parametrize("new_loop", LOOPS)
def test_what_is_no_whole_answer_is_an_error(new_loop: NewLoop) -> None:
    async def told() -> None:
        for what, answer in REFUSED.items():
            async with answering(answer) as port, sending() as http:
                with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadError)) as caught:
                    await http.get(f"http://127.0.0.1:{port}/{what}")
                assert caught.value.request.url.port == port

    run(new_loop, told())


@pytest.mark.parametrize("new_loop", LOOPS)
@pytest.mark.parametrize("length", [b"content-length: 9\r\n", b""])
def test_a_body_that_stops_coming_is_no_answer(new_loop: NewLoop, length: bytes) -> None:
    """Neither when it is out of time nor when the pool is closed under it, although its end is the connection's."""

    async def told() -> None:
        began = asyncio.Event()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\n%b\r\nok" % length)
                began.set()
                await reader.read()
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with server:
            async with sending(read_s=0.1) as http:
                with pytest.raises(httpx2.ReadTimeout):
                    await http.get(url)
            began.clear()
            async with sending() as http:
                asked = asyncio.ensure_future(http.get(url))
                await began.wait()
            with pytest.raises(httpx2.ReadError):
                await asked

    run(new_loop, told())


async def test_what_is_sent_is_what_was_meant() -> None:
    heard: list[bytes] = []
    async with answering(OK, heard) as port, sending() as http:
        url = f"http://127.0.0.1:{port}/v1/%C3%A9?a=b"
        with pytest.raises(httpx2.LocalProtocolError) as caught:
            await http.post(url, content=b"x", headers={"Authorization": "Bearer secret\r\nX-Other: 1"})
        assert "secret" not in str(caught.value)
        assert heard == []

        async def pieces() -> AsyncIterator[bytes]:
            yield b"in "
            yield b"pieces"

        await http.post(url, content=pieces())
        head, _, body = heard[0].partition(b"\r\n\r\n")
        assert head.startswith(b"POST /v1/%C3%A9?a=b HTTP/1.1\r\n")
        assert body == b"9\r\nin pieces\r\n0\r\n\r\n"
        named = url.replace("//", "//me:you@")
        await http.post(named, content=b"whole", headers=[("accept", "text/plain"), ("x-a", "1")])
        head, _, body = heard[1].partition(b"\r\n\r\n")
        assert body == b"whole"
        lines = head.lower().split(b"\r\n")
        assert {b"accept: text/plain", b"content-length: 5", b"authorization: basic bwu6ew91"} <= set(lines)
        assert sum(line.startswith(b"accept:") for line in lines) == 1


async def test_neither_cookies_nor_redirects_are_followed() -> None:
    moved = b"HTTP/1.1 302 No\r\nconnection: close\r\nlocation: /x\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n"
    heard: list[bytes] = []
    async with answering(moved, heard) as port, sending() as http:
        for _ in range(2):
            assert (await http.get(f"http://127.0.0.1:{port}/", follow_redirects=True)).status_code == 302
    assert len(heard) == 2
    assert b"cookie" not in heard[1].lower()


async def test_an_address_that_refuses_is_no_end_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    look_up = loop.getaddrinfo

    async def find(host: str, port: int, **more: Any) -> Any:
        where = ("127.0.0.2", "127.0.0.1") if host == "provider.example" else (host,)
        return [one for name in where for one in await look_up(name, port, **more)]

    monkeypatch.setattr(loop, "getaddrinfo", find)
    async with answering(OK) as port, sending() as http:
        assert (await http.get(f"http://provider.example:{port}/")).text == "ok"
    async with sending() as http:
        with pytest.raises(httpx2.ConnectError):
            await http.get("http://provider.example:9/")
        with pytest.raises(httpx2.UnsupportedProtocol):
            await http.get("ftp://provider.example/")


@pytest.mark.parametrize("new_loop", LOOPS)
def test_only_a_certificate_that_the_system_trusts_is_spoken_to(
    new_loop: NewLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(ssl.SSLContext, "load_verify_locations")  # which tests are spared, see tests/conftest.py
    pem = _certificate(tmp_path / "server.pem", "127.0.0.1")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    heard: list[bytes] = []

    async def told() -> None:
        async with answering(OK, heard, tls) as port:
            async with sending() as http:
                with pytest.raises(httpx2.ConnectError):
                    await http.get(f"https://127.0.0.1:{port}/")
            monkeypatch.setenv("SSL_CERT_FILE", str(pem))
            async with sending() as http:
                assert (await http.get(f"https://127.0.0.1:{port}/")).text == "ok"
                assert (await http.get(f"https://127.0.0.1:{port}/")).text == "ok"
                with pytest.raises(httpx2.ConnectError):  # the name is not in it
                    await http.get(f"https://localhost:{port}/")
        assert sum(b"GET / HTTP/1.1" in one for one in heard) == 2

    run(new_loop, told())


def _certificate(path: Path, address: str) -> Path:
    """Key and certificate of a server that vouches for itself."""
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "provider")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    key_pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(key_pem + made.public_bytes(serialization.Encoding.PEM))
    return path
