"""uvicorn, with an end in two steps and limits on what comes before the application: headers and their time."""

import asyncio
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from core.logging import get_logger
from core.settings import Settings
from producer.api.problems import problem
from producer.closing import Closing

MOST_HEADER_BYTES = 65_536
MOST_HEADERS = 200


def config_of(settings: Settings, app: ASGIApp) -> uvicorn.Config:
    """How the API listens."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=type("Bounded", (Bounded,), {"header_timeout_s": settings.header_timeout_s}),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=settings.grace_s,
        server_header=False,
        backlog=4096,
    )


class ApiServer(uvicorn.Server):
    """At a signal, first `notice_s` during which `/readyz` says no and requests are sent elsewhere, so that balancers
    take note; then it stops listening and ends within its grace period. A second signal ends the notice."""

    def __init__(self, config: uvicorn.Config, closing: Closing, notice_s: float) -> None:
        super().__init__(config)
        self._closing = closing
        self._notice_s = notice_s
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: Any = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._loop is None or self._closing.begun:
            super().handle_exit(sig, frame)
            return
        self._captured_signals.append(sig)
        self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        assert self._loop is not None
        get_logger(__name__).info("api stopping", notice_s=self._notice_s)
        self._closing.begin()
        self._loop.call_later(self._notice_s, self._exit)

    def _exit(self) -> None:
        self.should_exit = True


class Bounded(HttpToolsProtocol):
    """Refuses too many headers while they come, and does not wait for them for ever."""

    header_timeout_s = 20.0
    _size = 0
    _pending = 0  # bytes of headers that are not whole yet: the parser keeps them
    _begun = False
    _refused = False
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._patience is not None:
            self._pending += len(data)
        super().data_received(data)
        if self._patience is not None and self._pending > MOST_HEADER_BYTES:
            self._refuse_size()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._size, self._begun = 0, True
        self._await_headers()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._refused:
            return
        super().on_header(name, value)
        self._count(len(name) + len(value) + 4)

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        self._pending = 0
        if not self._refused:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._refused:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        if not self._refused:
            self._refuse(400, "invalid_http", "This is not HTTP", f"{msg} The server could not read it.")

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > MOST_HEADER_BYTES or len(self.headers) > MOST_HEADERS:
            self._refuse_size()

    def _refuse_size(self) -> None:
        detail = f"the address and the headers have more than {MOST_HEADER_BYTES} bytes, or {MOST_HEADERS} lines"
        self._refuse(431, "headers_too_large", "The headers are larger than this server accepts", detail)

    def _await_headers(self) -> None:
        self._stop_waiting()
        self._patience = self.loop.call_later(self.header_timeout_s, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if not self._begun:  # not a byte came
            self.transport.close()
        else:
            detail = f"the headers did not come within {self.header_timeout_s:g} s"
            self._refuse(408, "request_timeout", "The request did not come in time", detail)

    def _refuse(self, status: int, code: str, title: str, detail: str) -> None:
        if self._refused:
            return
        self._refused = True
        self._stop_waiting()
        answer = problem(status, code, title, detail, headers={"connection": "close"})
        lines = [STATUS_LINE[status], *(b"%s: %s\r\n" % pair for pair in answer.raw_headers), b"\r\n"]
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(b"".join([*lines, bytes(answer.body)]))
        self.transport.close()
