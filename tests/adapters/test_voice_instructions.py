"""A semantic voice brings its own instructions to the providers that take any; the request's own go before them."""

from typing import Any

import pytest

from adapters.pool import ProviderPool
from adapters.registry import load_handler
from core.catalog import Voice
from core.jsonio import load_json
from core.provider import ProviderError
from sql.catalog import load_catalog
from tests.adapters.calls import make_call
from tests.adapters.conftest import Providers
from tests.adapters.server import Asked, Reply, serving
from tests.adapters.suite import PARAMETERS, ask

SOFTLY = "Speak softly."
OF_THE_VOICE = "Speak as a kind old grandmother."
VOICES = {"openai.speech": "coral", "google.speech": "Kore"}


def grandmother(handler: str) -> Voice:
    return Voice("grandmother", handler.partition(".")[0], VOICES[handler], {"instructions": OF_THE_VOICE})


async def spoken_with(handler: str, **fields: Any) -> str | None:
    """The instructions that went out; for Gemini what stands before the text."""
    bodies: list[Any] = []

    def refuse(asked: Asked) -> Reply:
        bodies.append(load_json(asked.body))
        return Reply(b"{}", status="500 Oops", headers={"content-type": "application/json"})

    async with ProviderPool() as pool, serving(refuse) as url:
        call = make_call(handler, base_url=f"{url}/v1", input="Once.", mapped_voice=grandmother(handler), **fields)
        with pytest.raises(ProviderError):
            await load_handler(handler, pool)(call)
    if handler == "openai.speech":
        said: str | None = bodies[0].get("instructions")
        return said
    text: str = bodies[0]["contents"][0]["parts"][0]["text"]
    return text.removesuffix("Once.").removesuffix(": ") or None


def as_sent(handler: str, words: str) -> str:
    return words if handler == "openai.speech" else words.removesuffix(".")


@pytest.mark.parametrize("handler", sorted(VOICES))
async def test_the_voices_instructions_are_used_where_nobody_gave_any(handler: str) -> None:
    parameters = PARAMETERS.get(handler, {})
    assert await spoken_with(handler, parameters=parameters) == as_sent(handler, OF_THE_VOICE)
    assert await spoken_with(handler) == as_sent(handler, OF_THE_VOICE)


@pytest.mark.parametrize("handler", sorted(VOICES))
async def test_the_requests_and_the_targets_instructions_go_before_the_voices(handler: str) -> None:
    assert await spoken_with(handler, instructions=SOFTLY) == as_sent(handler, SOFTLY)
    assert await spoken_with(handler, defaults={"instructions": SOFTLY}) == as_sent(handler, SOFTLY)
    assert await spoken_with(handler, defaults={"speed": 1.0}) == as_sent(handler, OF_THE_VOICE)


@pytest.mark.parametrize("handler", sorted(VOICES))
async def test_a_model_that_takes_none_is_spared_them_without_a_word(providers: Providers, handler: str) -> None:
    assert await spoken_with(handler, parameters={"instructions": False}) is None
    if handler == "openai.speech":
        voice, parameters = grandmother(handler), {"instructions": False}
        answer = await ask(providers, handler, model_id="tts-1", mapped_voice=voice, parameters=parameters)
        assert answer.audio
        assert answer.warnings == []


@pytest.mark.parametrize("row", [row for row in load_catalog().voices if row["provider"] in ("openai", "google")])
async def test_every_shipped_voice_speaks(providers: Providers, row: dict[str, Any]) -> None:
    handler = f"{row['provider']}.speech"
    voice = Voice(row["voice"], row["provider"], row["provider_voice_id"], row["settings"])
    answer = await ask(providers, handler, input="Once.", voice=row["voice"], mapped_voice=voice, format="wav")
    plain = await ask(providers, handler, input="Once.", voice=row["provider_voice_id"], format="wav")
    assert answer.audio
    assert answer.warnings == []
    assert answer.usage.prompt_tokens > plain.usage.prompt_tokens
