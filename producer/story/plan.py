"""From a brief to the jobs of one batch. Pure."""

import hashlib
from typing import Any

from core.jsonio import dump_json
from producer.story.brief import StoryBrief


def plan_story(brief: StoryBrief) -> list[dict[str, Any]]:
    """An outline; chapters that come after it and after the summary of what came before; a narration of each."""
    jobs = [_outline(brief)]
    count = len(brief.ideas)
    for number in range(1, count + 1):
        jobs.append(_chapter(brief, number))
        if number < count:
            jobs.append(_summary(brief, number))
        if brief.narration:
            jobs.append(_narration(brief, number))
    return jobs


def story_key(brief: StoryBrief, salt: str = "") -> str:
    """The same for the same story, so that running the command again joins the batch that runs."""
    digest = hashlib.sha256(dump_json([plan_story(brief), salt])).hexdigest()[:32]
    return f"story-{digest}"


def _outline(brief: StoryBrief) -> dict[str, Any]:
    count = len(brief.ideas)
    schema = {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "logline": {"type": "string"},
            "setting": {"type": "string"},
            "characters": {"type": "array", "items": _fields("name", "description"), "minItems": 1},
            "chapters": {"type": "array", "items": _fields("title", "summary"), "minItems": count, "maxItems": count},
        },
        "required": ["title", "logline", "setting", "characters", "chapters"],
        "additionalProperties": False,
    }
    return {
        "key": "outline",
        "model": brief.models.outline,
        "system": _system(brief),
        "prompt": f"Plan the story below in exactly {count} chapters.\n\n{_describe(brief)}",
        "response_format": {"type": "json_schema", "json_schema": {"name": "outline", "schema": schema}},
        "metadata": {"story": brief.title, "part": "outline"},
    }


def _fields(*names: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {"type": "string"} for name in names},
        "required": list(names),
        "additionalProperties": False,
    }


def _chapter(brief: StoryBrief, number: int) -> dict[str, Any]:
    before = f"summary-{number - 1}"
    idea = brief.ideas[number - 1]
    parts = [
        f"Write chapter {number} of {len(brief.ideas)}, {_named(number)}, in about {brief.words_per_chapter} words.",
        "Answer with the text of the chapter alone, without a heading.",
        f"What happens in it: {{{{outline.parsed.chapters.{number - 1}.summary}}}}",
    ]
    if idea.beats:
        parts.append("It must contain: " + "; ".join(idea.beats))
    if number > 1:
        parts.append(f"The story so far: {{{{{before}.content}}}}")
    parts.append("The whole outline: {{outline.parsed}}")
    return {
        "key": f"chapter-{number}",
        "after": ["outline"] + ([before] if number > 1 else []),
        "model": brief.models.chapter,
        "system": _system(brief),
        "prompt": "\n\n".join(parts),
        "metadata": {"story": brief.title, "part": "chapter", "number": number},
    }


def _summary(brief: StoryBrief, number: int) -> dict[str, Any]:
    before = f"summary-{number - 1}"
    earlier = f"The story before this chapter: {{{{{before}.content}}}}\n\n" if number > 1 else ""
    return {
        "key": f"summary-{number}",
        "after": [f"chapter-{number}"] + ([before] if number > 1 else []),
        "model": brief.models.summary,
        "prompt": (
            "Sum up the story so far in five sentences: who, where, what happened, what is still open.\n\n"
            f"{earlier}The chapter: {{{{chapter-{number}.content}}}}"
        ),
        "metadata": {"story": brief.title, "part": "summary", "number": number},
    }


def _narration(brief: StoryBrief, number: int) -> dict[str, Any]:
    return {
        "key": f"narration-{number}",
        "after": [f"chapter-{number}"],
        "kind": "speech",
        "model": brief.models.narration,
        "voice": brief.voice,
        "format": brief.format,
        "input": f"{{{{chapter-{number}.content}}}}",
        "metadata": {"story": brief.title, "part": "narration", "number": number},
    }


def _named(number: int) -> str:
    return f"“{{{{outline.parsed.chapters.{number - 1}.title}}}}”"


def _system(brief: StoryBrief) -> str:
    style = f" Style: {brief.style}." if brief.style else ""
    audience = f" Audience: {brief.audience}." if brief.audience else ""
    return f"You are a novelist. Write in {brief.language}.{style}{audience}"


def _describe(brief: StoryBrief) -> str:
    lines = [f"Title: {brief.title}"]
    if brief.setting:
        lines.append(f"Setting: {brief.setting.strip()}")
    lines += [f"Character: {one.name}. {one.description}".strip() for one in brief.characters]
    for number, idea in enumerate(brief.ideas, start=1):
        named = f" “{idea.title}”" if idea.title else ""
        if idea.title or idea.beats:
            lines.append(f"Chapter {number}{named}: {'; '.join(idea.beats)}")
    return "\n".join(lines)
