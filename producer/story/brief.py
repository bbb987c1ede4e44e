"""What a story is to be: a title, or a YAML file read with care."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from core.errors import Problem, RequestRefused
from core.request_checks import problems_of

MAX_CHAPTERS = 60
MAX_FILE_BYTES = 1_000_000


def _check_text(value: Any) -> Any:
    """YAML reads `1984`, `no` and `2026-11-23` as something else than text."""
    if isinstance(value, bool | int | float | date):
        what = "yes or no" if isinstance(value, bool) else "a date" if isinstance(value, date) else "a number"
        raise PydanticCustomError("not_text", "this reads as {what} in YAML: put it in quotes", {"what": what})
    if isinstance(value, str) and any(letter == "\x00" or "\ud800" <= letter <= "\udfff" for letter in value):
        raise PydanticCustomError("not_unicode", "this text holds bytes that are not UTF-8")
    return value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000),
    BeforeValidator(_check_text),
]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    BeforeValidator(_check_text),
]


class Part(BaseModel):
    """Strict types, nothing unknown."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Character(Part):
    name: Name
    description: Text | None = None


class ChapterBrief(Part):
    """What the author fixes of a chapter; what is left out is for the outline to invent."""

    title: Name | None = None
    beats: Annotated[list[Text], BeforeValidator(_as_list), Field(max_length=50)] = []


class Models(Part):
    """The alias or model for each kind of job."""

    outline: Name = "smart"
    chapter: Name = "smart"
    summary: Name = "cheap"
    narration: Name = "narrator"


class StoryBrief(Part):
    """The whole order. `chapters` may be written as a number, or as a list of titles or of `{title, beats}`."""

    title: Name
    language: Name = "English"
    style: Text | None = None
    audience: Text | None = None
    setting: Text | None = None
    characters: Annotated[list[Character], Field(max_length=50)] = []
    chapters: Annotated[list[ChapterBrief], Field(min_length=1, max_length=MAX_CHAPTERS)] = [ChapterBrief()] * 3
    words_per_chapter: Annotated[int, Field(ge=20, le=5000)] = 300
    models: Models = Models()
    narration: bool = True
    voice: Annotated[str, Field(min_length=1, max_length=100), BeforeValidator(_check_text)] = "narrator"
    format: Literal["mp3", "opus", "aac", "flac", "wav"] = "mp3"

    @field_validator("chapters", mode="before")
    @classmethod
    def _number_or_list(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            if not 1 <= value <= MAX_CHAPTERS:
                raise PydanticCustomError("chapters", "a story has 1 to {most} chapters", {"most": MAX_CHAPTERS})
            return [ChapterBrief()] * value
        if isinstance(value, list):
            return [{"title": one} if isinstance(one, str) else one for one in value]
        raise PydanticCustomError("chapters", "a number, or a list with the title and beats of each, is needed")


def read_brief(
    source: str, *, chapters: int | None = None, voice: str | None = None, narration: bool | None = None
) -> StoryBrief:
    """`source` is a title, or the path of a YAML file; the others overrule what the file says.

    Raises RequestRefused that names the file and every field that is wrong.
    """
    path = Path(source)
    is_file = path.suffix.lower() in (".yaml", ".yml")
    data: dict[str, Any] = _load(path) if is_file else {"title": source}
    data |= {name: value for name, value in (("voice", voice), ("narration", narration)) if value is not None}
    if chapters is not None:
        listed = data.get("chapters")
        data["chapters"] = _fit(listed, chapters) if isinstance(listed, list) else chapters
    try:
        return StoryBrief.model_validate(data)
    except ValidationError as error:
        problems = [_name_fields(problem) for problem in problems_of(error, b"")]
        message = RequestRefused.of(problems).message
        raise RequestRefused(f"{source}: {message}" if is_file else message, problems=problems) from None


def _load(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise RequestRefused(f"there is no file {path}") from None
    except OSError as error:
        raise RequestRefused(f"{path} cannot be read: {error.strerror or error}") from None
    if len(text) > MAX_FILE_BYTES:
        raise RequestRefused(f"{path} is larger than a brief may be, which is {MAX_FILE_BYTES} bytes")
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
        raise RequestRefused(f"{where}: this is not YAML: {reason}") from None
    if not isinstance(data, dict) or not all(isinstance(name, str) for name in data):
        raise RequestRefused(f"{path}: a brief has fields, such as `title: The Lighthouse`; this has none")
    return data


def _fit(listed: list[Any], count: int) -> list[Any]:
    """The first so many of the listed chapters, and free ones after them."""
    return listed[:count] + [{} for _ in range(count - len(listed))]


def _name_fields(problem: Problem) -> Problem:
    if problem.message == "this field is not known here" and "." not in (problem.field or ""):
        return Problem(f"{problem.message}; there are {', '.join(StoryBrief.model_fields)}", problem.field)
    return problem
