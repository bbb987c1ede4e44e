"""Responses through OpenAI's own client, in the foreground, in the background and as streams."""

import json
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from producer.api.openai import streaming
from producer.keys import create_key
from tests.house import Factory
from tests.openai.test_chat import PICTURE
from tests.workers.test_promises import own_model

WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "description": "The weather at a place",
    "parameters": {
        "type": "object",
        "properties": {"place": {"type": "string"}},
        "required": ["place"],
        "additionalProperties": False,
    },
    "strict": True,
}


class Title(BaseModel):
    title: str


async def test_a_response_and_those_that_follow_it(client: AsyncOpenAI, factory: Factory) -> None:
    look: Any = [{"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": PICTURE}]
    first = await client.responses.create(
        model="fast",
        instructions="One line.",
        input=[{"role": "user", "content": look}],
        max_output_tokens=300,
        reasoning={"effort": "low"},
        metadata={"chapter": "3"},
        text={"verbosity": "medium"},
        store=True,
    )
    assert first.status == "completed"
    assert first.output_text
    assert first.usage is not None
    assert first.usage.total_tokens == first.usage.input_tokens + first.usage.output_tokens
    assert (first.instructions, first.max_output_tokens, first.metadata) == ("One line.", 300, {"chapter": "3"})
    assert first.reasoning is not None
    assert first.reasoning.effort == "low"
    second = await client.responses.create(
        model="fast", input="And what else?", previous_response_id=first.id, temperature=1
    )
    assert second.previous_response_id == first.id
    rows = await factory.execute("SELECT request FROM factory.jobs ORDER BY created_at DESC LIMIT 1")
    turns = rows[0]["request"]["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert turns[1]["content"] == first.output_text
    assert "system" not in rows[0]["request"]
    kept: Any = await client.responses.retrieve(first.id)
    assert kept.output == first.output
    assert kept.factory["cost"] > 0
    with pytest.raises(openai.BadRequestError) as unsupported:
        await client.responses.retrieve(first.id, include=["message.output_text.logprobs"])
    assert unsupported.value.code == "unsupported_parameter"
    key = await create_key(factory.services.database, project="stranger", make_project=True)
    stranger = client.with_options(api_key=key)
    with pytest.raises(openai.NotFoundError):
        await stranger.responses.retrieve(first.id)
    with pytest.raises(openai.NotFoundError):
        await stranger.responses.cancel(first.id)
    with pytest.raises(openai.BadRequestError):
        await stranger.responses.create(model="fast", input="Hi", previous_response_id=first.id)
    parsed = await client.responses.parse(model="smart", input="A title", text_format=Title)
    assert isinstance(parsed.output_parsed, Title)


async def test_tools_go_round(client: AsyncOpenAI, factory: Factory) -> None:
    conversation: list[Any] = [{"role": "user", "content": "Use the tool: the weather in Kiel?"}]
    first: Any = await client.responses.create(
        model="smart", input=conversation, tools=[WEATHER], tool_choice={"type": "function", "name": "weather"}
    )
    called = first.output[-1]
    assert (called.type, called.name) == ("function_call", "weather")
    assert "place" in json.loads(called.arguments)
    choice: Any = first.tool_choice
    assert (choice.type, choice.name) == ("function", "weather")
    rained: Any = {"type": "function_call_output", "call_id": called.call_id, "output": "rain"}
    second = await client.responses.create(model="smart", input=[*conversation, *first.output, rained], tools=[WEATHER])
    third = await client.responses.create(model="smart", input=[rained], tools=[WEATHER], previous_response_id=first.id)
    assert second.output_text
    assert third.output_text
    rows = await factory.execute("SELECT request FROM factory.jobs ORDER BY created_at DESC LIMIT 2")
    by_client, by_id = (row["request"]["messages"] for row in rows)
    assert [turn["role"] for turn in by_client] == [turn["role"] for turn in by_id] == ["user", "assistant", "tool"]
    assert by_client[1]["tool_calls"][0]["id"] == by_id[1]["tool_calls"][0]["id"] == called.call_id


async def test_background_is_answered_at_once_retrieved_and_cancelled(client: AsyncOpenAI, factory: Factory) -> None:
    hanging = await own_model(factory, "gpt-6-luna@slow=30")
    refusing = await own_model(factory, "gpt-6-luna@policy")
    await factory.settled()
    slow = await client.responses.create(model=hanging, input="Hi", background=True)
    assert slow.status in ("queued", "in_progress")
    assert slow.background is True
    assert slow.output == []
    stopped = await client.responses.cancel(slow.id)
    assert stopped.status == "cancelled"
    assert (await client.responses.cancel(slow.id)).status == "cancelled"
    refused = await client.responses.create(model=refusing, input="Hi", background=True)
    quick = await client.responses.create(model="fast", input="Hi", background=True)
    for response in (refused, quick):
        job_id = response.factory["job_id"]  # type: ignore[attr-defined]
        await factory.client.get(f"/v1/jobs/{job_id}?wait=20")
    assert (await client.responses.retrieve(quick.id)).status == "completed"
    failed = await client.responses.retrieve(refused.id)
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.message.startswith("content_policy: ")
    cut = await client.responses.create(model="fast", input="Tell a long story", max_output_tokens=20)
    assert cut.status == "incomplete"
    assert cut.incomplete_details is not None
    assert cut.incomplete_details.reason == "max_output_tokens"


async def test_a_stream_has_the_events_that_clients_need(
    client: AsyncOpenAI, factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "HEARTBEAT_S", 0.1)
    slow = await own_model(factory, "gpt-6-luna@slow=0.5")
    refusing = await own_model(factory, "gpt-6-luna@policy")
    await factory.settled()
    async with client.responses.stream(model=slow, input="A story") as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-1] == "response.completed"
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) > 3
    assert "".join(deltas) == final.output_text
    assert [event.sequence_number for event in events] == list(range(len(events)))
    resumed = [event async for event in await client.responses.retrieve(final.id, stream=True, starting_after=4)]
    assert [event.sequence_number for event in resumed] == list(range(5, len(events)))
    async with client.responses.stream(
        model="smart", input="Use the tool in Kiel", tools=[WEATHER], tool_choice="required"
    ) as stream:
        called: Any = (await stream.get_final_response()).output[-1]
    assert called.parsed_arguments.keys() == {"place"}
    failing = [event async for event in await client.responses.create(model=refusing, input="Hi", stream=True)]
    assert failing[-1].type == "response.failed"
    assert failing[-1].response.error is not None
