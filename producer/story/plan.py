"""From a brief to the jobs of one batch. Pure.

outline ──> chapter-1 ──> narration-1
                    └───> summary-1 ──> chapter-2 ──> narration-2
                                               └────> summary-2 ──> …

Each chapter knows the whole outline and a summary of what came before it, not the chapters themselves: prompts stay
short however long the story grows.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from core.jsonio import dump_json
from producer.story.brief import StoryBrief

TEXT = {"type": "string", "minLength": 1}
SUMMARY_WORDS = 120


def plan_story(brief: StoryBrief) -> list[dict[str, Any]]:
    """Requests, in the order in which the story comes about. Braces in the brief's own texts are never templates."""
    jobs = [_outline(brief)]
    for number in range(1, len(brief.chapters) + 1):
        jobs.append(_chapter(brief, number))
        if brief.narration:
            jobs.append(_narration(brief, number))
        if number < len(brief.chapters):
            jobs.append(_summary(brief, number))
    return jobs


def story_key(jobs: Sequence[dict[str, Any]], salt: str = "") -> str:
    """An Idempotency-Key: the same for the same jobs. Any change of brief or options makes other jobs, and the API
    keeps the keys of projects apart."""
    return "story-" + hashlib.sha256(dump_json(list(jobs)) + b"\n" + salt.encode()).hexdigest()


def _outline_schema(chapters: int) -> dict[str, Any]:
    return _object(
        {
            "title": TEXT,
            "logline": TEXT | {"description": "The story in one sentence."},
            "setting": TEXT,
            "characters": {"type": "array", "items": _object({"name": TEXT, "description": TEXT}), "minItems": 1},
            "chapters": {
                "type": "array",
                "items": _object({"title": TEXT, "summary": TEXT}),
                "minItems": chapters,
                "maxItems": chapters,
                "description": f"Exactly {chapters}, in order.",
            },
        }
    )


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _outline(brief: StoryBrief) -> dict[str, Any]:
    many = _count(len(brief.chapters))
    return {
        "key": "outline",
        "model": brief.models.outline,
        "system": "You are a novelist who plans before writing. Answer with the outline alone.",
        "prompt": (
            f"Write the outline of a story in {many}.\n\n{_describe(brief)}\n\n"
            "Keep to everything that is given here, above all the title and the names, and invent what is missing. "
            f"Give exactly {many} in order, each with a title and with a summary of two or three sentences that says "
            "what happens and what is different afterwards. The last one ends the story."
        ),
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "outline", "schema": _outline_schema(len(brief.chapters))},
        },
    }


def _chapter(brief: StoryBrief, number: int) -> dict[str, Any]:
    count = len(brief.chapters)
    given = brief.chapters[number - 1]
    planned = f"outline.parsed.chapters.{number - 1}"
    title = _plain(given.title) if given.title else _answer(f"{planned}.title")
    happens = "\n".join([_answer(f"{planned}.summary"), *(f"- {_plain(beat)}" for beat in given.beats)])
    before = _so_far(number) if number > 1 else "Nothing came before: this is where it begins."
    ending = "This is the last chapter: bring the story to its end." if number == count else "Leave the end open."
    return {
        "key": f"chapter-{number}",
        "after": ["outline", f"summary-{number - 1}"] if number > 1 else ["outline"],
        "model": brief.models.chapter,
        "system": (
            f"{_author(brief)} Answer with the text of the chapter alone: no title, no headings, no remarks, no "
            "markup. It will be read aloud, so let it speak well."
        ),
        "prompt": (
            f"Write chapter {number} of {count}: {title}\n\n"
            f"the story: {_plain(brief.title)}. {_answer('outline.parsed.logline')}\n"
            f"where it is set: {_answer('outline.parsed.setting')}\n"
            f"who is in it: {_answer('outline.parsed.characters')}\n"
            f"its chapters: {_answer('outline.parsed.chapters')}\n\n"
            f"{before}\n\n"
            f"what happens in this chapter:\n{happens}\n\n"
            f"Write about {brief.words_per_chapter} words. {ending}"
        ),
    }


def _summary(brief: StoryBrief, number: int) -> dict[str, Any]:
    before = f"{_so_far(number)}\n\n" if number > 1 else ""
    return {
        "key": f"summary-{number}",
        "after": [f"chapter-{number}", f"summary-{number - 1}"] if number > 1 else [f"chapter-{number}"],
        "model": brief.models.summary,
        "system": f"You keep the notes of a novelist. Answer in the language of the story: {_plain(brief.language)}.",
        "prompt": (
            f"{before}chapter {number}, which comes next:\n{_answer(f'chapter-{number}.content')}\n\n"
            "Write what has happened in the whole story until now, for the one who writes the next chapter: where "
            "everybody is, who knows what, which questions are open, which details must not be contradicted. "
            f"Use a few sentences, about {SUMMARY_WORDS} words in all."
        ),
    }


def _narration(brief: StoryBrief, number: int) -> dict[str, Any]:
    return {
        "key": f"narration-{number}",
        "after": [f"chapter-{number}"],
        "kind": "speech",
        "model": brief.models.narration,
        "voice": brief.voice,
        "format": brief.format,
        "input": _answer(f"chapter-{number}.content"),
    }


def _so_far(number: int) -> str:
    return f"the story so far:\n{_answer(f'summary-{number - 1}.content')}"


def _answer(path: str) -> str:
    """A template that takes a finished job's answer."""
    return "{{" + path + "}}"


def _describe(brief: StoryBrief) -> str:
    lines = [f"title: {_plain(brief.title)}"]
    if brief.setting:
        lines.append(f"setting: {_plain(brief.setting)}")
    if brief.characters:
        lines.append("characters:")
        described = (f": {_plain(one.description)}" if one.description else "" for one in brief.characters)
        lines += [f"- {_plain(one.name)}{more}" for one, more in zip(brief.characters, described, strict=True)]
    if any(one.title or one.beats for one in brief.chapters):
        lines.append("chapters:")
        for number, one in enumerate(brief.chapters, start=1):
            lines.append(f"{number}. {_plain(one.title) if one.title else '(yours to invent)'}")
            lines += [f"   - {_plain(beat)}" for beat in one.beats]
    for name in ("style", "audience", "language"):
        if said := getattr(brief, name):
            lines.append(f"{name}: {_plain(said)}")
    return "\n".join(lines)


def _author(brief: StoryBrief) -> str:
    parts = [f"You are a novelist who writes in this language: {_plain(brief.language)}."]
    if brief.audience:
        parts.append(f"You write for {_plain(brief.audience)}.")
    if brief.style:
        parts.append(f"Your style: {_plain(brief.style)}.")
    return re.sub(r"([.!?])\.(?= |$)", r"\1", " ".join(parts))


def _count(chapters: int) -> str:
    return "1 chapter" if chapters == 1 else f"{chapters} chapters"


def _plain(text: str) -> str:
    """An author's braces are braces."""
    return re.sub(r"\{(?=\{)", "{ ", text)
