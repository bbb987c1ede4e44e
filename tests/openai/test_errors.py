"""Every error as the exception class that OpenAI's clients have for it, and nothing paid twice on the way."""

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from producer.keys import create_key
from producer.openai.parameters import TABLES
from tests.house import Factory
from tests.openai.cancelling import cancel_newest
from tests.workers.test_promises import own_model

HI: Any = {"model": "fast", "messages": [{"role": "user", "content": "Hi"}]}
VALUES: tuple[Any, ...] = (7, True, "x", [], [1], [{}], {"type": "x"})
RAW = (
    b"", b"[]", b"{", b'"\\ud800"', b'{"model": "\\ud800"}', b"\xff", b"[" * 100_000,
    b'{"model": "fast", "prompt": "x", "metadata": {"a": NaN}}',
    b'{"model": "fast", "input": "\\u0000", "messages": [{"role": "user", "content": "\\u0000"}]}',
)  # fmt: skip
WHOLE: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": HI["messages"]},
    "/v1/responses": {"input": "Hi"},
    "/v1/embeddings": {"input": "Hi"},
    "/v1/audio/speech": {"input": "Hi", "voice": "alloy"},
}


async def test_what_is_not_supported_is_refused_by_name(client: AsyncOpenAI) -> None:
    async def refused(path: str, **body: Any) -> tuple[Any, Any]:
        with pytest.raises(openai.BadRequestError) as error:
            await client.post(path, body={"model": "fast", **WHOLE[f"/v1{path}"], **body}, cast_to=object)
        assert error.value.type == "invalid_request_error"
        assert error.value.response.headers["x-request-id"]
        return error.value.param, error.value.code

    chat, responses, embeddings, speech = "/chat/completions", "/responses", "/embeddings", "/audio/speech"
    picture = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1/x"}}]}
    for sent, answer in (
        (refused(chat, logit_bias={"50256": -100}), ("logit_bias", "unsupported_parameter")),
        (refused(chat, frequency_penalty=0.5), ("frequency_penalty", "unsupported_parameter")),
        (refused(chat, parallel_tool_calls=False), ("parallel_tool_calls", "unsupported_parameter")),
        (refused(chat, surprise=None), ("surprise", "unknown_parameter")),
        (refused(chat, messages=None), ("messages", "missing_required_parameter")),
        (refused(chat, n=2), ("n", "unsupported_value")),
        (refused(chat, temperature=3), ("temperature", "invalid_value")),
        (refused(chat, max_tokens=0), ("max_tokens", "invalid_value")),
        (refused(chat, max_tokens=1, max_completion_tokens=2), ("max_tokens", "invalid_value")),
        (refused(chat, stream="yes"), ("stream", "invalid_type")),
        (refused(chat, stream_options={"include_usage": True}), ("stream_options", "invalid_value")),
        (refused(chat, service_tier="gold"), ("service_tier", "unsupported_value")),
        (refused(chat, messages=[{"role": "user", "content": "x", "mood": 1}]), ("messages[0].mood", "unknown_parameter")),
        (refused(chat, messages=[picture]), ("messages[0].content[0].image_url.url", "invalid_value")),
        (refused(chat, tools=[{"type": "web_search"}]), ("tools[0]", "invalid_value")),
        (refused(responses, include=["reasoning.encrypted_content"]), ("include", "unsupported_parameter")),
        (refused(responses, reasoning={"summary": "auto"}), ("reasoning.summary", "unsupported_parameter")),
        (refused(responses, reasoning={"effort": "vast"}), ("reasoning.effort", "invalid_value")),
        (refused(responses, input=[{"type": "item_reference", "id": "x"}]), ("input[0].type", "unsupported_value")),
        (refused(responses, input=["x"]), ("input[0]", "invalid_type")),
        (refused(responses, input=[{"role": "king", "content": "x"}]), ("input[0].role", "invalid_value")),
        (refused(responses, tools=[{"type": "function", "name": "a b"}]), ("tools[0].name", "invalid_value")),
        (refused(responses, tools=[{"type": "web_search"}]), ("tools[0]", "invalid_value")),
        (refused(responses, text={"format": {"type": "json_schema"}}), ("text.format.schema", "missing_required_parameter")),
        (refused(responses, text={"verbosity": "low"}), ("text.verbosity", "unsupported_parameter")),
        (refused(responses, previous_response_id="resp_1"), ("previous_response_id", "previous_response_not_found")),
        (refused(embeddings, input=[1, 2, 3]), ("input", "unsupported_value")),
        (refused(embeddings, encoding_format="hex"), ("encoding_format", "unsupported_value")),
        (refused(speech, stream_format="sse"), ("stream_format", "unsupported_parameter")),
        (refused(speech, response_format="midi"), ("response_format", "invalid_value")),
        (refused(speech, speed=9), ("speed", "invalid_value")),
    ):  # fmt: skip
        assert await sent == answer


async def test_no_value_of_any_parameter_is_more_than_a_refusal(factory: Factory) -> None:
    """With a model that nobody has, what could be accepted is 404 in the end."""
    for path, table in TABLES.items():
        for name in table:
            for value in VALUES:
                body = {"model": "nobody", **WHOLE[path], name: value}
                answer = await factory.client.post(path, json=body)
                assert answer.status_code in (400, 404), (path, name, value, answer.text)
                assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
        for raw in RAW:
            answer = await factory.client.post(path, content=raw)
            assert answer.status_code == 400, (path, raw, answer.text)
            assert answer.json()["error"]["message"]
    assert await factory.execute("SELECT FROM factory.jobs") == []


async def test_statuses_are_openais(client: AsyncOpenAI, factory: Factory, served: str) -> None:
    with pytest.raises(openai.AuthenticationError) as stranger:
        await client.with_options(api_key="sk-nobody").models.list()
    assert stranger.value.code == "invalid_api_key"
    reader = await create_key(factory.services.database, project="nicestory", scopes=["read"])
    with pytest.raises(openai.PermissionDeniedError):
        await client.with_options(api_key=reader).chat.completions.create(**HI)
    with pytest.raises(openai.NotFoundError) as unknown:
        await client.chat.completions.create(**HI | {"model": "gpt-2"})
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    spoken = await factory.job(kind="speech", model="narrator", input="Hi")
    for id_ in (
        "resp_1",
        "resp_" + "0" * 32,
        "resp_" + "x" * 32,
        "chatcmpl-1",
        "resp_" + spoken["id"].replace("-", ""),
    ):
        with pytest.raises(openai.NotFoundError):
            await client.responses.retrieve(id_)
        with pytest.raises(openai.NotFoundError):
            await client.responses.cancel(id_)
    for query in ("starting_after=x", "starting_after=" + "9" * 5000, "stream=maybe", "surprise=1"):
        answer = await factory.client.get(f"/v1/responses/resp_1?{query}")
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, query.partition("=")[0])
    with pytest.raises(openai.NotFoundError) as nowhere:
        await client.post("/audio/translations", body={}, cast_to=object)
    assert nowhere.value.code == "unknown_url"
    answer = await factory.client.get("/v1/chat/completions")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_supported")
    assert answer.headers["x-request-id"]
    elsewhere = await factory.client.get("/v1/nowhere")
    assert elsewhere.json()["code"] == "not_found"


async def test_a_failed_job_is_not_bought_again_by_the_client(client: AsyncOpenAI, factory: Factory) -> None:
    refusing = await own_model(factory, "gpt-6-luna@policy")
    hanging = await own_model(factory, "gpt-6-luna@slow=30")
    await factory.settled()
    with pytest.raises(openai.BadRequestError) as policy:
        await client.chat.completions.create(**HI | {"model": refusing, "stream": True})
    assert policy.value.code == "content_policy_violation"
    asking = asyncio.create_task(client.chat.completions.create(**HI | {"model": hanging}))
    await cancel_newest(factory, 2)
    with pytest.raises(openai.ConflictError) as cancelled:  # which clients would send again by themselves
        await asking
    assert cancelled.value.code == "cancelled"
    assert cancelled.value.response.headers["x-should-retry"] == "false"
    assert cancelled.value.response.headers["x-factory-job-id"]
    assert len(await factory.execute("SELECT FROM factory.jobs")) == 2


async def test_our_own_limits_are_429_and_an_empty_purse_is_insufficient_quota(
    client: AsyncOpenAI, factory: Factory
) -> None:
    async def settings(**said: Any) -> None:
        statement = "UPDATE factory.projects SET settings = $1::text::jsonb WHERE name = 'nicestory'"
        await factory.execute(statement, json.dumps(said))
        await factory.settled()

    await settings(limits={"requests_per_minute": 1})
    once = client.with_options(max_retries=0)
    await once.chat.completions.create(**HI)
    with pytest.raises(openai.RateLimitError) as limited:
        await once.chat.completions.create(**HI)
    assert limited.value.code == "rate_limit_exceeded"
    headers = limited.value.response.headers
    assert headers["x-should-retry"] == "true"
    assert 0 < int(headers["retry-after"]) <= 61
    assert headers["x-ratelimit-remaining-requests"] == "0"
    await settings(budgets={"daily": {"hard_usd": 0}})
    with pytest.raises(openai.RateLimitError) as poor:
        await client.chat.completions.create(**HI)
    assert poor.value.code == "insufficient_quota"
    assert poor.value.response.headers["x-should-retry"] == "false"


async def test_a_fault_of_ours_is_500_in_openais_shape(factory: Factory) -> None:
    await factory.execute("ALTER TABLE factory.api_keys RENAME TO gone")
    transport = httpx.ASGITransport(factory.client._transport.app, raise_app_exceptions=False)  # type: ignore[attr-defined]
    async with httpx.AsyncClient(transport=transport, base_url="http://factory", headers={"x-api-key": "x"}) as http:
        answer = await http.post("/v1/embeddings", json={})
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert answer.headers["x-request-id"].startswith("req_")
