from decimal import Decimal
from typing import Any

import pytest

from producer.story.brief import ChapterBrief, StoryBrief
from producer.story.report import find_failures, report_story, slug, sum_spending

CALL = {
    "provider": "openai",
    "model": "m",
    "outcome": "ok",
    "status": 200,
    "duration_ms": 900,
    "usage": {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30},
    "cost": Decimal("0.0001"),
    "emulated": False,
}
BATCH = {
    "id": "b",
    "status": "completed",
    "counts": {"completed": 1},
    "cost": Decimal("0.0003"),
    "created_at": "2026-11-23T10:00:00Z",
    "finished_at": "2026-11-23T10:00:09.5Z",
}


def job(key: str, result: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    done: dict[str, Any] = {"provider": "openai", "model": "m", "usage": CALL["usage"], **(result or {})}
    return {
        "id": f"id-{key}",
        "key": key,
        "kind": "text",
        "model": "smart",
        "status": "completed",
        "result": done,
        "error": None,
        "cost": Decimal("0.0001"),
        "uncertain_cost": None,
        "attempts": 1,
        "calls": [CALL],
        "started_at": "2026-11-23T10:00:01Z",
        "finished_at": "2026-11-23T10:00:02.25Z",
    } | more


def outline(*titles: str) -> dict[str, Any]:
    return job("outline", {"parsed": {"title": "T", "chapters": [{"title": one, "summary": "s"} for one in titles]}})


def failed(key: str, kind: str, message: str) -> dict[str, Any]:
    return job(key, status="failed", calls=[], error={"kind": kind, "message": message}) | {"result": None}


def sound(key: str) -> dict[str, Any]:
    return job(key, {"audio": {"format": "mp3", "sha256": "ab", "duration_s": Decimal("1.5")}}, kind="speech")


def brief(chapters: int = 2, **fields: Any) -> StoryBrief:
    return StoryBrief.model_validate({"title": "T", "chapters": chapters, **fields})


def test_chapters_become_markdown_and_narrations_audio_of_the_same_name() -> None:
    jobs = [outline("The Storm", "The Light"), job("chapter-1", {"content": "It rained. "}), sound("narration-1")]
    report = report_story(brief(), BATCH, jobs)
    assert report.texts == {"01-the-storm.md": "# The Storm\n\nIt rained.\n"}
    assert [(one.name, one.job_id) for one in report.audio] == [("01-the-storm.mp3", "id-narration-1")]
    assert report.record["files"] == ["01-the-storm.md", "01-the-storm.mp3"]


def test_two_chapters_of_the_same_title_have_files_of_their_own() -> None:
    jobs = [outline("Rain", "Rain"), job("chapter-1", {"content": "a"}), job("chapter-2", {"content": "b"})]
    assert list(report_story(brief(), BATCH, jobs).texts) == ["01-rain.md", "02-rain.md"]


def test_the_authors_title_goes_before_the_outlines() -> None:
    own = brief(chapters=1).model_copy(update={"chapters": [ChapterBrief(title="My\n Own")]})
    report = report_story(own, BATCH, [outline("Other"), job("chapter-1", {"content": "a"})])
    assert report.texts == {"01-my-own.md": "# My Own\n\na\n"}


def test_a_heading_that_was_not_asked_for_is_not_repeated() -> None:
    jobs = [outline("Rain"), job("chapter-1", {"content": "## Chapter 1: Rain\n\nIt fell.\n# 9 men came."})]
    assert report_story(brief(1), BATCH, jobs).texts["01-rain.md"] == "# Rain\n\nIt fell.\n# 9 men came.\n"


def test_what_completed_is_kept_when_the_rest_failed() -> None:
    jobs = [
        outline("One", "Two"),
        failed("narration-1", "dependency_failed", "job chapter-1, which this one comes after, is failed"),
        failed("chapter-1", "content_policy", "refused"),
        job("chapter-2", {"content": "b"}),
    ]
    report = report_story(brief(), BATCH, jobs)
    assert list(report.texts) == ["02-two.md"]
    assert [(one.key, one.follows) for one in report.failures] == [("chapter-1", False), ("narration-1", True)]
    assert report.failures[0].reason == "content_policy: refused"
    assert report.record["chapters"][0] == {"number": 1, "title": "One", "text": None, "audio": None}


def test_a_story_without_an_outline_has_no_files_and_a_reason() -> None:
    report = report_story(brief(), BATCH, [failed("outline", "no_route", "nothing serves smart")])
    assert (report.texts, report.record["outline"], report.record["files"]) == ({}, None, [])
    assert find_failures([job("x", status="cancelled")])[0].reason == "cancelled: it has no answer"


def test_costs_are_summed_by_model_over_every_call() -> None:
    refused = CALL | {"outcome": "overloaded", "usage": None, "cost": Decimal(0)}
    spoken = CALL | {"provider": "elevenlabs", "usage": {"characters": 70}, "cost": Decimal("0.02"), "emulated": True}
    rows = sum_spending([job("a", calls=[refused, CALL]), job("b", calls=[CALL, spoken])])
    assert [(row.provider, row.calls, row.cost_usd) for row in rows] == [
        ("elevenlabs", 1, Decimal("0.02")),
        ("openai", 3, Decimal("0.0002")),
    ]
    assert (rows[0].characters, rows[1].prompt_tokens, rows[1].completion_tokens) == (70, 20, 40)
    assert (rows[0].emulated, rows[1].emulated) == (True, False)


def test_a_missing_price_makes_the_cost_unknown_and_a_timeout_makes_it_uncertain() -> None:
    unpriced, lost = CALL | {"cost": None}, CALL | {"cost": None, "usage": None, "outcome": "timeout", "model": "n"}
    rows = sum_spending([job("a", calls=[unpriced, CALL, lost])])
    assert [(row.model, row.cost_usd, row.uncertain) for row in rows] == [("m", None, 0), ("n", Decimal(0), 1)]
    assert report_story(brief(), BATCH | {"cost": None}, []).total_cost_usd is None


def test_the_record_says_where_each_job_ran_and_what_it_took() -> None:
    record = report_story(brief(), BATCH, [outline("One", "Two")]).record
    line = record["jobs"][0]
    assert (line["provider"], line["model"], line["latency_ms"], line["attempts"]) == ("openai", "m", 1250, 1)
    assert (line["cost_usd"], line["emulated"], line["usage"]["total_tokens"]) == (Decimal("0.0001"), False, 30)
    assert (record["totals"]["cost_usd"], record["totals"]["elapsed_ms"]) == (Decimal("0.0003"), 9500)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("The Lamp at Four", "the-lamp-at-four"),
        ("../../etc/passwd", "etc-passwd"),
        ("What's  in a: name?*", "whats-in-a-name"),
        ("Ночь и свет", "ночь-и-свет"),
        ("第一章", "第一章"),
        ("Ünïcode ﬁne", "ünïcode-fine"),
        ("\u202e\u0000🎉…", "story"),
        ("", "story"),
        ("a" * 300, "a" * 80),
        ("é" * 300, "é" * 40),
    ],
)
def test_a_title_becomes_a_safe_name(title: str, name: str) -> None:
    assert slug(title, "story") == name
