"""Carries out a flow's effects with httpx.AsyncClient."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from factory_client.calls import Answer, Body, Call, Effect, Flow, Give, Lost, Open, Pause, Read, Send, giving_its_end
from factory_client.connecting import CONNECT_S, Connection, answer_of

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class AsyncTransport:
    """One connection pool, of ours or of the caller."""

    def __init__(self, url: str | None, api_key: str | None, http: "httpx.AsyncClient | None") -> None:
        import httpx

        self.connection = Connection(url, api_key, given_base_url=str(http.base_url) if http else None)
        self._http = http or httpx.AsyncClient(limits=httpx.Limits(max_connections=None))
        self._ours = http is None

    async def run(self, flow: Flow[T]) -> T:
        """What the flow returns."""
        last: Any = None
        async with aclosing(self.iterate(giving_its_end(flow))) as items:
            async for item in items:
                last = item
        returned: T = last
        return returned

    async def iterate(self, flow: Flow[Any]) -> AsyncGenerator[Any, None]:
        """What the flow gives."""
        opened = _Opened()
        try:
            effect = next(flow)
            while True:
                if isinstance(effect, Give):
                    yield effect.item
                    effect = flow.send(None)
                    continue
                try:
                    outcome = await self._carry_out(effect, opened)
                except Lost as lost:
                    effect = flow.throw(lost)
                else:
                    effect = flow.send(outcome)
        except StopIteration:
            return
        finally:
            flow.close()
            await opened.aclose()

    async def aclose(self) -> None:
        if self._ours:
            await self._http.aclose()

    async def _carry_out(self, effect: Effect, opened: "_Opened") -> Any:
        import asyncio

        import httpx

        try:
            match effect:
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                case Send(call):
                    response = await self._send(call)
                    try:
                        return answer_of(response, await response.aread())
                    finally:
                        await response.aclose()
                case Open(call):
                    await opened.aclose()
                    return await opened.take(await self._send(call))
                case Read():
                    return await anext(opened.pieces, None)
        except httpx.RequestError as error:
            raise Lost(self.connection.lost(error)) from error

    async def _send(self, call: Call) -> "httpx.Response":
        import httpx

        request = self._http.build_request(
            call.method,
            self.connection.url(call),
            params=dict(call.query) or None,
            headers=self.connection.headers(call),
            content=_chunks(call.body) if isinstance(call.body, Body) else call.body,
            timeout=httpx.Timeout(call.patience_s, connect=CONNECT_S),
        )
        return await self._http.send(request, stream=True, follow_redirects=False)


class _Opened:
    """The response that a flow reads."""

    def __init__(self) -> None:
        self._response: httpx.Response | None = None

    async def take(self, response: "httpx.Response") -> Answer:
        self._response = response
        self.pieces = response.aiter_bytes()
        return answer_of(response, await response.aread() if response.status_code >= 300 else b"")

    async def aclose(self) -> None:
        if self._response is not None:
            await self._response.aclose()


async def _chunks(body: Body) -> AsyncIterator[bytes]:
    for chunk in body.chunks():
        yield chunk
