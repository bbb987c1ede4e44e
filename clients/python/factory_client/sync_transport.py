"""Carries out a flow's effects with httpx.Client."""

import time
from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

from factory_client.calls import Answer, Body, Call, Effect, Flow, Give, Lost, Open, Pause, Read, Send, giving_its_end
from factory_client.connecting import CONNECT_S, Connection, answer_of

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class SyncTransport:
    """One connection pool, of ours or of the caller."""

    def __init__(self, url: str | None, api_key: str | None, http: "httpx.Client | None") -> None:
        import httpx

        self.connection = Connection(url, api_key, given_base_url=str(http.base_url) if http else None)
        self._http = http or httpx.Client(limits=httpx.Limits(max_connections=None))
        self._ours = http is None

    def run(self, flow: Flow[T]) -> T:
        """What the flow returns."""
        last: Any = None
        with closing(self.iterate(giving_its_end(flow))) as items:
            for item in items:
                last = item
        returned: T = last
        return returned

    def iterate(self, flow: Flow[Any]) -> Generator[Any, None, None]:
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
                    outcome = self._carry_out(effect, opened)
                except Lost as lost:
                    effect = flow.throw(lost)
                else:
                    effect = flow.send(outcome)
        except StopIteration:
            return
        finally:
            flow.close()
            opened.close()

    def close(self) -> None:
        if self._ours:
            self._http.close()

    def _carry_out(self, effect: Effect, opened: "_Opened") -> Any:
        import httpx

        try:
            match effect:
                case Pause(seconds):
                    time.sleep(seconds)
                case Send(call):
                    response = self._send(call)
                    try:
                        return answer_of(response, response.read())
                    finally:
                        response.close()
                case Open(call):
                    opened.close()
                    return opened.take(self._send(call))
                case Read():
                    return next(opened.pieces, None)
        except httpx.RequestError as error:
            raise Lost(self.connection.lost(error)) from error

    def _send(self, call: Call) -> "httpx.Response":
        import httpx

        request = self._http.build_request(
            call.method,
            self.connection.url(call),
            params=dict(call.query) or None,
            headers=self.connection.headers(call),
            content=call.body.chunks() if isinstance(call.body, Body) else call.body,
            timeout=httpx.Timeout(call.patience_s, connect=CONNECT_S),
        )
        return self._http.send(request, stream=True, follow_redirects=False)


class _Opened:
    """The response that a flow reads."""

    def __init__(self) -> None:
        self._response: httpx.Response | None = None

    def take(self, response: "httpx.Response") -> Answer:
        self._response = response
        self.pieces = response.iter_bytes()
        return answer_of(response, response.read() if response.status_code >= 300 else b"")

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
