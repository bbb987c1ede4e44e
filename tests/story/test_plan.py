import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.errors import RequestRefused
from core.graph import find_cycle
from core.jsonio import dump_json
from core.request import JobRequest
from core.request_checks import read_request
from core.templates import find_references
from producer.story.brief import ChapterIdea, Character, StoryBrief, read_brief
from producer.story.plan import plan_story, story_key
from producer.story.report import by_model, name_files, slug

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "lighthouse.yaml")
LINES = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=60
)
BRIEFS = st.builds(
    StoryBrief,
    title=LINES,
    setting=st.none() | LINES,
    characters=st.lists(st.builds(Character, name=LINES, description=LINES), max_size=3),
    chapters=st.integers(1, 6)
    | st.lists(
        st.builds(ChapterIdea, title=st.none() | LINES, beats=st.lists(LINES, max_size=3)), min_size=1, max_size=5
    ),
    narration=st.booleans(),
)


@given(BRIEFS)
def test_every_job_of_a_plan_is_a_request_that_comes_after_what_it_refers_to(brief: StoryBrief) -> None:
    jobs = plan_story(brief)
    after: dict[str, list[str]] = {}
    for job in jobs:
        request = read_request(dump_json(job))
        assert isinstance(request, JobRequest), request
        assert set(find_references(request)) <= set(request.after)
        after[job["key"]] = job.get("after", [])
    assert find_cycle(after) is None
    kinds = [job["key"].split("-")[0] for job in jobs]
    count = len(brief.ideas)
    assert kinds.count("chapter") == count
    assert kinds.count("summary") == count - 1
    assert kinds.count("narration") == (count if brief.narration else 0)


def test_the_example_is_a_brief_of_three_chapters() -> None:
    brief = read_brief(EXAMPLE, {})
    assert [idea.title for idea in brief.ideas] == ["A Man with a Relay", "What the Logbook Says", "The Page"]
    chapter = next(job for job in plan_story(brief) if job["key"] == "chapter-3")
    assert chapter["after"] == ["outline", "summary-2"]
    assert "{{outline.parsed.chapters.2.title}}" in chapter["prompt"]
    assert "{{summary-2.content}}" in chapter["prompt"]


def test_the_same_story_has_the_same_key_and_another_has_another() -> None:
    one = StoryBrief(title="Sea")
    assert story_key(one) == story_key(StoryBrief(title="Sea"))
    assert len({story_key(one), story_key(StoryBrief(title="Sea", chapters=2)), story_key(one, "salt")}) == 3


def test_a_brief_with_faults_names_file_and_field(tmp_path: Path) -> None:
    path = tmp_path / "brief.yaml"
    path.write_text("title: x\nwords_per_chapter: many\nmodels: {chapter: 3}\n")
    try:
        read_brief(str(path), {})
    except RequestRefused as refused:
        fields = {problem.field for problem in refused.problems}
        assert fields == {f"{path}: words_per_chapter", f"{path}: models.chapter"}
    else:
        raise AssertionError("this brief should have been refused")


def job(key: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "id": key, "status": "completed", "calls": [], "error": None, "result": None, **more}


def test_files_are_numbered_and_never_collide() -> None:
    brief = StoryBrief(
        title="x", chapters=[ChapterIdea(title="Über / das Meer!"), ChapterIdea(title="Über / das Meer!")]
    )
    chapters = [job(f"chapter-{n}", result={"content": f"text {n}"}) for n in (1, 2)]
    files = name_files(brief, [job("outline", status="failed"), *chapters])
    assert list(files.chapters) == ["01-uber-das-meer.md", "02-uber-das-meer.md"]
    assert files.chapters["02-uber-das-meer.md"] == "# Über / das Meer!\n\ntext 2\n"


@given(st.text())
def test_a_slug_is_a_safe_file_name(title: str) -> None:
    made = slug(title)
    assert made
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(made) <= 60


def test_a_missing_price_makes_a_models_cost_unknown() -> None:
    call = {"provider": "p", "model": "m", "usage": {"total_tokens": 5}, "cost": Decimal("0.1")}
    rows = by_model([job("a", calls=[call]), job("b", calls=[{**call, "cost": None}])])
    assert rows == [{"provider": "p", "model": "m", "calls": 2, "tokens": 10, "characters": 0, "cost": None}]
    assert json.loads(dump_json(by_model([job("a", calls=[call])])))[0]["cost"] == 0.1
