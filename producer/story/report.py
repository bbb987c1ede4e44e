"""From the jobs of a finished batch to the files of a story. Pure."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from producer.story.brief import StoryBrief

Job = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoryFiles:
    """`chapters`: file name → Markdown. `narrations`: file name → job id of the audio."""

    chapters: dict[str, str]
    narrations: dict[str, str]


def name_files(brief: StoryBrief, jobs: Sequence[Job]) -> StoryFiles:
    """Numbered files named after their chapters; what did not complete is left out."""
    by_key = {job["key"]: job for job in jobs}
    chapters, narrations = {}, {}
    for number in range(1, len(brief.ideas) + 1):
        title = chapter_title(brief, by_key.get("outline"), number)
        stem = f"{number:02d}-{slug(title)}"
        chapter, narration = by_key.get(f"chapter-{number}"), by_key.get(f"narration-{number}")
        if chapter is not None and chapter["status"] == "completed":
            chapters[f"{stem}.md"] = f"# {title}\n\n{chapter['result']['content'].strip()}\n"
        if narration is not None and narration["status"] == "completed":
            narrations[f"{stem}.{narration['result']['audio']['format']}"] = narration["id"]
    return StoryFiles(chapters, narrations)


def chapter_title(brief: StoryBrief, outline: Job | None, number: int) -> str:
    """The brief's own, else the outline's, on one line."""
    own = brief.ideas[number - 1].title
    planned = ""
    if outline is not None and outline["status"] == "completed":
        planned = str(outline["result"]["parsed"]["chapters"][number - 1]["title"])
    return " ".join((own or planned or f"Chapter {number}").split())


def slug(title: str) -> str:
    """Letters, digits and dashes, safe as a file name everywhere."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].rstrip("-") or "chapter"


def describe_story(brief: StoryBrief, batch: Mapping[str, Any], jobs: Sequence[Job]) -> dict[str, Any]:
    """The content of story.json: what each job was, where it ran, what it took."""
    return {
        "title": brief.title,
        "batch_id": batch["id"],
        "status": batch["status"],
        "cost_usd": batch["cost"],
        "emulated": any(call["emulated"] for job in jobs for call in job["calls"]),
        "brief": brief.model_dump(),
        "jobs": [_describe_job(job) for job in jobs],
        "by_model": by_model(jobs),
    }


def _describe_job(job: Job) -> dict[str, Any]:
    result = job["result"] or {}
    return {
        "key": job["key"],
        "id": job["id"],
        "status": job["status"],
        "provider": result.get("provider"),
        "model": result.get("model"),
        "usage": result.get("usage"),
        "cost_usd": job["cost"],
        "latency_ms": latency_ms(job),
        "attempts": job["attempts"],
        "calls": [
            {name: call[name] for name in ("provider", "model", "outcome", "duration_ms", "cost", "emulated")}
            for call in job["calls"]
        ],
        "audio": {key: value for key, value in result["audio"].items() if key != "url"} if "audio" in result else None,
        "error": job["error"],
    }


def latency_ms(job: Job) -> int | None:
    """From start to finish."""
    if not job["started_at"] or not job["finished_at"]:
        return None
    started, finished = (datetime.fromisoformat(job[name]) for name in ("started_at", "finished_at"))
    return round((finished - started).total_seconds() * 1000)


def by_model(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Calls, tokens and cost by provider and model; a missing price makes the cost unknown."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for call in (call for job in jobs for call in job["calls"]):
        empty = {
            "provider": call["provider"],
            "model": call["model"],
            "calls": 0,
            "tokens": 0,
            "characters": 0,
            "cost": Decimal(0),
        }
        row = rows.setdefault((call["provider"], call["model"]), empty)
        usage = call["usage"] or {}
        row["calls"] += 1
        row["tokens"] += usage.get("total_tokens", 0)
        row["characters"] += usage.get("characters", 0)
        known = call["cost"] is not None or call["usage"] is None
        row["cost"] = row["cost"] + (call["cost"] or 0) if known and row["cost"] is not None else None
    return [rows[key] for key in sorted(rows)]
