"""Chat completions through OpenAI's own client."""

import asyncio
import json
from typing import Any

import pytest
from openai import APIError, AsyncOpenAI
from pydantic import BaseModel

from producer.api.openai import streaming
from tests.house import Factory
from tests.openai.cancelling import cancel_newest
from tests.workers.test_promises import own_model

PICTURE = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather at a place",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}


class Title(BaseModel):
    title: str
    islands: list[str]


def ask(text: str, **parameters: Any) -> Any:
    return {"model": "fast", "messages": [{"role": "user", "content": text}], **parameters}


async def test_every_parameter_arrives_and_the_answer_is_a_completion(client: AsyncOpenAI, factory: Factory) -> None:
    look: Any = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": PICTURE}}]
    raw = await client.chat.completions.with_raw_response.create(
        model="fast",
        messages=[{"role": "developer", "content": "One line."}, {"role": "user", "content": look}],
        temperature=0.5,
        top_p=0.9,
        max_completion_tokens=200,
        seed=7,
        stop=["END"],
        reasoning_effort="low",
        metadata={"chapter": "3"},
        service_tier="flex",
        n=1,
        user="somebody",
        store=False,
        frequency_penalty=0,
        logprobs=False,
    )
    completion: Any = raw.parse()
    assert completion.choices[0].finish_reason == "stop"
    assert completion.choices[0].message.content
    usage = completion.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0
    job_id = raw.headers["x-factory-job-id"]
    assert completion.id == "chatcmpl-" + job_id.replace("-", "")
    assert raw.headers["x-request-id"].startswith("req_")
    job = (await factory.client.get(f"/v1/jobs/{job_id}")).json()
    assert completion.factory["cost"] == job["cost"] == float(raw.headers["x-factory-cost"]) > 0
    assert completion.model == job["result"]["model"]
    assert (job["metadata"], job["priority"]) == ({"chapter": "3"}, "batch")
    rows = await factory.execute("SELECT request FROM factory.jobs")
    asked = rows[0]["request"]
    assert asked["messages"][0] == {"role": "system", "content": "One line."}
    assert asked["messages"][1]["content"] == look
    sent = {"temperature": 0.5, "top_p": 0.9, "max_output_tokens": 200, "seed": 7, "stop": ["END"]}
    assert sent.items() <= asked.items()
    assert asked["reasoning_effort"] == "low"


async def test_tools_go_round_and_schemas_are_parsed(client: AsyncOpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "Use the tool: what is the weather in Kiel?"}]
    first: Any = await client.chat.completions.create(
        model="smart", messages=messages, tools=[WEATHER], tool_choice="required", parallel_tool_calls=True
    )
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls[0].function.name == "weather"
    assert "place" in json.loads(message.tool_calls[0].function.arguments)
    messages += [message, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "rain"}]
    second = await client.chat.completions.create(model="smart", messages=messages, tools=[WEATHER])
    assert second.choices[0].message.content
    parsed = await client.chat.completions.parse(**ask("Three islands"), response_format=Title)
    assert isinstance(parsed.choices[0].message.parsed, Title)
    free = await client.chat.completions.create(**ask("Islands as JSON", response_format={"type": "json_object"}))
    assert isinstance(json.loads(free.choices[0].message.content or ""), dict)


async def test_a_stream_has_the_same_answer_in_pieces(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        **ask("Tell a story", stream=True, stream_options={"include_usage": True})
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert len([chunk for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]) > 3
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 0
    async with client.chat.completions.stream(
        model="smart", messages=ask("Use the tool in Kiel")["messages"], tools=[WEATHER], tool_choice="required"
    ) as gathered:
        whole = await gathered.get_final_completion()
    assert whole.choices[0].finish_reason == "tool_calls"
    call: Any = whole.choices[0].message.tool_calls
    assert "place" in json.loads(call[0].function.arguments)


async def test_a_slow_stream_is_kept_open_and_a_failure_in_it_is_an_error(
    client: AsyncOpenAI, factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "HEARTBEAT_S", 0.1)
    slow = await own_model(factory, "gpt-6-luna@slow=0.6")
    hanging = await own_model(factory, "gpt-6-luna@slow=30")
    await factory.settled()
    async with factory.client.stream("POST", "/v1/chat/completions", json=ask("x", model=slow, stream=True)) as answer:
        lines = [line async for line in answer.aiter_lines() if line]
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert lines[0] == ": still here"
    assert lines[-1] == "data: [DONE]"
    stream = await client.chat.completions.create(**ask("x", model=hanging, stream=True))
    stopping = asyncio.create_task(cancel_newest(factory, 2))
    with pytest.raises(APIError) as failed:
        await anext(aiter(stream))
    await stopping
    assert failed.value.code == "cancelled"


async def test_braces_are_text_and_no_template(client: AsyncOpenAI, factory: Factory) -> None:
    text = "Dear {{name}}, {{outline.parsed.title}} is {{ 1 }}."
    completion: Any = await client.chat.completions.create(**ask(text))
    assert completion.choices[0].finish_reason == "stop"
    follow = await client.responses.create(
        model="fast", input=text, previous_response_id=completion.id.replace("chatcmpl-", "resp_")
    )
    assert follow.status == "completed"
    rows = await factory.execute("SELECT request FROM factory.jobs ORDER BY created_at")
    assert [turn["content"] for row in rows for turn in row["request"]["messages"] if turn["role"] == "user"] == [
        text
    ] * 3
    refused = await factory.client.post("/v1/jobs", json=ask(text))
    assert refused.json()["problems"][0]["field"] == "messages.0.content"


async def test_two_equal_requests_are_two_samples_unless_the_cache_is_asked_for(
    client: AsyncOpenAI, factory: Factory
) -> None:
    async def cached(**headers: str) -> bool:
        completion: Any = await client.chat.completions.create(**ask("Once more"), extra_headers=headers)
        return bool(completion.factory["cached"])

    assert [await cached(), await cached()] == [False, False]
    use = {"x-factory-cache": "use"}
    assert [await cached(**use), await cached(**use), await cached()] == [False, True, False]
    await factory.execute("""UPDATE factory.projects SET settings = '{"cache": {"openai": "use"}}'""")
    await factory.settled()
    assert [await cached(), await cached(**{"x-factory-cache": "off"})] == [True, False]
