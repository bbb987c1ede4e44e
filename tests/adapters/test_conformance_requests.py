"""Conformance: what goes out. Limits of the providers that a request may pass, parameters they refuse, fields that are
not for callers, keys, and what the environment must not add."""

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from adapters.pool import ProviderPool
from adapters.registry import HANDLERS, load_handler
from core.acceptance import refused_parameters
from core.jsonio import load_json
from core.provider import ErrorKind, ProviderError
from tests import dialects
from tests.adapters.calls import make_call
from tests.adapters.conftest import Providers
from tests.adapters.server import Asked, Reply, serving
from tests.adapters.suite import ALL, EMBEDDING, MODELS, PARAMETERS, SPEECH, TEXT, ask, fail

KEYS = ("authorization", "x-goog-api-key", "xi-api-key", "x-api-key")


@pytest.fixture
async def pool() -> AsyncIterator[ProviderPool]:
    async with ProviderPool() as opened:
        yield opened


async def sent(pool: ProviderPool, handler: str, **fields: Any) -> Asked:
    """What a call sends; the server refuses it."""
    seen: list[Asked] = []

    def refuse(asked: Asked) -> Reply:
        seen.append(asked)
        return Reply(b"{}", "500 No", {"content-type": "application/json"})

    async with serving(refuse) as url:
        fields = {"model_id": MODELS[handler], "parameters": PARAMETERS.get(handler, {}), **fields}
        with pytest.raises(ProviderError):
            await load_handler(handler, pool)(make_call(handler, base_url=f"{url}/v1", **fields))
    (asked,) = seen
    return asked


@pytest.mark.parametrize("handler", ALL)
async def test_what_is_too_long_to_read_is_told_as_that(providers: Providers, handler: str) -> None:
    words = "the sea is wide " * (400_000 if HANDLERS[handler].kind == "text" else 4000)
    error = await fail(providers, handler, **{"prompt" if HANDLERS[handler].kind == "text" else "input": words})
    assert error.kind is ErrorKind.context_length
    assert "the sea is wide" not in error.message


@pytest.mark.parametrize("handler", [*TEXT, *SPEECH])
@pytest.mark.parametrize("seed", [0, -1, 2**31, 2**63 - 1])
async def test_any_seed_is_taken_or_named(providers: Providers, handler: str, seed: int) -> None:
    answer = await ask(providers, handler, seed=seed)
    assert answer.content or answer.audio
    refused = "seed" in refused_parameters(make_call(handler, seed=seed).request, make_call(handler).model, handler, {})
    assert [warning.partition(":")[0] for warning in answer.warnings] == (["seed"] if refused else [])


@pytest.mark.parametrize("handler", EMBEDDING)
@pytest.mark.parametrize("dimensions", [{}, {"dimensions": 256}])
async def test_every_vector_is_of_length_one(providers: Providers, handler: str, dimensions: dict[str, int]) -> None:
    models = {"google.embed_content": ["gemini-embedding-001", "gemini-embedding-2"]}.get(handler, [MODELS[handler]])
    for model_id in models:
        answer = await ask(providers, handler, model_id=model_id, input=["the sea", "the land"], **dimensions)
        assert answer.embeddings is not None
        assert len(answer.embeddings) == 2
        for vector in answer.embeddings:
            assert math.hypot(*vector) == pytest.approx(1, abs=1e-5)
            assert len(vector) == dimensions.get("dimensions", len(vector))


@pytest.mark.parametrize("handler", EMBEDDING)
async def test_one_text_alone_is_one_vector_and_many_are_many(providers: Providers, handler: str) -> None:
    for texts in ("the sea", ["the sea"], ["the sea"] * 90):
        answer = await ask(providers, handler, input=texts)
        assert len(answer.embeddings or ()) == (1 if isinstance(texts, str) else len(texts))


@pytest.mark.parametrize("handler", ALL)
async def test_one_pool_serves_many_keys_and_mixes_none(pool: ProviderPool, handler: str) -> None:
    for key in ("sk-first-000000000000", "sk-second-00000000000"):
        asked = await sent(pool, handler, api_key=key)
        shown = [asked.headers[name].removeprefix("Bearer ") for name in KEYS if name in asked.headers]
        assert shown == [key]


CUSTOM = "X-Who: from-the-environment\nAuthorization: Bearer from-the-environment"


@pytest.mark.parametrize("handler", ALL)
async def test_the_environment_adds_nothing(pool: ProviderPool, handler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.setenv(name, CUSTOM)
    for name in (
        "OPENAI_BASE_URL ANTHROPIC_BASE_URL GOOGLE_GEMINI_BASE_URL GOOGLE_CLOUD_PROJECT ANTHROPIC_PROFILE "
        "OPENAI_API_KEY ANTHROPIC_API_KEY GOOGLE_API_KEY GEMINI_API_KEY ELEVENLABS_API_KEY"
    ).split():
        monkeypatch.setenv(name, "from-the-environment")
    monkeypatch.setenv("GOOGLE_GENAI_USE_ENTERPRISE", "true")
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "v9")
    asked = await sent(pool, handler)
    assert "from-the-environment" not in str(asked)
    assert "v9" not in asked.path


async def test_gemini_is_told_its_time_in_seconds(pool: ProviderPool) -> None:
    """The SDK takes milliseconds; a limit in seconds would be a thousandth of what was meant."""
    for handler in ("google.generate_content", "google.embed_content", "google.speech"):
        asked = await sent(pool, handler, timeout_s=12.0)
        assert asked.headers["x-server-timeout"] == "12"


async def test_no_text_is_left_with_openai(pool: ProviderPool) -> None:
    options: dict[str, Any] = {"openai": {"store": True, "n": 3, "stream": True}}
    assert load_json((await sent(pool, "openai.responses")).body)["store"] is False
    for handler in ("openai.chat_completions", "openai.responses"):
        body = load_json((await sent(pool, handler, provider_options=options)).body)
        assert body.get("store") in (None, False)
        assert "stream" not in body
    assert "n" not in load_json((await sent(pool, "openai.chat_completions", provider_options=options)).body)


@pytest.mark.parametrize("spelling", ["automatic_continuation", "automaticContinuation"])
@pytest.mark.parametrize("handler", ["google.generate_content", "google.speech"])
async def test_one_call_to_gemini_stays_one(pool: ProviderPool, handler: str, spelling: str) -> None:
    """Left to itself, the SDK asks on and on while the answer says CONTINUATION."""
    asked: list[Asked] = []

    def go_on(request: Asked) -> Reply:
        asked.append(request)
        part = (
            b'{"text":"a"}' if handler.endswith("content") else b'{"inlineData":{"mimeType":"audio/L16","data":"AAAA"}}'
        )
        body = b'{"candidates":[{"content":{"role":"model","parts":[%b]},"finishReason":"CONTINUATION",' % part
        return Reply(
            body + b'"continuationToken":"AAAA"}],"usageMetadata":{"promptTokenCount":1}}',
            headers={"content-type": "application/json"},
        )

    options = {"google": {spelling: True, "httpOptions": {"baseUrl": "http://127.0.0.1:9"}, "candidate_count": 4}}
    async with serving(go_on) as url:
        call = make_call(handler, base_url=url, model_id=MODELS[handler], provider_options=options)
        if handler == "google.speech":
            with pytest.raises(ProviderError, match="cut off"):
                await load_handler(handler, pool)(call)
        else:
            answer = await load_handler(handler, pool)(call)
            assert answer.finish_reason == "length"
            named = [warning.partition(":")[0] for warning in answer.warnings]
            assert named == [f"provider_options.{name}" for name in options["google"]]
    assert len(asked) == 1
    assert "candidateCount" not in load_json(asked[0].body).get("generationConfig", {})


@pytest.mark.parametrize(("region", "said"), [("us", "us"), ("global", None), ("eu", None)])
async def test_a_region_of_claudes_is_a_field_of_the_call(pool: ProviderPool, region: str, said: str | None) -> None:
    call = make_call("anthropic.messages", model_id=MODELS["anthropic.messages"])
    bodies: list[dict[str, Any]] = []

    def refuse(asked: Asked) -> Reply:
        bodies.append(load_json(asked.body))
        return Reply(b"{}", "500 No", {"content-type": "application/json"})

    async with serving(refuse) as url:
        call = replace(call, base_url=url, endpoint=replace(call.endpoint, region=region))
        with pytest.raises(ProviderError):
            await load_handler("anthropic.messages", pool)(call)
    assert bodies[0].get("inference_geo") == said


@pytest.mark.parametrize("handler", ALL)
async def test_what_is_refused_under_strict_is_what_would_be_left_out(providers: Providers, handler: str) -> None:
    """Routing asks the same function as the adapter: a warning here is an excluded route there."""
    kind = HANDLERS[handler].kind
    asked: dict[str, dict[str, Any]] = {
        "text": {"temperature": 0.5, "top_p": 0.9, "stop": ["END"], "seed": 7, "reasoning_effort": "low"},
        "speech": {
            "instructions": "Softly.",
            "speed": 1.0,
            "language": "en",
            "seed": 7,
            "voice_settings": {"style": 0},
        },
        "embedding": {"dimensions": 64},
    }
    fields = asked[kind]
    parameters = {"dimensions": False} if kind == "embedding" else PARAMETERS.get(handler, {})
    answer = await ask(providers, handler, parameters=parameters, **fields)
    call = make_call(handler, model_id=MODELS[handler], parameters=parameters, **fields)
    refused = refused_parameters(call.request, call.model, handler, {})
    left_out = [warning.partition(":")[0] for warning in answer.warnings if warning.endswith("left out")]
    assert sorted(left_out) == sorted(refused)


@pytest.mark.parametrize("handler", ALL)
async def test_nothing_leaves_before_it_may_go(pool: ProviderPool, handler: str) -> None:
    """A shipped handler makes its request ready meanwhile; any other is begun afterwards."""
    asked: list[Asked] = []
    waits, may_go = asyncio.Event(), asyncio.Event()

    def refuse(one: Asked) -> Reply:
        asked.append(one)
        return Reply(b"{}", "500 No", {"content-type": "application/json"})

    async def wait() -> None:
        waits.set()
        await may_go.wait()

    async def never() -> None:
        raise PermissionError

    async with serving(refuse) as url:
        fields: dict[str, Any] = {"model_id": MODELS[handler], "parameters": PARAMETERS.get(handler, {})}
        call = make_call(handler, base_url=f"{url}/v1", **fields)
        calling = asyncio.create_task(load_handler(handler, pool)(replace(call, may_go=wait)))
        async with asyncio.timeout(5):
            await waits.wait()
        assert HANDLERS[handler].by_pool == (handler not in dialects.MODELS)
        with pytest.raises((ProviderError, PermissionError)):
            await load_handler(handler, pool)(replace(call, may_go=never))
        assert asked == []
        may_go.set()
        with pytest.raises(ProviderError):
            await calling
        assert len(asked) == 1
