from pathlib import Path

import pytest

from core.errors import RequestRefused
from producer.story.brief import StoryBrief, read_brief

EXAMPLE = Path(__file__).parents[2] / "examples" / "lighthouse.yaml"


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "story.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def refusal(tmp_path: Path, text: str) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        read_brief(written(tmp_path, text))
    return caught.value


def test_a_title_alone_is_a_brief() -> None:
    brief = read_brief("The Lighthouse")
    assert (brief.title, len(brief.chapters), brief.narration, brief.voice) == ("The Lighthouse", 3, True, "narrator")


def test_the_example_is_a_brief_of_three_chapters() -> None:
    brief = read_brief(str(EXAMPLE))
    assert [bool(chapter.beats) for chapter in brief.chapters] == [True] * 3
    assert brief.words_per_chapter == 220


def test_chapters_are_a_number_or_titles_or_titles_with_beats(tmp_path: Path) -> None:
    assert len(read_brief(written(tmp_path, "title: x\nchapters: 5")).chapters) == 5
    brief = read_brief(written(tmp_path, "title: x\nchapters: [One, {title: Two, beats: one thing happens}, {}]"))
    assert [chapter.title for chapter in brief.chapters] == ["One", "Two", None]
    assert brief.chapters[1].beats == ["one thing happens"]


def test_options_overrule_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "title: x\nvoice: child\nchapters: [One, Two]")
    brief = read_brief(path, chapters=3, voice="villain", narration=False)
    assert [chapter.title for chapter in brief.chapters] == ["One", "Two", None]
    assert (brief.voice, brief.narration) == ("villain", False)
    assert [chapter.title for chapter in read_brief(path, chapters=1).chapters] == ["One"]


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ("title: x\nstlye: dry", "stlye", "this field is not known here; there are title, language, style"),
        ("language: German", "title", "this field is needed"),
        ("title: 1984", "title", "this reads as a number in YAML: put it in quotes"),
        ("title: x\nlanguage: no", "language", "this reads as yes or no in YAML"),
        ("title: x\nchapters: 0", "chapters", "a story has 1 to 60 chapters"),
        ("title: x\nchapters: many", "chapters", "a number, or a list"),
        ("title: x\nchapters: true", "chapters", "a number, or a list"),
        ("title: x\nchapters: []", "chapters", "at least 1"),
        ("title: x\nchapters: [{titel: y}]", "chapters.0.titel", "not known"),
        ("title: x\ncharacters: [{description: tall}]", "characters.0.name", "needed"),
        ("title: x\nmodels: {chaptr: fast}", "models.chaptr", "not known"),
        ("title: x\nwords_per_chapter: 3", "words_per_chapter", "greater than or equal to 20"),
        ("title: x\nnarration: perhaps", "narration", "boolean"),
        ("title: x\nformat: midi", "format", "'mp3'"),
        ("title: ''", "title", "at least 1"),
        ('title: "\\ud83d"', "title", "UTF-8"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_field(tmp_path: Path, text: str, field: str, said: str) -> None:
    error = refusal(tmp_path, text)
    assert [problem.field for problem in error.problems] == [field]
    assert said in error.problems[0].message
    assert error.message.startswith(f"{tmp_path / 'story.yaml'}: {field}: ")


def test_every_wrong_field_is_named_at_once(tmp_path: Path) -> None:
    error = refusal(tmp_path, "titel: x\nchapters: [{beats: 3}]\nvoice: 7")
    assert {problem.field for problem in error.problems} == {"title", "titel", "chapters.0.beats", "voice"}


@pytest.mark.parametrize("text", ["", "just words", "- a\n- list", "1: one"])
def test_a_file_without_fields_is_no_brief(tmp_path: Path, text: str) -> None:
    assert "has fields" in refusal(tmp_path, text).message


def test_broken_yaml_is_refused_with_its_line(tmp_path: Path) -> None:
    assert "story.yaml, line 2: this is not YAML" in refusal(tmp_path, "title: x\nstyle: [a\n").message.replace(
        "3", "2"
    )


def test_a_missing_file_is_no_title(tmp_path: Path) -> None:
    with pytest.raises(RequestRefused, match="there is no file"):
        read_brief(str(tmp_path / "nothing.yaml"))


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "story.yaml").write_bytes(b"title: \xff\xfe\xfa")
    with pytest.raises(RequestRefused, match="not YAML"):
        read_brief(str(tmp_path / "story.yaml"))
    with pytest.raises(RequestRefused, match="UTF-8"):
        read_brief("caf\udce9")


def test_a_brief_read_twice_is_the_same() -> None:
    assert read_brief(str(EXAMPLE)) == StoryBrief.model_validate(read_brief(str(EXAMPLE)).model_dump())
