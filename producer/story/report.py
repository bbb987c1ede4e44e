"""From the finished jobs of a story to the content of its files, and what it cost. Pure."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from producer.story.brief import StoryBrief

Job = Mapping[str, Any]
SLUG_BYTES = 80
HEADING = re.compile(r"^#+ [^\n]*\n+")


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A narration to fetch, and the digest of its bytes."""

    name: str
    job_id: str
    sha256: str


@dataclass(slots=True)
class Spending:
    """What one model was used for. `cost_usd` is None while a price is unknown; calls that ended without a word of what
    they used count as `uncertain`."""

    provider: str
    model: str
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    characters: int = 0
    cost_usd: Decimal | None = Decimal(0)
    uncertain: int = 0
    emulated: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """A job that did not complete. `follows`: only because another one did not."""

    key: str
    status: str
    reason: str
    follows: bool


@dataclass(frozen=True, slots=True)
class StoryReport:
    """`texts`: file name → Markdown. `record` is the content of story.json."""

    texts: dict[str, str]
    audio: list[AudioFile]
    record: dict[str, Any]
    spending: list[Spending]
    failures: list[Failure]
    total_cost_usd: Decimal | None
    emulated: bool


def report_story(brief: StoryBrief, batch: Mapping[str, Any], jobs: Sequence[Job]) -> StoryReport:
    """Everything about a batch that is over. What did not complete has no file, the rest has."""
    by_key = {job["key"]: job for job in jobs}
    outline = _completed(by_key.get("outline"))
    texts: dict[str, str] = {}
    audio: list[AudioFile] = []
    chapters = []
    for number in range(1, len(brief.chapters) + 1):
        title = _title(brief, outline, number)
        stem = f"{number:02d}-{slug(title, 'chapter')}"
        chapter, narration = (_completed(by_key.get(f"{kind}-{number}")) for kind in ("chapter", "narration"))
        entry: dict[str, Any] = {"number": number, "title": title, "text": None, "audio": None}
        if chapter is not None:
            entry["text"] = f"{stem}.md"
            texts[f"{stem}.md"] = _markdown(title, chapter["result"]["content"])
        if narration is not None:
            sound = narration["result"]["audio"]
            entry |= {"audio": f"{stem}.{sound['format']}", "duration_s": sound["duration_s"]}
            audio.append(AudioFile(entry["audio"], narration["id"], sound["sha256"]))
        chapters.append(entry)
    spending = sum_spending(jobs)
    emulated = any(row.emulated for row in spending)
    total = batch["cost"] if batch["cost"] is None else Decimal(batch["cost"])
    record = {
        "title": brief.title,
        "batch_id": batch["id"],
        "cost_usd": total,
        "emulated": emulated,
        "brief": brief.model_dump(),
        "outline": outline["result"]["parsed"] if outline else None,
        "chapters": chapters,
        "jobs": [describe_job(job) for job in jobs],
        "totals": {
            "cost_usd": total,
            "uncertain_cost_usd": sum((Decimal(job["uncertain_cost"] or 0) for job in jobs), Decimal(0)),
            "elapsed_ms": elapsed_ms(batch["created_at"], batch["finished_at"]),
            "counts": batch["counts"],
            "by_model": [asdict(row) for row in spending],
        },
        "files": sorted([*texts, *(one.name for one in audio)]),
    }
    return StoryReport(texts, audio, record, spending, find_failures(jobs), total, emulated)


def describe_job(job: Job) -> dict[str, Any]:
    """One job's line of story.json. `latency_ms` is from its first start to its end, with retries and waits."""
    result = job["result"] or {}
    return {
        "key": job["key"],
        "id": job["id"],
        "kind": job["kind"],
        "asked_for": job["model"],
        "status": job["status"],
        "provider": result.get("provider"),
        "model": result.get("model"),
        "usage": result.get("usage"),
        "cost_usd": job["cost"],
        "uncertain_cost_usd": job["uncertain_cost"],
        "latency_ms": elapsed_ms(job["started_at"], job["finished_at"]),
        "attempts": job["attempts"],
        "emulated": any(call["emulated"] for call in job["calls"]),
        "calls": [
            {name: call[name] for name in ("provider", "model", "outcome", "status", "duration_ms", "usage")}
            | {"cost_usd": call["cost"]}
            for call in job["calls"]
        ],
        "warnings": result.get("warnings", []),
        "error": job["error"],
    }


def sum_spending(jobs: Sequence[Job]) -> list[Spending]:
    """By provider and model, over every call that was made, also those that failed."""
    rows: dict[tuple[str, str], Spending] = {}
    for call in (call for job in jobs for call in job["calls"]):
        row = rows.setdefault((call["provider"], call["model"]), Spending(call["provider"], call["model"]))
        usage = call["usage"] or {}
        row.calls += 1
        row.prompt_tokens += usage.get("prompt_tokens", 0)
        row.completion_tokens += usage.get("completion_tokens", 0)
        row.characters += usage.get("characters", 0)
        row.emulated = row.emulated or call["emulated"]
        if call["cost"] is not None:
            row.cost_usd = None if row.cost_usd is None else row.cost_usd + Decimal(call["cost"])
        elif call["usage"] is not None:
            row.cost_usd = None
        else:
            row.uncertain += 1
    return [rows[key] for key in sorted(rows)]


def find_failures(jobs: Sequence[Job]) -> list[Failure]:
    """The jobs that did not complete, causes before what follows from them."""
    found = []
    for job in jobs:
        if job["status"] != "completed":
            error = job["error"] or {"kind": job["status"], "message": "it has no answer"}
            follows = error["kind"] == "dependency_failed"
            found.append(Failure(job["key"], job["status"], f"{error['kind']}: {error['message']}", follows))
    return sorted(found, key=lambda failure: failure.follows)


def slug(title: str, otherwise: str) -> str:
    """Letters and digits of any script, joined by dashes: a name that is safe in every file system."""
    plain = unicodedata.normalize("NFKC", title).casefold()
    named = re.sub(r"[\W_]+", "-", plain.replace("'", "").replace("’", "")).strip("-")
    short = unicodedata.normalize("NFC", named).encode()[:SLUG_BYTES].decode(errors="ignore").rstrip("-")
    return short or otherwise


def elapsed_ms(since: str | None, until: str | None) -> int | None:
    """Between two times as the API writes them."""
    if since is None or until is None:
        return None
    return round((datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds() * 1000)


def _completed(job: Job | None) -> Job | None:
    return job if job is not None and job["status"] == "completed" else None


def _title(brief: StoryBrief, outline: Job | None, number: int) -> str:
    """The brief's own before the outline's, on one line."""
    planned = outline["result"]["parsed"]["chapters"][number - 1]["title"] if outline else ""
    return " ".join((brief.chapters[number - 1].title or planned).split()) or f"Chapter {number}"


def _markdown(title: str, content: str) -> str:
    """A heading that the model wrote against its orders is not repeated under ours."""
    text = HEADING.sub("", content.strip())
    return f"# {title}\n\n{text}\n"
