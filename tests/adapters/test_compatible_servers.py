"""Servers that speak OpenAI's wire format in their own way: self-hosted ones, gateways, broken ones."""

import base64
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from adapters.pool import ProviderPool
from adapters.registry import load_handler
from core.jsonio import dump_json, load_json
from core.provider import ErrorKind, ProviderAnswer, ProviderError
from tests.adapters.calls import make_call
from tests.adapters.server import Asked, Reply, serving

COMPLETION: dict[str, Any] = {
    "id": "c",
    "object": "chat.completion",
    "model": "llama-5-8b",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Ahoy."}}],
}
JSON = {"content-type": "application/json"}


@pytest.fixture
async def pool() -> AsyncIterator[ProviderPool]:
    async with ProviderPool() as opened:
        yield opened


async def ask(pool: ProviderPool, answer: Callable[[Asked], Reply], **fields: Any) -> ProviderAnswer:
    """A call to a server of the operator's own."""
    handler = fields.pop("handler", "openai.chat_completions")
    async with serving(answer) as url:
        call = make_call(handler, base_url=f"{url}/v1", **{"provider": "ours", "model_id": "llama-5-8b", **fields})
        return await load_handler(handler, pool)(call)


async def fail(pool: ProviderPool, answer: Callable[[Asked], Reply], **fields: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await ask(pool, answer, **fields)
    return caught.value


async def test_a_server_without_a_credential_sees_none(pool: ProviderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "from-the-environment")
    seen: list[Asked] = []

    def answer(asked: Asked) -> Reply:
        seen.append(asked)
        return Reply(dump_json(COMPLETION), headers=JSON)

    await ask(pool, answer, api_key=None, temperature=0.3, max_output_tokens=50)
    assert "from-the-environment" not in str(seen[0])
    assert "authorization" not in seen[0].headers
    body = load_json(seen[0].body)
    assert (body["max_tokens"], body["temperature"], body["model"]) == (50, 0.3, "llama-5-8b")
    assert "max_completion_tokens" not in body


@pytest.mark.parametrize(
    "handler",
    [
        "google.generate_content",
        "elevenlabs.text_to_speech",
        "openai.speech",
        "openai.responses",
        "anthropic.messages",
        "mistral.chat",
    ],
)
async def test_no_dialect_sends_a_credential_that_it_was_not_given(
    pool: ProviderPool, handler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = "OPENAI_API_KEY GOOGLE_API_KEY GEMINI_API_KEY ELEVENLABS_API_KEY ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN"
    for name in (*names.split(), "MISTRAL_API_KEY"):
        monkeypatch.setenv(name, "from-the-environment")
    seen: list[Asked] = []

    def answer(asked: Asked) -> Reply:
        seen.append(asked)
        return Reply(b"{}", status="500 Oops", headers=JSON)

    await fail(pool, answer, handler=handler, api_key=None)
    assert "from-the-environment" not in str(seen[0])
    assert not {"authorization", "x-goog-api-key", "xi-api-key", "x-api-key"} & seen[0].headers.keys()
    assert seen[0].headers["x-factory-call-id"]


async def test_usage_that_is_not_told_is_estimated_and_said_so(pool: ProviderPool) -> None:
    answer = await ask(pool, lambda _: Reply(dump_json(COMPLETION), headers=JSON), prompt="x" * 40)
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (10, 2)
    assert answer.warnings == ["usage: not told by the provider, estimated"]


@pytest.mark.parametrize(
    ("inner", "kind"),
    [
        ({"code": 429, "message": "upstream is busy"}, "rate_limited"),
        ({"code": 402, "message": "no credit"}, "quota_exhausted"),
        ({"code": "context_length_exceeded", "message": "too long"}, "server_error"),
        ({"message": "upstream died"}, "server_error"),
    ],
)
async def test_an_error_inside_a_200_is_an_error(pool: ProviderPool, inner: dict[str, Any], kind: str) -> None:
    error = await fail(pool, lambda _: Reply(dump_json({"error": inner}), headers=JSON))
    assert error.kind == kind
    assert error.message == inner["message"]


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"<html>Welcome</html>", "text/html"),
        (b"{not json", "application/json"),
        (b"[]", "application/json"),
        (b"{}", "application/json"),
        (b'{"choices": []}', "application/json"),
        (b'{"choices": [{"index": 0}]}', "application/json"),
        (b"", "application/json"),
    ],
)
@pytest.mark.parametrize(
    "handler", ["openai.chat_completions", "openai.responses", "openai.embeddings", "openai.speech", "google.generate_content",
                "google.embed_content", "google.speech", "elevenlabs.text_to_speech", "anthropic.messages",
                "mistral.chat", "mistral.embeddings", "mistral.speech"]
)  # fmt: skip
async def test_an_answer_that_is_none_is_an_invalid_response(
    pool: ProviderPool, body: bytes, media_type: str, handler: str
) -> None:
    error = await fail(pool, lambda _: Reply(body, headers={"content-type": media_type}), handler=handler)
    assert error.kind is ErrorKind.invalid_response


async def test_a_redirect_is_not_followed_with_the_key(pool: ProviderPool) -> None:
    moved = Reply(status="307 Temporary Redirect", headers={"location": "http://127.0.0.1:9/elsewhere"})
    for handler in (
        "openai.chat_completions",
        "openai.responses",
        "google.generate_content",
        "elevenlabs.text_to_speech",
        "anthropic.messages",
        "mistral.chat",
    ):
        error = await fail(pool, lambda _: moved, handler=handler)
        assert error.kind is ErrorKind.not_available


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        ("400 Bad", b'{"object":"error","message":"maximum context length is 8192","code":400}', "context_length"),
        ("400 Bad", b'{"error":{"code":400,"type":"exceed_context_size_error","message":"no"}}', "context_length"),
        ("404 No", b'{"error":"model \\"x\\" not found, try pulling it first"}', "not_available"),
        ("404 No", b"404 page not found", "not_available"),
        ("502 Bad", b"<html>nginx</html>", "server_error"),
        ("503 Busy", b'{"detail":"loading"}', "overloaded"),
    ],
)
async def test_their_refusals_are_understood(pool: ProviderPool, status: str, body: bytes, kind: str) -> None:
    error = await fail(pool, lambda _: Reply(body, status=status, headers=JSON))
    assert error.kind == kind
    assert error.message


async def test_a_refusal_does_not_repeat_the_prompt_or_the_key(pool: ProviderPool) -> None:
    prompt = "Mara is the lighthouse keeper of Skagen and afraid of gulls."
    key = "sk-live-0123456789abcdef"

    def answer(asked: Asked) -> Reply:
        said = f"Invalid input {prompt!r} for {asked.headers['authorization']}"
        return Reply(dump_json({"error": {"message": said}}), status="400 Bad", headers=JSON)

    error = await fail(pool, answer, prompt=prompt, api_key=key)
    assert "lighthouse" not in error.message
    assert "0123456789abcdef" not in error.message
    assert error.message.startswith("Invalid input")


async def test_speech_events_that_carry_an_error_are_one(pool: ProviderPool) -> None:
    def spoken(*events: dict[str, Any]) -> Callable[[Asked], Reply]:
        text = b"".join(b"data: " + dump_json(event) + b"\n\n" for event in events)
        return lambda _: Reply(text, headers={"content-type": "text/event-stream"})

    delta = {"type": "speech.audio.delta", "audio": base64.b64encode(b"\0" * 48_000).decode()}
    fields: dict[str, Any] = {"handler": "openai.speech", "format": "pcm", "parameters": {"instructions": True}}
    broken = await fail(pool, spoken(delta, {"type": "error", "error": {"message": "stopped"}}), **fields)
    assert broken.kind is ErrorKind.server_error
    silent = await ask(pool, spoken(delta, {"type": "speech.audio.done"}), **fields, input="x" * 40)
    assert silent.usage.prompt_tokens == 10
    assert silent.usage.audio_tokens == 21
    assert silent.warnings == ["usage: not told by the provider, estimated"]


async def test_a_streamed_wav_is_mended(pool: ProviderPool) -> None:
    from adapters.audio import encode_pcm

    whole = encode_pcm(b"\0" * 48_000, "wav")
    streamed = whole[:4] + b"\xff" * 4 + whole[8:40] + b"\xff" * 4 + whole[44:]
    reply = Reply(streamed, headers={"content-type": "audio/wav"})
    answer = await ask(pool, lambda _: reply, handler="openai.speech", format="wav")
    assert answer.audio == whole


async def test_the_endpoints_pattern_is_checked_and_names_the_version(pool: ProviderPool) -> None:
    seen: list[str] = []

    def answer(asked: Asked) -> Reply:
        seen.append(asked.path)
        return Reply(b"{}", headers=JSON)

    google = {"handler": "google.generate_content"}
    await fail(pool, answer, **google)
    await fail(pool, answer, **google, endpoint_pattern="/v1beta/models/{model}:generateContent")
    assert seen == [f"/v1/{version}/models/llama-5-8b:generateContent" for version in ("v1", "v1beta")]
    error = await fail(pool, answer, endpoint_pattern="/v1/responses")
    assert error.kind is ErrorKind.not_available
    assert "/chat/completions" in error.message
    assert len(seen) == 2


async def test_later_system_turns_stay_where_they_are(pool: ProviderPool) -> None:
    seen: list[Any] = []

    def answer(asked: Asked) -> Reply:
        seen.append(load_json(asked.body))
        return Reply(dump_json(COMPLETION), headers=JSON)

    roles = ["system", "user", "assistant", "system", "user"]
    turns = [{"role": role, "content": f"{role} {place}"} for place, role in enumerate(roles)]
    await ask(pool, answer, messages=turns, system="first", response_format={"type": "json_object"})
    (body,) = seen
    assert [message["role"] for message in body["messages"]] == roles
    assert body["messages"][0]["content"] == "first\n\nsystem 0\n\nAnswer in JSON."


async def test_thought_signatures_go_there_and_back(pool: ProviderPool) -> None:
    signature = base64.b64encode(b"why I called it").decode()
    part = {"functionCall": {"name": "look", "args": {"a": 1}}, "thoughtSignature": signature}
    reply = {"candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}]}
    seen: list[Any] = []

    def answer(asked: Asked) -> Reply:
        seen.append(load_json(asked.body))
        return Reply(dump_json(reply), headers=JSON)

    first = await ask(pool, answer, handler="google.generate_content")
    assert first.tool_calls is not None
    foreign = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    for calls in (first.tool_calls, [foreign]):
        turns = [
            {"role": "user", "content": "look"},
            {"role": "assistant", "tool_calls": calls},
            {"role": "tool", "tool_call_id": calls[0]["id"], "content": "[1]"},
        ]
        await ask(pool, answer, handler="google.generate_content", messages=turns)
    sent, made_up = (body["contents"][1]["parts"][0] for body in seen[1:])
    assert base64.b64decode(sent["thoughtSignature"]) == b"why I called it"
    assert base64.b64decode(made_up["thoughtSignature"]) == b"skip_thought_signature_validator"
    assert seen[1]["contents"][2]["parts"][0]["functionResponse"]["response"] == {"result": [1]}
