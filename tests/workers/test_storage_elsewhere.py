"""The whole factory with its audio on an S3-compatible server."""

import hashlib
from pathlib import Path

import pytest

from core.settings import Settings
from tests.house import Factory
from tests.prose import chapter


@pytest.fixture
def settings(settings: Settings, s3_url: str) -> Settings:
    """Those of every test, with a bucket."""
    return settings.model_copy(update={"storage_url": s3_url})


async def test_narrations_live_in_a_bucket(factory: Factory, tmp_path: Path) -> None:
    job = await factory.job(kind="speech", model="openai/tts-1-hd", input=chapter(5_000, 3), format="mp3")
    assert job["status"] == "completed", job["error"]
    audio = job["result"]["audio"]
    assert audio["parts"] > 1
    whole = await factory.client.get(job["urls"]["audio"])
    assert hashlib.sha256(whole.content).hexdigest() == audio["sha256"]
    part = await factory.client.get(job["urls"]["audio"], headers={"Range": "bytes=1000-1999"})
    assert part.content == whole.content[1000:2000]
    assert not (tmp_path / "storage").exists()
