"""Speech at length: parts of their own, one clean file, nothing bought twice, one voice."""

import asyncio
import io
import random
from typing import Any
from uuid import UUID

import httpx
import mutagen
import pytest

from adapters.audio import measure_duration_s
from tests.house import Factory
from tests.prose import chapter
from tests.workers.test_promises import break_model

NARRATORS = [
    ("openai/gpt-4o-mini-tts", "wav", 60_000),
    ("openai/tts-1-hd", "flac", 14_000),
    ("google/gemini-3.8-flash-tts", "pcm", 14_000),
    ("google/gemini-3.8-flash-lite-tts", "wav", 14_000),
    ("elevenlabs/eleven_multilingual_v2:JBFqnCBsd6RMkjVDRZzb", "mp3", 9_000),
    ("elevenlabs/eleven_flash_v2_5:cjVigY5qzO86Huf0OWal", "wav", 24_000),
    ("elevenlabs/eleven_v4:XrExE9yKIg1WjnnlVkGX", "wav", 14_000),
]


async def narrate(factory: Factory, text: str, **fields: Any) -> dict[str, Any]:
    """Submit, and wait until it is over."""
    job = await factory.job(kind="speech", **{"model": "openai/tts-1-hd", "format": "wav", "input": text} | fields)
    async with asyncio.timeout(60):
        while job["status"] not in {"completed", "failed", "cancelled", "expired"}:
            job = (await factory.client.get(f"/v1/jobs/{job['id']}?wait=10")).json()
    return job


async def audio_of(factory: Factory, job: dict[str, Any]) -> bytes:
    answer = await factory.client.get(job["urls"]["audio"])
    assert answer.status_code == 200
    return answer.content


async def parts_of(factory: Factory, job: dict[str, Any]) -> list[Any]:
    return list(await factory.execute("SELECT * FROM factory.job_parts WHERE job_id = $1 ORDER BY n", UUID(job["id"])))


async def narrators(factory: Factory, model: str) -> None:
    """An alias `mine`: this model of ElevenLabs, which no other test uses, before one of OpenAI."""
    await factory.execute("UPDATE factory.models SET active = true WHERE model_id = $1", model)
    for place, (provider, name) in enumerate((("elevenlabs", model), ("openai", "gpt-4o-mini-tts"))):
        await factory.execute(
            "INSERT INTO factory.alias_targets (alias, provider, model_id, position) VALUES ('mine', $1, $2, $3)",
            provider,
            name,
            place,
        )
    await factory.settled()


def one_word_changed(text: str, seed: int) -> str:
    words = text.split(" ")
    place = random.Random(seed).randrange(len(words))
    words[place] = "thunderstruck" + words[place][-1:]
    return " ".join(words)


@pytest.mark.parametrize(("model", "form", "characters"), NARRATORS)
async def test_a_long_chapter_is_one_file(factory: Factory, model: str, form: str, characters: int) -> None:
    """And after a word was changed, at most three parts are bought."""
    text = chapter(characters, 11)
    job = await narrate(factory, text, model=model, format=form)
    assert job["status"] == "completed", job["error"]
    parts = await parts_of(factory, job)
    audio, whole = job["result"]["audio"], await audio_of(factory, job)
    assert audio["parts"] == len(parts) == len(job["calls"]) >= characters // 4000
    assert [call["part"] for call in sorted(job["calls"], key=lambda call: call["part"])] == [p["n"] for p in parts]
    assert all(call["cost"] is not None and call["cost"] > 0 for call in job["calls"])
    spoken = sum(part["duration_s"] for part in parts)
    assert measure_duration_s(whole, form) == pytest.approx(spoken, rel=0.03)
    assert audio["duration_s"] == pytest.approx(measure_duration_s(whole, form), abs=0.1)
    assert audio["bytes"] == len(whole)
    if form != "pcm":
        assert mutagen.File(io.BytesIO(whole)).info.length == pytest.approx(spoken, rel=0.03)
    assert job["result"]["usage"]["characters"] == pytest.approx(len(text), rel=0.01)
    edited = await narrate(factory, one_word_changed(text, 4), model=model, format="wav")
    assert edited["status"] == "completed", edited["error"]
    assert 1 <= len(edited["calls"]) <= 3


async def test_the_same_narration_again_costs_nothing(factory: Factory) -> None:
    text = chapter(9_000, 1)
    first = await narrate(factory, text)
    again = await narrate(factory, text)
    assert again["calls"] == []
    assert (again["cost"], again["result"]["cost"], again["result"]["cached"]) == (0, 0, True)
    assert again["result"]["usage"] == first["result"]["usage"]
    assert await audio_of(factory, again) == await audio_of(factory, first)
    for fields in ({"cache": "off"}, {"cache": "refresh"}, {"voice": "nova"}, {"speed": 1.1}):
        bought = await narrate(factory, text, **fields)
        assert len(bought["calls"]) == len(first["calls"]), fields
        assert bought["result"]["cached"] is False


async def test_a_short_text_is_one_part_in_the_format_asked_for(factory: Factory) -> None:
    job = await narrate(factory, "Once upon a time.", format="mp3")
    assert (job["result"]["audio"]["parts"], job["result"]["audio"]["format"]) == (1, "mp3")
    assert [call["part"] for call in job["calls"]] == [None]
    again = await narrate(factory, "Once upon a time.", format="mp3")
    assert again["calls"] == []
    assert await audio_of(factory, again) == await audio_of(factory, job)


async def test_a_part_that_is_no_longer_stored_is_bought_again(factory: Factory) -> None:
    text = chapter(9_000, 2)
    first = await narrate(factory, text)
    lost = (await parts_of(factory, first))[1]
    rows = await factory.execute("SELECT result FROM factory.jobs")
    whole = rows[0]["result"]["audio"]["storage_key"]
    await factory.services.storage.delete([lost["storage_key"], whole])
    again = await narrate(factory, text)
    assert [call["part"] for call in again["calls"]] == [2]


async def test_another_project_hears_nothing_of_mine(factory: Factory) -> None:
    from producer.keys import create_key

    text = chapter(5_000, 3)
    mine = await narrate(factory, text)
    key = await create_key(factory.services.database, project="other", make_project=True)
    answer = await factory.client.post(
        "/v1/jobs",
        json={"kind": "speech", "model": "openai/tts-1-hd", "format": "wav", "input": text},
        headers={"x-api-key": key, "Prefer": "wait=30"},
    )
    assert len(answer.json()["calls"]) == len(mine["calls"]) > 1


async def test_word_times_run_over_the_whole_file(factory: Factory) -> None:
    text = chapter(9_000, 4)
    job = await narrate(factory, text, model="elevenlabs/eleven_flash_v2_5:cjVigY5qzO86Huf0OWal", timestamps=True)
    assert job["status"] == "completed", job["error"]
    words = job["result"]["audio"]["timestamps"]
    assert [word["word"] for word in words] == text.split()
    starts = [word["start_s"] for word in words]
    assert starts == sorted(starts)
    assert words[-1]["end_s"] == pytest.approx(job["result"]["audio"]["duration_s"], abs=0.5)
    assert "warnings" not in job["result"]


async def test_a_provider_without_word_times_says_so(factory: Factory) -> None:
    job = await narrate(factory, "Once upon a time.", timestamps=True)
    assert "timestamps" not in job["result"]["audio"]
    assert job["result"]["warnings"] == ["timestamps: not accepted by tts-1-hd, left out"]
    strict = await factory.generate(
        kind="speech", model="openai/tts-1-hd", input="Once upon a time.", timestamps=True, strict=True
    )
    assert (strict.status_code, strict.json()["code"]) == (400, "no_route")
    assert "does not accept timestamps" in strict.json()["detail"]


async def test_aac_cannot_be_joined_and_says_so(factory: Factory) -> None:
    answer = await factory.generate(kind="speech", model="openai/tts-1-hd", input=chapter(9_000, 5), format="aac")
    assert (answer.status_code, answer.json()["code"]) == (413, "context_length")
    assert "parts in aac cannot be joined" in answer.json()["detail"]


async def test_a_provider_that_fails_in_the_middle_is_waited_for(factory: Factory, emulator: httpx.AsyncClient) -> None:
    """Also while its breaker is open, and without another voice."""
    await narrators(factory, "eleven_turbo_v2")
    await break_model(emulator, "elevenlabs", "eleven_turbo_v2", "slow=0.1", times=3)
    await break_model(emulator, "elevenlabs", "eleven_turbo_v2", "500", times=6)
    job = await narrate(factory, chapter(16_000, 6), model="mine", voice="narrator")
    assert job["status"] == "completed", job["error"]
    assert {call["provider"] for call in job["calls"]} == {"elevenlabs"}
    bought = [call["part"] for call in job["calls"] if call["outcome"] == "ok"]
    assert len(bought) == len(set(bought)) == job["result"]["audio"]["parts"]
    assert sum(call["outcome"] == "server_error" for call in job["calls"]) == 6


async def test_or_the_whole_narration_moves_to_another_voice(factory: Factory, emulator: httpx.AsyncClient) -> None:
    await narrators(factory, "eleven_turbo_v2_5")
    await break_model(emulator, "elevenlabs", "eleven_turbo_v2_5", "slow=0.1", times=3)
    await break_model(emulator, "elevenlabs", "eleven_turbo_v2_5", "500")
    job = await narrate(factory, chapter(16_000, 7), model="mine", voice="narrator", voice_policy="any")
    assert job["status"] == "completed", job["error"]
    spoken = [call["provider"] for call in job["calls"] if call["outcome"] == "ok"]
    assert spoken.count("elevenlabs") == 3
    assert spoken.count("openai") == job["result"]["audio"]["parts"]
    assert job["result"]["provider"] == "openai"


async def test_narrations_of_a_batch_keep_the_voice_of_the_first(factory: Factory, emulator: httpx.AsyncClient) -> None:
    def line(number: int, policy: str, after: list[str]) -> dict[str, Any]:
        text = f"This is line {number} of the {policy} kind."
        return {
            "kind": "speech", "model": "mine", "voice": "narrator", "input": text, "voice_policy": policy,
            "key": f"{policy}{number}", "after": after,
        }  # fmt: skip

    await narrators(factory, "eleven_flash_v2")
    await break_model(emulator, "elevenlabs", "eleven_flash_v2", "503", times=1)
    lines = [line(1, "keep", []), *(line(n, "keep", ["keep1"]) for n in range(2, 6)), line(6, "any", ["keep1"])]
    batch = (await factory.client.post("/v1/job-batches", json={"jobs": lines})).json()
    async with asyncio.timeout(30):
        while (await factory.client.get(batch["urls"]["self"])).json()["status"] != "completed":
            await asyncio.sleep(0.02)
    jobs = (await factory.client.get(f"/v1/jobs?batch_id={batch['id']}")).json()["data"]
    spoke = {job["key"]: (await factory.client.get(job["urls"]["self"])).json()["result"]["provider"] for job in jobs}
    assert spoke == {"keep1": "openai", **{f"keep{n}": "openai" for n in range(2, 6)}, "any6": "elevenlabs"}
