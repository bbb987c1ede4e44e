"""Submits a story, follows it, and writes its folder."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.jsonio import dump_json
from producer.client import FactoryClient
from producer.story.brief import StoryBrief
from producer.story.plan import plan_story, story_key
from producer.story.report import describe_story, name_files

AUDIO_AT_ONCE = 4
WAIT_S = 20.0

Progress = Callable[[Mapping[str, Any], Sequence[Mapping[str, Any]]], None]


async def submit_story(client: FactoryClient, brief: StoryBrief, salt: str) -> dict[str, Any]:
    """The batch: a new one, or the one that this very story already has."""
    return await client.submit_batch(plan_story(brief), name=brief.title[:200], idempotency_key=story_key(brief, salt))


async def follow_story(client: FactoryClient, batch: dict[str, Any], show: Progress) -> list[dict[str, Any]]:
    """Until every job is over; `show` is called at every change."""
    while True:
        jobs = await client.batch_results(batch["id"])
        batch.update(await client.get_batch(batch["id"]))
        show(batch, jobs)
        if batch["status"] != "in_progress":
            return await client.batch_results(batch["id"])
        batch.update(await client.get_batch(batch["id"], wait_s=WAIT_S, seen=batch["sequence"]))


async def write_story(
    client: FactoryClient, brief: StoryBrief, batch: Mapping[str, Any], jobs: Sequence[Mapping[str, Any]], folder: Path
) -> list[Path]:
    """Chapters, narrations and story.json; each file appears whole or not at all. Running again overwrites them."""
    folder.mkdir(parents=True, exist_ok=True)
    files = name_files(brief, jobs)
    gate = asyncio.Semaphore(AUDIO_AT_ONCE)

    async def download(name: str, job_id: str) -> None:
        async with gate:
            unfinished = folder / f".{name}.{os.getpid()}"
            await client.download_audio(job_id, unfinished)
            unfinished.replace(folder / name)

    await asyncio.gather(*(download(name, job_id) for name, job_id in files.narrations.items()))
    for name, text in files.chapters.items():
        _write(folder / name, text.encode())
    _write(folder / "story.json", dump_json(describe_story(brief, batch, jobs), indent=True) + b"\n")
    return sorted(folder / name for name in (*files.chapters, *files.narrations, "story.json"))


def _write(path: Path, data: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(data)
    unfinished.replace(path)
