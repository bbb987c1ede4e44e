"""What the free JSON in configuration tables may say: a project's settings, an alias target's default parameters."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from core.errors import Problem
from core.fingerprint import DEFAULT_MAX_ENTRIES, DEFAULT_TTL_S
from core.jsonio import dump_json
from core.request import JobRequest, Shape
from core.request_checks import problems_of

Word = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]


class CacheSettings(Shape):
    """Whether and for how long answers are given again to identical requests."""

    mode: Literal["use", "off"] = "use"
    openai: Literal["use", "off"] = Field(
        "off", description="Whether the OpenAI-compatible API uses it where no header says so."
    )
    ttl_s: Annotated[float, Field(gt=0, le=10 * 365 * 86_400, strict=False)] = Field(
        DEFAULT_TTL_S, description="How long an answer is given again; a week unless said."
    )
    max_entries: Annotated[int, Field(ge=0, le=100_000_000)] = Field(
        DEFAULT_MAX_ENTRIES, description="Beyond it the oldest are forgotten."
    )


Count = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Limits(Shape):
    """Of a project, a provider or an endpoint. What is not said has no limit."""

    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    concurrency: Annotated[Count | None, Field(description="Calls of a provider, jobs of a project, at once.")] = None


Dollars = Annotated[Decimal, Field(ge=0, le=10**9, strict=False)]


class PeriodBudget(Shape):
    """USD. soft_usd raises an alert, hard_usd stops."""

    soft_usd: Dollars | None = None
    hard_usd: Dollars | None = None


class BudgetSettings(Shape):
    """What a project may spend."""

    daily: PeriodBudget | None = None
    monthly: PeriodBudget | None = None
    allow_unknown_prices: Annotated[
        bool, Field(description="Under a hard budget, may models be called whose price is not known?")
    ] = False
    timezone: Annotated[str, Field(description="Whose midnight begins a day, such as Europe/Berlin.")] = "UTC"

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise PydanticCustomError("timezone", "a time zone such as Europe/Berlin is needed")
        return value


class ProjectSettings(Shape):
    """`projects.settings`. What is not said is as for everybody."""

    region: Literal["eu", "us"] | None = None
    allowed_models: Annotated[list[Word], Field(min_length=1, max_length=1000)] | None = Field(
        None, description="Globs of model ids or provider/model_id; other models are no route."
    )
    preferred_models: Annotated[list[Word], Field(max_length=1000)] | None = Field(
        None, description="Globs of models that go before others."
    )
    audio_retention_days: Annotated[float, Field(ge=0, le=36_500, strict=False)] | None = Field(
        30.0, description="How long the bytes of narrations are kept; null for ever."
    )
    content_retention_days: Annotated[float, Field(ge=0, le=36_500, strict=False)] | None = Field(
        None, description="How long requests and answers are kept once a job is over; null for ever."
    )
    cache: CacheSettings | None = None
    budgets: BudgetSettings | None = None
    limits: Annotated[Limits, Field(default_factory=Limits)]


def settings_problems(settings: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with a project's settings, each with its field."""
    return _problems(ProjectSettings, dict(settings))


def parameter_problems(parameters: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with a target's default parameters: fields of a request, and `region`."""
    asked = {name: value for name, value in parameters.items() if name != "region"}
    if unfit := sorted(asked.keys() & {"model", "kind", "project", "key", "after"}):
        return [Problem("says what is asked, and is no parameter of a target", unfit[0])]
    region = parameters.get("region")
    wrong = [] if region is None or isinstance(region, str) else [Problem("a region such as eu is needed", "region")]
    return wrong + _problems(JobRequest, {**asked, "model": "any"})


def _problems(shape: type[Shape], value: Mapping[str, Any]) -> list[Problem]:
    body = dump_json(value)
    try:
        shape.model_validate_json(body)
    except ValidationError as error:
        return problems_of(error, body)
    return []
