"""Embeddings, speech and models through OpenAI's own client."""

import io
from typing import Any

import openai
import pytest
import soundfile
from openai import AsyncOpenAI

from core.request import AUDIO_TYPES, JOINABLE_FORMATS
from tests.house import Factory


async def test_embeddings_are_the_same_as_floats_and_as_the_clients_base64(client: AsyncOpenAI) -> None:
    texts = ["a cat", "a dog", "the sea"]
    packed = await client.embeddings.create(model="embed", input=texts)
    plain = await client.embeddings.create(model="embed", input=texts, encoding_format="float", dimensions=None)  # type: ignore[arg-type]
    assert [one.index for one in packed.data] == [0, 1, 2]
    for one, other in zip(packed.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, rel=1e-6)
    assert packed.usage.total_tokens == packed.usage.prompt_tokens > 0
    one_text = await client.embeddings.create(model="embed", input="a cat", dimensions=256)
    assert [len(one.embedding) for one in one_text.data] == [256]


async def test_speech_in_every_format_with_the_factorys_voices_and_openais(
    client: AsyncOpenAI, factory: Factory
) -> None:
    text = "The lamp went out at four."
    formats: Any = sorted(JOINABLE_FORMATS)  # the emulator makes no aac
    for form in formats:
        voice: Any = "narrator" if form == "mp3" else "alloy" if form != "wav" else {"id": "fable"}
        model = "narrator" if form == "mp3" else "gpt-4o-mini-tts"
        async with client.audio.speech.with_streaming_response.create(
            model=model, voice=voice, input=text, response_format=form, speed=1.1, instructions="Calmly."
        ) as answer:
            sound = b"".join([piece async for piece in answer.iter_bytes()])
        assert answer.headers["content-type"] == AUDIO_TYPES[form]
        assert int(answer.headers["content-length"]) == len(sound) > 500
        assert answer.headers["x-factory-job-id"]
        assert float(answer.headers["x-factory-cost"]) > 0
        if form in ("mp3", "wav", "flac", "opus"):
            assert soundfile.info(io.BytesIO(sound)).duration > 0.5
    plain = await client.audio.speech.with_raw_response.create(model="narrator", voice="alloy", input=text)
    assert soundfile.info(io.BytesIO(plain.content)).format == "MP3"
    assert plain.headers["x-factory-provider"] == "openai"


async def test_models_are_aliases_and_what_is_switched_on(client: AsyncOpenAI, factory: Factory) -> None:
    await factory.execute(
        "INSERT INTO factory.aliases (alias, project_id) SELECT 'ours', id FROM factory.projects WHERE name = 'nicestory'"
    )
    await factory.execute("INSERT INTO factory.projects (name) VALUES ('stranger')")
    await factory.execute(
        "INSERT INTO factory.aliases (alias, project_id) SELECT 'theirs', id FROM factory.projects WHERE name = 'stranger'"
    )
    await factory.settled()
    listed = {model.id: model.owned_by async for model in client.models.list()}
    assert listed["fast"] == listed["ours"] == "factory"
    assert listed["gpt-6-luna"] == "openai"
    assert "theirs" not in listed
    active = await factory.execute("SELECT count(*) AS count FROM factory.models WHERE active")
    assert len([owner for owner in listed.values() if owner != "factory"]) == active[0]["count"]
    for name in ("fast", "gpt-6-luna", "openai/gpt-6-luna", "eleven_multilingual_v2:JBFqnCBsd6RMkjVDRZzb"):
        assert (await client.models.retrieve(name)).id == name
    for name in ("theirs", "gpt-2", "google/gpt-6-luna"):
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve(name)
