"""Conformance: speech and embeddings, whoever makes them."""

import io
from dataclasses import replace
from typing import Any

import mutagen
import pytest

from adapters.audio import measure_duration_s
from adapters.registry import HANDLERS
from core.catalog import Voice
from core.jsonio import load_json
from core.provider import ErrorKind
from tests.adapters.calls import make_call
from tests.adapters.conftest import Providers
from tests.adapters.server import Asked, Reply, serving
from tests.adapters.suite import EMBEDDING, SPEECH, ask, fail

SPOKEN = "The lighthouse keeper counted the ships, and then the stars, until the morning came."


@pytest.mark.parametrize("handler", EMBEDDING)
async def test_every_text_gets_its_vector_in_order(providers: Providers, handler: str) -> None:
    texts = ["the sea at night", "a recipe for bread", "the sea at night"]
    answer = await ask(providers, handler, input=texts, dimensions=64)
    assert answer.embeddings is not None
    assert [len(vector) for vector in answer.embeddings] == [64, 64, 64]
    assert answer.embeddings[0] == answer.embeddings[2] != answer.embeddings[1]
    assert answer.usage.prompt_tokens > 0
    estimated = handler.startswith("google")
    assert answer.warnings == (["usage: not told by the provider, estimated"] if estimated else [])
    single = await ask(providers, handler, input="the sea at night", dimensions=64)
    assert single.embeddings == [answer.embeddings[0]]
    whole = await ask(providers, handler, input="the sea at night")
    assert len((whole.embeddings or [[]])[0]) > 1000


@pytest.mark.parametrize("handler", EMBEDDING)
async def test_dimensions_that_a_model_cannot_change_are_left_out(providers: Providers, handler: str) -> None:
    answer = await ask(providers, handler, dimensions=64, parameters={"dimensions": False})
    assert len((answer.embeddings or [[]])[0]) > 1000
    assert "dimensions: not accepted" in answer.warnings[0]


@pytest.mark.parametrize("handler", SPEECH)
@pytest.mark.parametrize("form", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
async def test_speech_comes_in_the_format_asked_for(providers: Providers, handler: str, form: str) -> None:
    if form not in HANDLERS[handler].formats:
        pytest.skip(f"{handler} does not deliver {form}, and it is not encoded here")
    if form == "aac":
        pytest.skip("the emulator makes no AAC")
    answer = await ask(providers, handler, input=SPOKEN, format=form)
    assert answer.audio is not None
    assert answer.audio_format == form
    assert answer.request_id
    assert answer.usage.characters == len(SPOKEN)
    seconds = measure_duration_s(answer.audio, form)
    assert 4 < seconds < 8
    if form != "pcm":
        measured = mutagen.File(io.BytesIO(answer.audio))
        assert measured.info.length == pytest.approx(seconds, abs=0.1)


@pytest.mark.parametrize("handler", SPEECH)
async def test_speech_that_is_billed_by_token_says_how_many(providers: Providers, handler: str) -> None:
    answer = await ask(providers, handler, input=SPOKEN)
    assert answer.audio_format == "mp3"
    if handler.startswith(("elevenlabs", "mistral")):
        assert answer.usage.total_tokens == 0
    else:
        assert answer.usage.prompt_tokens > 0
        assert answer.usage.audio_tokens == answer.usage.completion_tokens > 50
    assert answer.warnings == []


@pytest.mark.parametrize("handler", SPEECH)
async def test_directions_and_speed_are_given_or_named(providers: Providers, handler: str) -> None:
    fields = {"input": SPOKEN, "instructions": "Say slowly.", "speed": 0.8, "language": "en-GB", "seed": 5}
    answer = await ask(providers, handler, **fields, voice_settings={"stability": 0.4}, format="wav")
    named = {warning.partition(":")[0] for warning in answer.warnings}
    assert (
        named
        == {
            "openai.speech": {"language", "voice_settings", "seed"},
            "google.speech": {"speed", "voice_settings"},
            "elevenlabs.text_to_speech": {"instructions"},
            "mistral.speech": {"instructions", "speed", "language", "voice_settings", "seed"},
        }[handler]
    )
    assert answer.audio is not None
    usual = len(SPOKEN) / 15
    expected = usual / (1 if handler.startswith(("google", "mistral")) else 0.8)
    assert measure_duration_s(answer.audio, "wav") == pytest.approx(expected, abs=1.2)


@pytest.mark.parametrize(
    ("handler", "known"),
    [
        ("openai.speech", "nova"),
        ("google.speech", "Puck"),
        ("elevenlabs.text_to_speech", "EXAVITQu4vr4xnSDxMaL"),
        ("mistral.speech", "gb_jane_neutral"),
    ],
)
async def test_a_voice_is_mapped_or_taken_at_its_word(providers: Providers, handler: str, known: str) -> None:
    mapped = Voice("grandmother", handler.partition(".")[0], known, {"stability": 0.5})
    assert (await ask(providers, handler, voice="grandmother", format="pcm", mapped_voice=mapped)).audio
    assert (await ask(providers, handler, voice=known, format="pcm")).audio
    error = await fail(providers, handler, voice="nobody", format="pcm")
    assert error.kind is ErrorKind.invalid_request
    assert "nobody" in error.message


@pytest.mark.parametrize("handler", SPEECH)
async def test_word_times_are_given_or_named(providers: Providers, handler: str) -> None:
    answer = await ask(providers, handler, input=SPOKEN, format="wav", timestamps=True)
    assert answer.audio is not None
    seconds = measure_duration_s(answer.audio, "wav")
    if handler != "elevenlabs.text_to_speech":
        assert answer.words is None
        assert [warning.partition(":")[0] for warning in answer.warnings] == ["timestamps"]
        return
    assert answer.words is not None
    assert [word.word for word in answer.words] == SPOKEN.split()
    assert all(0 <= word.start_s < word.end_s <= seconds + 0.1 for word in answer.words)
    assert answer.usage.characters == len(SPOKEN)
    assert answer.request_id
    assert answer.warnings == []


async def test_only_a_model_that_takes_it_is_told_what_comes_before_and_behind(providers: Providers) -> None:
    bodies: list[dict[str, Any]] = []

    def answer(asked: Asked) -> Reply:
        bodies.append(load_json(asked.body))
        return Reply(b"sound", headers={"content-type": "audio/mpeg"})

    async with serving(answer) as url:
        for told in (True, False):
            call = make_call("elevenlabs.text_to_speech", base_url=url, parameters={"stitching": told}, input=SPOKEN)
            await providers.call(replace(call, previous_text="The evening came.", next_text="And then he slept."))
    assert (bodies[0]["previous_text"], bodies[0]["next_text"]) == ("The evening came.", "And then he slept.")
    assert not {"previous_text", "next_text"} & bodies[1].keys()
