"""A span for every request that may make a job; only there where traces are on."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.tracing import Tracing


class Traced:
    """Posts alone: reading makes no trace. Named after the route, whose parameters stay out of it."""

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        with self._tracing.request("POST", Headers(scope=scope).get("traceparent")) as span:

            async def send_told(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set(http__response__status_code=message["status"])
                    if message["status"] >= 500:
                        span.failed(str(message["status"]))
                await send(message)

            await self._app(scope, receive, send_told)
            route = getattr(scope.get("route"), "path", None)
            if route:
                span.set(http__route=route)
                span.rename(f"POST {route}")
