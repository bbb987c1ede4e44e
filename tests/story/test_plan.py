from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.graph import find_cycle
from core.jsonio import dump_json
from core.request import JobRequest
from core.request_checks import read_request
from core.templates import fill_templates, find_references
from producer.story.brief import ChapterBrief, Character, StoryBrief
from producer.story.plan import plan_story, story_key

text = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), min_size=1, max_size=60).filter(
    lambda said: bool(said.strip())
) | st.sampled_from(["{{outline.parsed.title}}", "{{{x}}}", "{{ chapter-1.content }}", "No. 7!", "«Привет»"])
chapters = st.lists(
    st.builds(ChapterBrief, title=st.none() | text, beats=st.lists(text, max_size=2)), min_size=1, max_size=5
)
briefs = st.builds(
    StoryBrief,
    title=text,
    language=text,
    style=st.none() | text,
    audience=st.none() | text,
    setting=st.none() | text,
    characters=st.lists(st.builds(Character, name=text, description=st.none() | text), max_size=2),
    chapters=chapters,
    narration=st.booleans(),
    words_per_chapter=st.integers(20, 5000),
)


def checked(job: dict[str, Any]) -> JobRequest:
    request = read_request(dump_json(job))
    assert isinstance(request, JobRequest), request
    return request


@given(briefs)
def test_every_plan_is_a_batch_that_the_api_accepts(brief: StoryBrief) -> None:
    requests = [checked(job) for job in plan_story(brief)]
    keys = [request.key for request in requests]
    assert len(set(keys)) == len(keys)
    for place, request in enumerate(requests):
        assert set(request.after) <= set(keys[:place])
        assert set(find_references(request)) == set(request.after)
    assert find_cycle({request.key or "": request.after for request in requests}) is None


def test_a_story_of_three_chapters_has_nine_jobs_in_the_order_of_telling() -> None:
    assert [job["key"] for job in plan_story(StoryBrief(title="x"))] == [
        "outline",
        "chapter-1", "narration-1", "summary-1",
        "chapter-2", "narration-2", "summary-2",
        "chapter-3", "narration-3",
    ]  # fmt: skip


def test_a_chapter_knows_the_outline_and_what_came_before() -> None:
    after = {job["key"]: job.get("after") for job in plan_story(StoryBrief(title="x", narration=False))}
    assert after == {
        "outline": None,
        "chapter-1": ["outline"],
        "summary-1": ["chapter-1"],
        "chapter-2": ["outline", "summary-1"],
        "summary-2": ["chapter-2", "summary-1"],
        "chapter-3": ["outline", "summary-2"],
    }


def test_the_prompt_of_a_chapter_is_filled_from_its_ancestors() -> None:
    brief = StoryBrief(title="The Lamp", chapters=[ChapterBrief(), ChapterBrief(title="My Own", beats=["a storm"])])
    second = next(job for job in plan_story(brief) if job["key"] == "chapter-2")
    outline = {
        "logline": "A lamp goes out.",
        "setting": "An island",
        "characters": [{"name": "Mara", "description": "keeper"}],
        "chapters": [{"title": "One", "summary": "it begins"}, {"title": "Two", "summary": "it ends"}],
    }
    results = {"outline": {"parsed": outline}, "summary-1": {"content": "Mara saw it."}}
    prompt = fill_templates(checked(second), results).prompt or ""
    for said in ("chapter 2 of 2: My Own", "A lamp goes out.", '"name":"Mara"', "Mara saw it.", "it ends\n- a storm"):
        assert said in prompt
    assert "{{" not in prompt


@pytest.mark.parametrize("count", [1, 2, 7])
def test_an_outline_has_exactly_as_many_chapters(count: int) -> None:
    outline = plan_story(StoryBrief(title="x", chapters=[ChapterBrief()] * count))[0]
    schema = outline["response_format"]["json_schema"]["schema"]["properties"]["chapters"]
    assert (schema["minItems"], schema["maxItems"]) == (count, count)


def test_models_voice_and_format_are_those_of_the_brief() -> None:
    brief = StoryBrief.model_validate(
        {
            "title": "x",
            "voice": "villain",
            "format": "wav",
            "models": {"outline": "a", "chapter": "b", "summary": "c", "narration": "d"},
        }
    )
    jobs = {job["key"]: job for job in plan_story(brief)}
    assert [jobs[key]["model"] for key in ("outline", "chapter-1", "summary-1", "narration-1")] == ["a", "b", "c", "d"]
    assert (jobs["narration-2"]["voice"], jobs["narration-2"]["format"]) == ("villain", "wav")


def test_the_same_brief_has_the_same_key_and_any_other_has_another() -> None:
    def key(salt: str = "", **fields: Any) -> str:
        return story_key(plan_story(StoryBrief.model_validate({"title": "x"} | fields)), salt)

    assert key() == key()
    others = [key(title="y"), key(chapters=2), key(narration=False), key(voice="child"), key(style="dry"), key("s")]
    assert len({key(), *others}) == 7
