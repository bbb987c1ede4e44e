"""What is Mistral's own: the body as it is sent, chunks, ends, ids, errors inside a 200."""

import json
from typing import Any

import pytest

from adapters.mistral.chat import complete_chat
from adapters.mistral.conversation import own_id
from adapters.mistral.errors import classify, read_words
from adapters.pool import ProviderPool
from core.provider import ErrorKind, ProviderAnswer, ProviderError
from tests.adapters.calls import make_call
from tests.adapters.server import Asked, Reply, serving


def completion(content: Any, finish: str = "stop", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **more}
    return {
        "id": "1", "object": "chat.completion", "model": "mistral-small-2603",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14,
                  "prompt_tokens_details": {"cached_tokens": 4}},
    }  # fmt: skip


async def told(body: dict[str, Any], **fields: Any) -> tuple[ProviderAnswer, Asked]:
    """The answer to this body, and what was asked."""
    asked: list[Asked] = []

    def answer(request: Asked) -> Reply:
        asked.append(request)
        headers = {"content-type": "application/json", "mistral-correlation-id": "req-7"}
        return Reply(json.dumps(body).encode(), headers=headers)

    async with serving(answer) as url, ProviderPool() as pool:
        found = await complete_chat(pool, make_call("mistral.chat", base_url=url, **fields))
    return found, asked[0]


async def test_the_body_speaks_mistrals_names() -> None:
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
    _, asked = await told(
        completion("hi"), system="Be brief.", seed=-1, max_output_tokens=50, tools=tools, tool_choice="required"
    )
    body = json.loads(asked.body)
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == "Bearer sk-test-0123456789abcdef"
    assert asked.headers["x-factory-call-id"]
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello."},
    ]  # fmt: skip
    assert (body["max_tokens"], body["random_seed"], body["tool_choice"]) == (50, 2**31 - 1, "any")
    assert body["stream"] is False


async def test_an_endpoint_may_have_another_path_and_no_key() -> None:
    _, asked = await told(completion("hi"), endpoint_pattern="/proxy/v1/chat/completions", api_key=None)
    assert asked.path == "/proxy/v1/chat/completions"
    assert "authorization" not in asked.headers


async def test_thoughts_are_not_the_answer() -> None:
    chunks = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "It is "},
        {"type": "text", "text": "four."},
    ]
    answer, _ = await told(completion(chunks))
    assert answer.content == "It is four."
    assert (answer.usage.prompt_tokens, answer.usage.cached_tokens, answer.request_id) == (9, 4, "req-7")


async def test_another_providers_tool_id_goes_out_as_nine_characters() -> None:
    call = {"id": "call_0123456789", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    turns = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_0123456789", "content": "rain"},
    ]
    _, asked = await told(completion("hi"), messages=turns)
    sent = json.loads(asked.body)["messages"]
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] == own_id("call_0123456789")
    assert own_id("abcDEF123") == "abcDEF123"


async def test_a_conversation_that_ends_with_the_assistant_is_continued() -> None:
    turns = [{"role": "user", "content": "Begin."}, {"role": "assistant", "content": "Once"}]
    _, asked = await told(completion(" upon a time"), messages=turns)
    assert json.loads(asked.body)["messages"][-1] == {"role": "assistant", "content": "Once", "prefix": True}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (completion("", "model_length"), "context_length"),
        (completion("half", "error"), "invalid_response"),
        (completion(""), "invalid_response"),
        ({"object": "error", "message": "Service tier capacity exceeded", "code": "3505"}, "server_error"),
        ({"error": {"message": "Rate limit exceeded", "code": 429}}, "rate_limited"),
        ({"nothing": True}, "invalid_response"),
    ],
)
async def test_a_200_that_is_no_answer_is_an_error(body: dict[str, Any], kind: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await told(body)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("status", "code", "family", "message", "kind"),
    [
        (400, None, None, "Prompt contains 9 tokens and 0 draft tokens, too large for model with 5 maximum context length",
         "context_length"),
        (400, None, None, "bad", "invalid_request"),
        (400, "1500", "invalid_model", "Invalid model: x", "not_available"),
        (401, None, None, "Unauthorized", "auth"),
        (401, None, None, "You have used up your usage limit", "quota_exhausted"),
        (402, None, None, "no credit", "quota_exhausted"),
        (403, None, None, "not on your plan", "not_available"),
        (403, None, None, "blocked by guardrail", "content_policy"),
        (403, None, None, "this API key may not", "auth"),
        (404, None, None, "no such", "not_available"),
        (422, None, None, "extra", "invalid_request"),
        (429, "1300", "rate_limited", "slow", "rate_limited"),
        (429, "3505", None, "Service tier capacity exceeded", "overloaded"),
        (500, None, None, "x", "server_error"), (502, None, None, "x", "server_error"),
        (503, None, None, "x", "overloaded"), (504, None, None, "x", "timeout"),
    ],
)  # fmt: skip
def test_every_refusal_means_one_thing(
    status: int, code: str | None, family: str | None, message: str, kind: str
) -> None:
    assert classify(status, code, family, message) == ErrorKind(kind)


def test_every_shape_of_a_refusal_is_read() -> None:
    assert read_words({"detail": "Unauthorized"}).message == "Unauthorized"
    assert read_words({"message": "no"}).message == "no"
    faults = {"detail": [{"loc": ["body", "model"], "msg": "Field required", "input": "a secret"}]}
    assert read_words({"object": "error", "message": faults}).message == "body.model: Field required"
    assert read_words({"error": "gone"}).message == "gone"
    assert read_words({}).message == "no message"
