"""Chat completions through OpenAI's own client."""

from __future__ import annotations

from openai import AsyncOpenAI
from pydantic import BaseModel

from tests.house import Factory

PICTURE = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER = {
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


async def test_an_answer_is_a_completion(client: AsyncOpenAI, factory: Factory) -> None:
    raw = await client.chat.completions.with_raw_response.create(
        model="fast",
        messages=[
            {"role": "developer", "content": "Answer in one line."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": PICTURE}},
                ],
            },
        ],
        temperature=0.5,
        max_completion_tokens=200,
        seed=7,
        stop=["END"],
        reasoning_effort="low",
        metadata={"chapter": "3"},
        user="somebody",
        store=False,
        frequency_penalty=0,
        service_tier="flex",
    )
    completion = raw.parse()
    assert completion.object == "chat.completion"
    choice = completion.choices[0]
    assert choice.finish_reason == "stop"
    assert choice.message.content
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    job_id = raw.headers["x-factory-job-id"]
    assert completion.id == "chatcmpl-" + job_id.replace("-", "")
    assert raw.request_id.startswith("req_")
    job = (await factory.client.get(f"/v1/jobs/{job_id}")).json()
    assert job["metadata"] == {"chapter": "3"}
    assert job["priority"] == "batch"
    assert completion.factory["cost"] == job["cost"] > 0
    assert completion.model == job["result"]["model"]


async def test_tools_go_round(client: AsyncOpenAI) -> None:
    messages = [{"role": "user", "content": "Use the tool: what is the weather in Kiel?"}]
    first = await client.chat.completions.create(
        model="smart", messages=messages, tools=[WEATHER], tool_choice="required"
    )
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls[0].function.name == "weather"
    messages += [message, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "rain"}]
    second = await client.chat.completions.create(model="smart", messages=messages, tools=[WEATHER])
    assert second.choices[0].message.content


async def test_parse(client: AsyncOpenAI) -> None:
    parsed = await client.chat.completions.parse(
        model="smart", messages=[{"role": "user", "content": "Three islands"}], response_format=Title
    )
    assert isinstance(parsed.choices[0].message.parsed, Title)


async def test_stream(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="fast",
        messages=[{"role": "user", "content": "Tell a story"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [one async for one in stream]
    for c in chunks[:3] + chunks[-3:]:
        print(c)
