"""Every request has an id: the caller's `x-request-id` if it is sane, else a new one. It is in the answer, in every
problem document and in every log line of the request."""

import re
from contextvars import ContextVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.ids import new_id
from core.logging import lines_about

SANE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)


class RequestIds:
    """Around everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if SANE.fullmatch(given) else f"req_{new_id().hex}"

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        scope.setdefault("state", {})["request_id"] = request_id  # for what is answered outside, a fault of ours
        token = REQUEST_ID.set(request_id)
        try:
            with lines_about(request_id=request_id):
                await self._app(scope, receive, send_with_id)
        finally:
            REQUEST_ID.reset(token)
