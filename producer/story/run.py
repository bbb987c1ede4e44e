"""Submits a story, follows it, and writes its folder."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.jsonio import dump_json, load_json
from producer.client import FactoryClient
from producer.story.brief import StoryBrief
from producer.story.plan import plan_story, story_key
from producer.story.report import AudioFile, StoryReport, report_story

DOWNLOADS_AT_ONCE = 4
OVER = frozenset({"completed", "failed", "cancelled", "expired"})


@dataclass(frozen=True, slots=True)
class StoryState:
    """The batch and its jobs in the order of the plan; those that are over have their calls and answers."""

    batch: dict[str, Any]
    jobs: list[dict[str, Any]]


async def submit_story(client: FactoryClient, brief: StoryBrief, salt: str = "") -> dict[str, Any]:
    """The batch: a new one, or the one that this very story has already. A salt makes it another story."""
    jobs = plan_story(brief)
    return await client.submit_batch(jobs, name=brief.title, idempotency_key=story_key(jobs, salt))


async def follow_story(client: FactoryClient, batch_id: str) -> AsyncIterator[StoryState]:
    """How it stands now, at every change, and every few seconds without one; the last is the end."""
    finished: dict[str, dict[str, Any]] = {}
    async for batch in client.follow_batch(batch_id):
        jobs = [job async for job in client.iterate_jobs(batch_id=batch_id)]
        jobs.reverse()
        for job in jobs:
            if job["status"] in OVER and job["id"] not in finished:
                finished[job["id"]] = await client.get_job(job["id"])
        yield StoryState(batch, [finished.get(job["id"], job) for job in jobs])


async def write_story(client: FactoryClient, brief: StoryBrief, batch: Mapping[str, Any], folder: Path) -> StoryReport:
    """Chapters, narrations and, at last, story.json. Files appear whole or not at all, and running it again writes
    the same ones; those that an earlier story.json names and this story has not are removed. A narration that cannot
    be fetched is an error once everything else is written."""
    report = report_story(brief, batch, await client.batch_results(batch["id"]))
    folder.mkdir(parents=True, exist_ok=True)
    stale = _files_of_before(folder) - set(report.record["files"])
    for name, text in report.texts.items():
        _write(folder / name, text.encode())
    gate = asyncio.Semaphore(DOWNLOADS_AT_ONCE)

    async def fetch(one: AudioFile) -> None:
        async with gate:
            if not await asyncio.to_thread(_is_there, folder / one.name, one.sha256):
                await client.download_audio(one.job_id, folder / one.name)

    fetched = await asyncio.gather(*map(fetch, report.audio), return_exceptions=True)
    _write(folder / "story.json", dump_json(report.record, indent=True) + b"\n")
    for name in stale:
        (folder / name).unlink(missing_ok=True)
    for failure in filter(None, fetched):
        raise failure
    return report


def _files_of_before(folder: Path) -> set[str]:
    """Chapters and narrations of the story that was here, as its story.json lists them. Nothing outside the folder."""
    try:
        listed = load_json((folder / "story.json").read_bytes())["files"]
        return {name for name in listed if name[:2].isdecimal() and Path(name).name == name}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _is_there(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


def _write(path: Path, data: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_bytes(data)
    unfinished.replace(path)
