"""Conformance: what is in an answer's body means the same, whoever sent it: its end, its tokens, an error in its place.

Bodies are written down here as each API sends them, and read through the real SDKs. A handler of text that has none
here is skipped, and told in tests of its own.
"""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from adapters.pool import ProviderPool
from adapters.registry import load_handler
from core.catalog import Price
from core.jsonio import dump_json
from core.pricing import price_usage
from core.provider import ErrorKind, ProviderAnswer, ProviderError
from core.result import Usage
from tests.adapters.calls import make_call
from tests.adapters.conftest import Providers
from tests.adapters.server import Reply, serving
from tests.adapters.suite import ALL, MODELS, TEXT, ask

SAID = "The lamp went out."


def chat(end: str) -> dict[str, Any]:
    usage = {
        "prompt_tokens": 100, "completion_tokens": 30, "total_tokens": 130,
        "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 12},
    }  # fmt: skip
    message = {"role": "assistant", "content": SAID, "refusal": None}
    choice = {"index": 0, "finish_reason": end, "message": message}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "ran-this",
        "choices": [choice],
        "usage": usage,
    }


def responses(end: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": SAID, "annotations": []}
    message = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [part]}
    usage = {
        "input_tokens": 100, "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10},
        "output_tokens": 30, "output_tokens_details": {"reasoning_tokens": 12}, "total_tokens": 130,
    }  # fmt: skip
    status, _, reason = end.partition(" ")
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "model": "ran-this", "status": status, "error": None,
        "incomplete_details": {"reason": reason} if reason else None, "output": [message], "usage": usage,
    }  # fmt: skip


def gemini(end: str) -> dict[str, Any]:
    content = {"role": "model", "parts": [{"text": "Let me think.", "thought": True}, {"text": SAID}]}
    usage = {
        "promptTokenCount": 100, "cachedContentTokenCount": 40, "candidatesTokenCount": 18, "thoughtsTokenCount": 12,
        "totalTokenCount": 130,
    }  # fmt: skip
    candidate = {"index": 0, "content": content, "finishReason": end}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "ran-this", "responseId": "r1"}


def claude(end: str) -> dict[str, Any]:
    usage = {
        "input_tokens": 50, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 10,
        "cache_creation": {"ephemeral_5m_input_tokens": 6, "ephemeral_1h_input_tokens": 4},
        "output_tokens": 30, "output_tokens_details": {"thinking_tokens": 12},
    }  # fmt: skip
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": SAID}]
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "ran-this", "content": blocks,
        "stop_reason": end, "stop_details": None, "usage": usage,
    }  # fmt: skip


def mistral(end: str) -> dict[str, Any]:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Let me think."}]}
    message = {"role": "assistant", "content": [thought, {"type": "text", "text": SAID}], "tool_calls": None}
    usage = {
        "prompt_tokens": 100, "completion_tokens": 30, "total_tokens": 130,
        "prompt_tokens_details": {"cached_tokens": 40},
    }  # fmt: skip
    choice = {"index": 0, "finish_reason": end, "message": message}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "ran-this",
        "choices": [choice],
        "usage": usage,
    }


WRITERS = {
    "openai.chat_completions": (chat, "stop"),
    "openai.responses": (responses, "completed"),
    "google.generate_content": (gemini, "STOP"),
    "anthropic.messages": (claude, "end_turn"),
    "mistral.chat": (mistral, "stop"),
}
ENDS: dict[str, dict[str, str]] = {
    "openai.chat_completions": {"stop": "stop", "length": "length", "content_filter": "content_policy"},
    "openai.responses": {
        "completed": "stop",
        "incomplete max_output_tokens": "length",
        "incomplete content_filter": "content_policy",
        "failed": "server_error",
        "cancelled": "invalid_response",
        "queued": "invalid_response",
        "in_progress": "invalid_response",
    },
    "google.generate_content": {
        "STOP": "stop",
        "MAX_TOKENS": "length",
        "CONTINUATION": "length",
        **dict.fromkeys(
            "SAFETY RECITATION BLOCKLIST PROHIBITED_CONTENT SPII MODEL_ARMOR IMAGE_SAFETY IMAGE_PROHIBITED_CONTENT "
            "IMAGE_RECITATION".split(),
            "content_policy",
        ),
        **dict.fromkeys(
            "LANGUAGE OTHER MALFORMED_FUNCTION_CALL NO_IMAGE UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS "
            "MISSING_THOUGHT_SIGNATURE MALFORMED_RESPONSE IMAGE_OTHER NEVER_HEARD_OF".split(),
            "invalid_response",
        ),
    },
    "anthropic.messages": {
        "end_turn": "stop",
        "stop_sequence": "stop",
        "max_tokens": "length",
        "refusal": "content_policy",
        "model_context_window_exceeded": "context_length",
        "pause_turn": "invalid_response",
    },
    "mistral.chat": {"stop": "stop", "length": "length", "model_length": "length", "error": "invalid_response"},
}
INCLUSIVE = Usage(100, 30, cached_tokens=40, cache_write_tokens=10, reasoning_tokens=12)
USAGES = {
    "google.generate_content": Usage(100, 30, cached_tokens=40, reasoning_tokens=12),
    "anthropic.messages": Usage(
        100, 30, cached_tokens=40, cache_write_tokens=10, cache_write_1h_tokens=4, reasoning_tokens=12
    ),
    "mistral.chat": Usage(100, 30, cached_tokens=40),
}
PRICE = Price(
    "p", "m", datetime(2026, 1, 1, tzinfo=UTC),
    input_usd_per_mtok=Decimal(4), output_usd_per_mtok=Decimal(20), cached_input_usd_per_mtok=Decimal("0.2"),
    cache_write_usd_per_mtok=Decimal(5), cache_write_1h_usd_per_mtok=Decimal(8),
)  # fmt: skip
# As the providers' own formulas have it, in millionths of a dollar.
COSTS = {
    "openai.chat_completions": (100 - 40 - 10) * 4 + 40 * Decimal("0.2") + 10 * 5 + 30 * 20,
    "openai.responses": (100 - 40 - 10) * 4 + 40 * Decimal("0.2") + 10 * 5 + 30 * 20,
    "google.generate_content": (100 - 40) * 4 + 40 * Decimal("0.2") + (18 + 12) * 20,
    "anthropic.messages": 50 * 4 + 40 * Decimal("0.2") + 6 * 5 + 4 * 8 + 30 * 20,
    "mistral.chat": (100 - 40) * 4 + 40 * Decimal("0.2") + 30 * 20,
}


@pytest.fixture
async def pool() -> AsyncIterator[ProviderPool]:
    async with ProviderPool() as opened:
        yield opened


def written_by(handler: str, end: str | None = None) -> dict[str, Any]:
    """The handler's answer, which came to this end; to its usual one without."""
    if handler not in WRITERS:
        pytest.skip(f"what {handler} answers is told in tests of its own")
    write, usual = WRITERS[handler]
    return write(end or usual)


async def answered(pool: ProviderPool, handler: str, body: Any, **fields: Any) -> ProviderAnswer:
    names = {"x-request-id": "req_1", "request-id": "req_1", "content-type": "application/json"}
    async with serving(lambda _: Reply(dump_json(body), headers=names)) as url:
        call = make_call(handler, base_url=f"{url}/v1", model_id=MODELS[handler], **fields)
        return await load_handler(handler, pool)(call)


async def failed(pool: ProviderPool, handler: str, body: Any, **fields: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await answered(pool, handler, body, **fields)
    return caught.value


@pytest.mark.filterwarnings("ignore:NEVER_HEARD_OF is not a valid FinishReason")
@pytest.mark.parametrize(
    ("handler", "end"), [(handler, end) for handler in TEXT for end in ENDS.get(handler, {"": ""})]
)
async def test_every_end_of_an_answer_is_known(pool: ProviderPool, handler: str, end: str) -> None:
    body = written_by(handler, end)
    meaning = ENDS[handler][end]
    if meaning in ("stop", "length"):
        answer = await answered(pool, handler, body)
        assert (answer.finish_reason, answer.content) == (meaning, SAID)
        return
    error = await failed(pool, handler, body)
    assert error.kind is ErrorKind(meaning)
    assert error.status == 200
    assert error.usage == USAGES.get(handler, INCLUSIVE), "it was paid for"
    assert error.request_id in ("req_1", "r1")


@pytest.mark.parametrize("handler", TEXT)
async def test_tokens_are_counted_inclusively_and_cost_what_the_provider_bills(
    pool: ProviderPool, handler: str
) -> None:
    answer = await answered(pool, handler, written_by(handler))
    assert answer.usage == USAGES.get(handler, INCLUSIVE)
    assert price_usage(answer.usage, PRICE) == COSTS[handler] / Decimal(1_000_000)


@pytest.mark.parametrize("handler", TEXT)
async def test_the_model_that_ran_is_named_and_not_the_one_that_was_asked(pool: ProviderPool, handler: str) -> None:
    answer = await answered(pool, handler, written_by(handler))
    assert (answer.model, answer.warnings) == ("ran-this", [])


INSIDE = {
    "openai": ({"error": {"code": 429, "message": "upstream is busy"}}, "rate_limited"),
    "anthropic": ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "overloaded"),
    "mistral": ({"object": "error", "message": "busy", "type": "rate_limited", "code": "1300"}, "rate_limited"),
    # These two SDKs keep nothing of a body but the fields of an answer: what the error was, nobody can say.
    "google": ({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}, "invalid_response"),
    "elevenlabs": ({"detail": {"code": "system_busy", "message": "busy"}}, "invalid_response"),
}


@pytest.mark.parametrize("handler", ALL)
async def test_an_error_inside_a_200_is_no_answer(pool: ProviderPool, handler: str) -> None:
    if handler.partition(".")[0] not in INSIDE:
        pytest.skip(f"what {handler} answers is told in tests of its own")
    body, kind = INSIDE[handler.partition(".")[0]]
    error = await failed(pool, handler, body)
    assert error.kind is ErrorKind(kind)
    assert error.request_id in ("req_1", None)


@pytest.mark.parametrize("handler", [name for name in ALL if name.endswith(("embeddings", "embed_content"))])
async def test_vectors_that_are_too_few_or_empty_are_no_answer(pool: ProviderPool, handler: str) -> None:
    for rows in ([], [[0.6, 0.8]], [[0.6, 0.8], []]):
        data = [{"object": "embedding", "index": place, "embedding": row} for place, row in enumerate(rows)]
        body = {"object": "list", "model": "m", "data": data, "usage": {"prompt_tokens": 3, "total_tokens": 3}}
        body["embeddings"] = [{"values": row} for row in rows]
        error = await failed(pool, handler, body, input=["the sea", "the land"])
        assert error.kind is ErrorKind.invalid_response


@pytest.mark.parametrize("handler", ALL)
async def test_every_bucket_is_a_part_of_its_total(providers: Providers, handler: str) -> None:
    answer = await ask(providers, handler)
    usage = answer.usage
    assert usage.cached_tokens + usage.cache_write_tokens <= usage.prompt_tokens
    assert usage.reasoning_tokens + usage.audio_tokens <= usage.completion_tokens
    assert bool(usage.characters) == (answer.audio is not None)
    assert bool(answer.embeddings) == (usage.completion_tokens == usage.characters == 0)
    assert usage.total_tokens + usage.characters > 0


@pytest.mark.parametrize("handler", ALL)
async def test_every_answer_names_its_request(providers: Providers, handler: str) -> None:
    if handler == "google.embed_content":
        pytest.skip("Gemini names neither in the body nor in a header who answered with vectors")
    first, second = [await ask(providers, handler, **more) for more in ({}, {"timeout_s": 9.0})]
    assert first.request_id
    assert second.request_id


@pytest.mark.parametrize(("cost", "characters"), [("42", 42), ("42.4", 42), ("", 10), (None, 10)])
async def test_characters_are_those_that_the_provider_counted(
    pool: ProviderPool, cost: str | None, characters: int
) -> None:
    """ElevenLabs bills what it says; without a word of it, the characters that were sent."""
    handler = "elevenlabs.text_to_speech"
    headers = {"content-type": "audio/mpeg"} | ({} if cost is None else {"character-cost": cost})
    async with serving(lambda _: Reply(b"sound", headers=headers)) as url:
        call = make_call(handler, base_url=url, model_id=MODELS[handler], input="x" * 10)
        answer = await load_handler(handler, pool)(call)
    assert answer.usage == Usage(characters=characters)
    price = replace(PRICE, audio_usd_per_mchar=Decimal(80))
    assert price_usage(answer.usage, price) == characters * Decimal(80) / 1_000_000


def in_tier(handler: str, told: str | None) -> tuple[dict[str, Any], dict[str, str]]:
    """The handler's answer and headers where the provider tells this tier."""
    body, headers = written_by(handler), dict[str, str]()
    if told is None:
        return body, headers
    if handler == "google.generate_content":
        headers["x-gemini-service-tier"] = told
    elif handler == "anthropic.messages":
        body["usage"]["speed" if told == "fast" else "service_tier"] = told
    else:
        body["service_tier"] = told
    return body, headers


@pytest.mark.parametrize("handler", TEXT)
@pytest.mark.parametrize(
    ("asked", "told", "factor"),
    [
        (None, None, 1), (None, "default", 1), (None, "standard", 1), ("fast", "standard", 1), ("fast", "fast", 2),
        (None, "fast", 2), (None, "priority", None), ("fast", None, None),
    ],
)  # fmt: skip
async def test_a_call_costs_what_the_tier_that_served_it_costs(
    pool: ProviderPool, handler: str, asked: str | None, told: str | None, factor: int | None
) -> None:
    """A tier without a price, or one that was asked for and not told, makes the cost unknown."""
    body, headers = in_tier(handler, told)
    if handler == "anthropic.messages" and (asked, told) == ("fast", "standard"):
        body["usage"]["speed"] = told
    option = {"speed" if handler == "anthropic.messages" else "service_tier": asked} if asked else {}
    if handler == "google.generate_content" and asked:
        option = {"service_tier": "priority"}  # its SDK knows no fast
    names = {"x-request-id": "req_1", "content-type": "application/json", **headers}
    async with serving(lambda _: Reply(dump_json(body), headers=names)) as url:
        call = make_call(handler, base_url=f"{url}/v1", model_id=MODELS[handler])
        call = replace(call, parameters={"provider_options": {call.model.provider: option}})
        answer = await load_handler(handler, pool)(call)
    price = replace(PRICE, service_tiers={"fast": Decimal(2)})
    usual = COSTS[handler] / Decimal(1_000_000)
    assert price_usage(answer.usage, price) == (None if factor is None else usual * factor)


async def test_where_claude_ran_otherwise_than_its_endpoint_says_the_cost_is_unknown(pool: ProviderPool) -> None:
    handler, geo = "anthropic.messages", {"anthropic": {"inference_geo": "us"}}
    for place, tier in (("global", None), ("not_available", None), ("us", "in_us")):
        body = written_by(handler)
        body["usage"]["inference_geo"] = place
        answer = await answered(pool, handler, body, provider_options=geo)
        assert answer.usage.service_tier == tier
        assert answer.warnings == ["provider_options.inference_geo: not for callers to set, left out"]


async def test_tokens_that_gemini_does_not_tell_are_estimated_and_never_free(pool: ProviderPool) -> None:
    body = written_by("google.generate_content")
    del body["usageMetadata"]
    answer = await answered(pool, "google.generate_content", body)
    assert answer.warnings == ["usage: not told by the provider, estimated"]
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.completion_tokens == 5
    second = base64.b64encode(b"\x01\x00" * 24_000).decode()
    spoken = {"parts": [{"inlineData": {"mimeType": "audio/L16;rate=24000", "data": second}}]}
    heard = await answered(pool, "google.speech", {"candidates": [{"content": spoken, "finishReason": "STOP"}]})
    assert heard.warnings == answer.warnings
    assert heard.usage.completion_tokens == heard.usage.audio_tokens > 0
    assert price_usage(heard.usage, PRICE) is not None


async def test_sound_in_an_answer_of_text_makes_its_cost_unknown(pool: ProviderPool) -> None:
    body = written_by("openai.chat_completions")
    body["usage"]["completion_tokens_details"]["audio_tokens"] = 7
    answer = await answered(pool, "openai.chat_completions", body)
    assert answer.usage.audio_tokens == 7
    assert price_usage(answer.usage, PRICE) is None
