"""Conformance: answers that take long. What may become long is streamed where the provider wants it so, and looks like
any other; what stops in the middle is left in time, with its connection closed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from adapters.pool import ProviderPool
from adapters.registry import HANDLERS, load_handler
from core.jsonio import dump_json
from core.provider import ErrorKind, ProviderError
from tests.adapters.calls import make_call
from tests.adapters.conftest import Providers
from tests.adapters.server import Reply, serving
from tests.adapters.suite import ALL, MODELS, PARAMETERS, STORY, TEXT, WEATHER, ask, fail, faulty

LONG = 60_000
STREAMED = {"google.generate_content", "anthropic.messages"}
SHAPE = {"type": "json_schema", "json_schema": {"schema": STORY}}
FRAMES = {
    "google.generate_content": b'data: {"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"a"}]}}]}\n\n',
    "anthropic.messages": b'event: ping\ndata: {"type":"ping"}\n\n',
}


@pytest.mark.parametrize("handler", TEXT)
async def test_an_answer_that_may_become_long_is_like_any_other(providers: Providers, handler: str) -> None:
    for asked in (
        {"prompt": "Tell me everything of the sea.", "reasoning_effort": "low"},
        {"prompt": "Tell me of Skagen.", "response_format": SHAPE},
        {"prompt": "look_at_weather", "tools": [WEATHER]},
    ):
        short = await ask(providers, handler, max_output_tokens=5000, **asked)
        long = await ask(providers, handler, max_output_tokens=LONG, **asked)
        assert replace(short, request_id=None) == replace(long, request_id=None)
        assert long.request_id
        assert long.usage.completion_tokens > 0


@pytest.mark.parametrize("handler", TEXT)
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("429", "rate_limited"),
        ("503", "overloaded"),
        ("context", "context_length"),
        ("refusal", "content_policy"),
        ("empty", "invalid_response"),
        ("cut", "connection"),
    ],
)
async def test_what_fails_while_it_is_long_fails_like_anything_else(
    providers: Providers, handler: str, fault: str, kind: str
) -> None:
    error = await fail(providers, handler, model_id=faulty(handler, fault), max_output_tokens=LONG)
    assert error.kind is ErrorKind(kind)
    assert error.retry_after_s == (2.0 if fault == "429" else None)
    cut = await ask(providers, handler, model_id=faulty(handler, "truncated"), max_output_tokens=LONG)
    assert cut.finish_reason == "length"


async def path_of(providers: Providers, most: int | None = None, **fields: Any) -> str:
    """Where a call goes to a model that gives at `most` so many tokens."""
    handler = "google.generate_content"
    call = make_call(handler, base_url=providers.base_url(handler), model_id="gemini-4-argon", **fields)
    await providers.call(replace(call, model=replace(call.model, max_output_tokens=most)))
    path: str = (await providers.seen(call.call_id))["path"]
    return path.rpartition(":")[2]


async def test_gemini_streams_what_it_would_not_give_in_one_piece(providers: Providers) -> None:
    whole, streamed = "generateContent", "streamGenerateContent"
    assert await path_of(providers) == whole
    assert await path_of(providers, max_output_tokens=32_768) == whole
    assert await path_of(providers, max_output_tokens=32_769) == streamed
    bounded = {"parameters": {"streamed_above": 32_768}}
    assert await path_of(providers, 65_536) == whole, "of which nothing is known but its limit"
    assert await path_of(providers, 65_536, **bounded) == streamed
    assert await path_of(providers, 65_536, **bounded, max_output_tokens=5000) == whole


@pytest.mark.parametrize(
    ("frames", "kind"),
    [
        ([], "connection"),
        ([{"candidates": [{"content": {"parts": [{"text": "Ahoy"}]}}]}], "connection"),
        ([{"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}], "content_policy"),
        ([{"candidates": [{"finishReason": "SAFETY"}]}], "content_policy"),
        ([{"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}], "overloaded"),
        ([b"{garbled"], "invalid_response"),
    ],
)
async def test_a_stream_of_geminis_that_comes_to_no_end_says_why(frames: list[Any], kind: str) -> None:
    body = b"".join(b"data: " + (one if isinstance(one, bytes) else dump_json(one)) + b"\n\n" for one in frames)
    reply = Reply(body, headers={"content-type": "text/event-stream"})
    async with serving(lambda _: reply) as url, ProviderPool() as pool:
        handler = "google.generate_content"
        call = make_call(handler, base_url=url, model_id="gemini-3.8-flash", max_output_tokens=LONG)
        with pytest.raises(ProviderError) as caught:
            await load_handler(handler, pool)(call)
    assert caught.value.kind is ErrorKind(kind)


@asynccontextmanager
async def stalling(beginning: bytes, media_type: str) -> AsyncIterator[tuple[str, asyncio.Event, asyncio.Event]]:
    """A server that begins an answer and says no more: its URL, when it began, and when the caller was gone."""
    began, gone = asyncio.Event(), asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head.encode() + f"{len(beginning):x}\r\n".encode() + beginning + b"\r\n")
        await writer.drain()
        began.set()
        while await reader.read(65_536):
            pass
        gone.set()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", began, gone


CASES = [(handler, False) for handler in ALL] + [(handler, True) for handler in sorted(STREAMED)]


def beginning_of(handler: str, *, streamed: bool) -> tuple[bytes, str]:
    if streamed:
        return FRAMES[handler], "text/event-stream"
    return (b"\0" * 100, "audio/mpeg") if HANDLERS[handler].kind == "speech" else (b'{"id":', "application/json")


@pytest.mark.parametrize(("handler", "streamed"), CASES)
@pytest.mark.parametrize("how", ["late", "cancelled"])
async def test_an_answer_that_stops_in_the_middle_is_left_and_its_connection_closed(
    handler: str, streamed: bool, how: str
) -> None:
    limit: dict[str, Any] = {"max_output_tokens": LONG} if streamed else {}
    async with (
        stalling(*beginning_of(handler, streamed=streamed)) as (url, began, gone),
        ProviderPool() as pool,
        asyncio.timeout(20),
    ):
        fields = {"model_id": MODELS[handler], "parameters": PARAMETERS.get(handler, {}), **limit}
        ask_it = load_handler(handler, pool)
        with pytest.raises(ProviderError, match="No connection"):  # by then the SDK is loaded, which takes its time
            await ask_it(make_call(handler, **fields))
        call = make_call(handler, base_url=url, timeout_s=0.5 if how == "late" else 60.0, **fields)
        task = asyncio.ensure_future(ask_it(call))
        await began.wait()
        if how == "cancelled":
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            with pytest.raises(ProviderError) as caught:
                await task
            assert caught.value.kind is ErrorKind.timeout
            assert caught.value.usage is None, "nobody knows what it cost"
        await gone.wait()
