"""What providers say of their limits, read out of headers, and heard through the real SDKs."""

import httpx
import pytest

from adapters.limits import read_limits
from core.limits import ProviderWord
from core.provider import ErrorKind, ProviderError
from tests.adapters.calls import make_call
from tests.adapters.conftest import Providers

DATE = {"date": "Tue, 24 Nov 2026 03:00:00 GMT"}
SAID = [
    ({"current-concurrent-requests": "3", "maximum-concurrent-requests": "10"},
     ProviderWord(most_at_once=10, running=3)),
    ({"x-ratelimit-limit-requests": "500", "x-ratelimit-remaining-requests": "499",
      "x-ratelimit-reset-requests": "120ms", "x-ratelimit-limit-tokens": "30000",
      "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"},
     ProviderWord(requests_per_minute=500, rest_s=360.0)),
    ({"X-RateLimit-Limit-Requests": "10000", "X-RateLimit-Remaining-Requests": "9999",
      "X-RateLimit-Reset-Requests": "8.64s"}, ProviderWord()),
    ({**DATE, "anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-remaining": "0",
      "anthropic-ratelimit-requests-reset": "2026-11-24T03:00:12Z",
      "anthropic-ratelimit-input-tokens-limit": "40000", "anthropic-ratelimit-output-tokens-limit": "8000"},
     ProviderWord(requests_per_minute=50, tokens_per_minute=48000, rest_s=12.0)),
    ({"x-ratelimit-limit-requests": "many", "x-ratelimit-reset-requests": "soon"}, ProviderWord()),
    ({"content-type": "application/json", "retry-after": "3"}, None),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "word"), SAID)
def test_headers_are_read(headers: dict[str, str], word: ProviderWord | None) -> None:
    assert read_limits(headers) == word


HEARD = [
    ("openai.chat_completions", "gpt-5.4-nano", {"requests_per_minute": 1}),
    ("openai.responses", "gpt-5.4-mini", {"requests_per_minute": 1}),
    ("anthropic.messages", "claude-haiku-4-5", {"requests_per_minute": 1}),
    ("mistral.chat", "mistral-small-2603", {"requests_per_minute": 1}),
    ("elevenlabs.text_to_speech", "eleven_turbo_v2", {"concurrency": 1}),
]


@pytest.mark.parametrize(("handler", "model", "limits"), HEARD)
async def test_every_sdk_lets_the_headers_be_heard(
    providers: Providers, handler: str, model: str, limits: dict[str, int]
) -> None:
    provider = handler.partition(".")[0]
    async with httpx.AsyncClient(base_url=providers.url, params={"owner": model}) as emulator:
        await emulator.post("/_emulator/limits", json={"provider": provider, "model": model, **limits})
        call = make_call(handler, base_url=providers.base_url(handler), model_id=model)
        heard = (await providers.call(call)).limits
        assert heard is not None
        if "concurrency" in limits:
            assert heard == ProviderWord(most_at_once=1, running=1)
            return
        assert heard.requests_per_minute == 1
        assert heard.rest_s is not None
        assert 50 < heard.rest_s <= 63
        with pytest.raises(ProviderError, match=r"(?i)rate|limit|exceed") as refused:
            await providers.call(call)
        assert refused.value.kind is ErrorKind.rate_limited
        await emulator.delete("/_emulator/limits")
