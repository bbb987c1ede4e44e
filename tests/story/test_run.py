import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import mutagen
import pytest

from core.settings import Settings
from producer.client import FactoryClient, open_client
from producer.story.brief import StoryBrief
from producer.story.report import StoryReport
from producer.story.run import StoryState, follow_story, submit_story, write_story
from tests.house import Factory


@pytest.fixture
async def client(factory: Factory, settings: Settings) -> AsyncIterator[FactoryClient]:
    """As the commands have it: in this process, as project `default`."""
    async with open_client(settings) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "story"


def brief(chapters: object = 2, **fields: object) -> StoryBrief:
    return StoryBrief.model_validate(
        {"title": "The {{Lamp}}", "chapters": chapters, "words_per_chapter": 40, "models": {"summary": "fast"}} | fields
    )


async def told(client: FactoryClient, order: StoryBrief, folder: Path) -> tuple[list[StoryState], StoryReport]:
    batch = await submit_story(client, order)
    states = [state async for state in follow_story(client, batch["id"])]
    return states, await write_story(client, order, states[-1].batch, folder)


async def test_a_story_is_written_narrated_and_accounted_for(client: FactoryClient, folder: Path) -> None:
    states, report = await told(client, brief(["Rain", "Rain"]), folder)
    assert report.failures == []
    keys = ["outline", "chapter-1", "narration-1", "summary-1", "chapter-2", "narration-2"]
    assert [job["key"] for job in states[-1].jobs] == keys
    assert all(job["result"]["model"] for job in states[-1].jobs)
    names = ["01-rain.md", "01-rain.mp3", "02-rain.md", "02-rain.mp3"]
    assert sorted(path.name for path in folder.iterdir()) == [*names, "story.json"]
    assert (folder / "01-rain.md").read_text().startswith("# Rain\n\n")
    assert mutagen.File(folder / "02-rain.mp3").info.length > 1
    record = json.loads((folder / "story.json").read_text(), parse_float=Decimal)
    assert record["files"] == names
    assert record["emulated"] is True
    assert len(record["outline"]["chapters"]) == 2
    assert record["cost_usd"] == sum(job["cost_usd"] for job in record["jobs"]) > 0
    assert record["cost_usd"] == sum(row["cost_usd"] for row in record["totals"]["by_model"])
    assert all(job["latency_ms"] >= 0 and job["attempts"] == 1 and job["provider"] for job in record["jobs"])


async def test_the_same_brief_joins_its_batch_and_a_salt_makes_another(client: FactoryClient) -> None:
    order = brief(narration=False)
    first = await submit_story(client, order)
    assert (await submit_story(client, order))["id"] == first["id"]
    assert (await submit_story(client, order, "salt"))["id"] != first["id"]
    assert (await submit_story(client, brief(3, narration=False)))["id"] != first["id"]


async def test_writing_again_keeps_what_is_there_and_removes_what_the_story_no_longer_has(
    client: FactoryClient, folder: Path
) -> None:
    await told(client, brief(["Rain", "Snow"]), folder)
    (folder / "01-my-notes.md").write_text("mine")
    sound = (folder / "01-rain.mp3").stat().st_ino
    (folder / "01-rain.md").write_text("spoilt")
    states, _ = await told(client, brief(["Rain", "Snow"]), folder)
    assert len(states) == 1
    assert (folder / "01-rain.md").read_text() != "spoilt"
    assert (folder / "01-rain.mp3").stat().st_ino == sound
    await told(client, brief(["Rain"], narration=False), folder)
    assert sorted(path.name for path in folder.iterdir()) == ["01-my-notes.md", "01-rain.md", "story.json"]


async def test_a_story_json_cannot_have_files_elsewhere_removed(client: FactoryClient, folder: Path) -> None:
    folder.mkdir()
    outside = folder.parent / "01-outside.md"
    outside.write_text("mine")
    (folder / "story.json").write_text(json.dumps({"files": ["../01-outside.md", "01/../../01-outside.md", 3]}))
    await told(client, brief(["Rain"], narration=False), folder)
    assert outside.exists()


async def test_what_was_written_survives_what_failed(factory: Factory, settings: Settings, folder: Path) -> None:
    await factory.execute(
        "INSERT INTO factory.models (provider, model_id, kind) VALUES ('openai', 'gpt-4o-mini-tts@policy', 'speech')"
    )
    await factory.settled()
    order = brief(["Rain", "Snow"], models={"narration": "gpt-4o-mini-tts@policy", "summary": "fast"})
    async with open_client(settings) as client:
        _, report = await told(client, order, folder)
    failures = [(failure.key, failure.status, failure.follows) for failure in report.failures]
    assert failures == [("narration-1", "failed", False), ("narration-2", "failed", False)]
    assert all(failure.reason for failure in report.failures)
    assert sorted(path.name for path in folder.iterdir()) == ["01-rain.md", "02-snow.md", "story.json"]
