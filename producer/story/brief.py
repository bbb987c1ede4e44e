"""What a story shall be: out of a title, or out of a YAML file."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import Problem, RequestRefused

Line = Annotated[str, Field(min_length=1, max_length=2000)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Character(_Shape):
    name: Line
    description: Line = ""


class ChapterIdea(_Shape):
    """What must happen in a chapter."""

    title: Line | None = None
    beats: Annotated[list[Line], Field(max_length=30)] = []


class Models(_Shape):
    """An alias or model for each kind of job."""

    outline: Line = "smart"
    chapter: Line = "smart"
    summary: Line = "cheap"
    narration: Line = "narrator"


class StoryBrief(_Shape):
    """Everything has a default but the title. `chapters` is how many, or what happens in each."""

    title: Line
    language: Line = "English"
    style: Line | None = None
    audience: Line | None = None
    setting: Annotated[str, Field(max_length=10_000)] | None = None
    characters: Annotated[list[Character], Field(max_length=50)] = []
    chapters: Annotated[int, Field(ge=1, le=60)] | Annotated[list[ChapterIdea], Field(min_length=1, max_length=60)] = 3
    words_per_chapter: Annotated[int, Field(ge=30, le=5000)] = 300
    models: Models = Models()
    narration: bool = True
    voice: Line = "narrator"
    format: Literal["mp3", "opus", "flac", "wav"] = "mp3"

    @property
    def ideas(self) -> list[ChapterIdea]:
        return [ChapterIdea()] * self.chapters if isinstance(self.chapters, int) else self.chapters


def read_brief(named: str, changes: dict[str, Any]) -> StoryBrief:
    """From a `.yaml` file, or a title. Raises RequestRefused that names file and field."""
    path = Path(named)
    if path.suffix not in (".yaml", ".yml"):
        return _validate({"title": named, **changes}, "the options")
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RequestRefused(f"there is no file {named}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RequestRefused(f"{named} cannot be read as YAML: {error}") from None
    if not isinstance(found, dict):
        raise RequestRefused(f"{named}: a mapping is needed, with at least a title")
    return _validate({**found, **changes}, named)


def _validate(values: dict[str, Any], where: str) -> StoryBrief:
    try:
        return StoryBrief.model_validate(values)
    except ValidationError as error:
        problems = []
        for item in error.errors(include_url=False, include_input=False):
            steps = [str(step) for step in item["loc"] if not str(step).startswith(("constrained", "list["))]
            message = "this field is not known here" if item["type"] == "extra_forbidden" else item["msg"]
            problems.append(Problem(message, f"{where}: {'.'.join(steps)}"))
        raise RequestRefused.of(problems) from None
