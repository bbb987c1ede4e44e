"""What stands before every path: the end of the process, texts that no path can use, HEAD and OPTIONS."""

import re
from urllib.parse import unquote_to_bytes

from fastapi import FastAPI
from fastapi.responses import Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import FactoryError, Problem, RequestRefused, ServiceUnavailable
from producer.api.events import farewell
from producer.api.openai.paths import is_openai_path
from producer.api.problems import methods_of, refusal
from producer.closing import Closing

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
READY, WAITS = "/readyz", "/v1/generate"


class Stopping(ServiceUnavailable):
    """This process is about to end."""

    code = "stopping"
    title = "This server is stopping; another one has the answer"
    retry_after_s = 1.0


class ClosingGate:
    """Once the process is about to end, it is not ready, who would wait goes elsewhere, and connections are not kept.
    What can be answered at once is: balancers take a while to look elsewhere."""

    def __init__(self, app: ASGIApp, closing: Closing) -> None:
        self._app = app
        self._closing = closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._closing.begun:
            await self._app(scope, receive, send)
        elif (answer := _sent_elsewhere(scope)) is not None:
            await answer(scope, receive, _and_close(send))
        else:
            await self._app(scope, receive, _and_close(send))


def _sent_elsewhere(scope: Scope) -> Response | None:
    path = scope["path"]
    # An EventSource comes again after the end of a stream, and never after a 503.
    if "text/event-stream" in Headers(scope=scope).get("accept", "") and not is_openai_path(path):
        return Response(farewell(), media_type="text/event-stream")
    return refusal(path, Stopping()) if path in (READY, WAITS) or is_openai_path(path) else None


def _and_close(send: Send) -> Send:
    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["connection"] = "close"
        await send(message)

    return closing


class Plausible:
    """Refuses an address that is not UTF-8 or has control characters in it: no path has a use for them, and Postgres
    cannot hold all of them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (fault := find_fault(scope)) is not None:
            await refusal(scope["path"], fault)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def find_fault(scope: Scope) -> FactoryError | None:
    """What is wrong with the address of a request."""
    pieces = [("the path", scope.get("raw_path") or scope["path"].encode("utf-8", "surrogatepass"))]
    for pair in scope["query_string"].split(b"&"):
        name, _, value = pair.partition(b"=")
        pieces += [("the query", name), (unquote_to_bytes(name).decode("utf-8", "replace"), value)]
    for where, piece in pieces:
        try:
            text = unquote_to_bytes(piece.replace(b"+", b" ")).decode("utf-8")
        except UnicodeDecodeError as error:
            return RequestRefused.of([Problem(f"this is not UTF-8 (byte {error.start})", CONTROL.sub("?", where))])
        if (found := CONTROL.search(text)) is not None:
            name = "NUL" if found[0] == "\0" else f"U+{ord(found[0]):04X}"
            said = f"control characters cannot be used here: {name} at place {found.start()}"
            return RequestRefused.of([Problem(said, CONTROL.sub("?", where))])
    return None


class Methods:
    """OPTIONS says what a path takes; HEAD is GET without its body."""

    def __init__(self, app: ASGIApp, api: FastAPI) -> None:
        self._app = app
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("OPTIONS", "HEAD"):
            await self._app(scope, receive, send)
            return
        methods = methods_of(self._api, scope)
        if scope["method"] == "OPTIONS" and methods:
            await Response(status_code=204, headers={"Allow": ", ".join(methods)})(scope, receive, send)
        elif scope["method"] == "HEAD" and "GET" in methods:
            await self._app({**scope, "method": "GET"}, *without_body(receive, send))
        else:
            await self._app(scope, receive, send)


def without_body(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """The answer ends with its headers; a stream is told that its reader has left."""
    ended = False

    async def send_head(message: Message) -> None:
        nonlocal ended
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            ended = True

    async def receive_end() -> Message:
        return {"type": "http.disconnect"} if ended else await receive()

    return receive_end, send_head
