"""What is left of a project's limits, in the headers of every answer that looked at them."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from producer.limiting import SHOWN


class LimitHeaders:
    """Under every path, so that no endpoint has to think of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        shown: dict[str, str] = {}

        async def send_with_headers(message: Message) -> None:
            if shown and message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(shown)
            await send(message)

        token = SHOWN.set(shown)
        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            SHOWN.reset(token)
