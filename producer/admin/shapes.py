"""What the admin API takes. Unknown fields are refused by name; money is a number, or text of any length of digits."""

import re
from collections.abc import Callable
from copy import copy
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, AwareDatetime, Field, TypeAdapter, ValidationError, create_model
from pydantic_core import PydanticCustomError

from core.configuration_shapes import Limits, ProjectSettings, Word
from core.errors import Problem, RequestRefused
from core.request import Shape
from core.request_checks import problems_of

S = TypeVar("S", bound=Shape)


def matching(pattern: str, expected: str) -> Callable[[str], str]:
    """A check that says what was expected; a pattern alone would only show itself."""

    def check(value: str) -> str:
        if re.fullmatch(pattern, value, re.DOTALL) is None:
            raise PydanticCustomError("unfit", "expected {expected}", {"expected": expected})
        return value

    return check


Said = AfterValidator(matching(r".*\S.*", "more than spaces"))
Name = Annotated[
    str, AfterValidator(matching(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", "a name: up to 63 of A-Z a-z 0-9 _ . -"))
]
ProviderId = Annotated[
    str, AfterValidator(matching(r"[a-z0-9][a-z0-9_.-]{0,62}", "a provider's id: up to 63 of a-z 0-9 _ . -"))
]
Text = Annotated[str, Field(max_length=2000), Said]
Rank = Annotated[int, Field(ge=0, le=1_000_000)]
Count = Annotated[int, Field(ge=1, le=2_000_000_000)]
Money = Annotated[Decimal, Field(ge=0, lt=10**12, strict=False, allow_inf_nan=False)]
Fraction = Annotated[Decimal, Field(ge=0, le=1, strict=False, allow_inf_nan=False)]
Factor = Annotated[Decimal, Field(gt=0, lt=1_000_000, strict=False, allow_inf_nan=False, decimal_places=12)]
Words = Annotated[list[Word], Field(max_length=200)]
Address = Annotated[
    str,
    Field(max_length=2000, description="What the official SDK takes as its own."),
    AfterValidator(matching(r"https?://[^\s/?#@]+([/?#]\S*)?", "an http or https address without user and password")),
]
Reference = Annotated[
    str,
    Field(max_length=1000, description="env:NAME, or env:NAME,OTHER for the first that is set, or file:PATH."),
    AfterValidator(
        matching(
            r"env:[A-Za-z_][A-Za-z0-9_]*(, *[A-Za-z_][A-Za-z0-9_]*)*|file:.+", "env:NAME or file:PATH, never a key"
        )
    ),
]
Moment = Annotated[AwareDatetime, Field(description="A time with its zone, such as 2026-12-24T18:00:00Z.")]


class Project(Shape):
    name: Name
    active: bool = True
    weight: Annotated[int, Field(ge=1, le=1_000_000, description="Its share of the workers when they are busy.")] = 100
    paused: Annotated[bool, Field(description="Its queued jobs wait; running ones go on.")] = False
    settings: Annotated[ProjectSettings, Field(default_factory=ProjectSettings)]


class Provider(Shape):
    id: ProviderId
    name: Text
    active: bool = True
    regions: Annotated[Words, Field(default_factory=lambda: ["global"])]
    limits: Annotated[Limits, Field(default_factory=Limits)]


class Endpoint(Shape):
    """Where a provider is called and by which handler."""

    provider: ProviderId
    base_url: Address
    endpoint_pattern: Text | None = None
    handler_function: Text
    model_pattern: Annotated[Text, Field(description="Globs separated by spaces; a leading ! excludes.")] = "*"
    credential: Reference | None = None
    region: Word = "global"
    priority: Annotated[Rank, Field(description="Lower is tried first.")] = 100
    active: bool = True
    limits: Annotated[Limits, Field(default_factory=Limits)]


class Model(Shape):
    provider: ProviderId
    model_id: Annotated[Word, Said]
    kind: Literal["text", "embedding", "speech", "image", "transcription", "moderation"] = "text"
    context_window: Count | None = None
    max_output_tokens: Count | None = None
    max_input_tokens: Count | None = None
    max_input_characters: Count | None = None
    default_voice: Text | None = None
    dimensions: Count | None = None
    capabilities: Annotated[Words, Field(default_factory=lambda: ["text"])]
    regions: Annotated[Words, Field(default_factory=lambda: ["global"])]
    active: bool = True
    retires_on: Annotated[date, Field(ge=date(2000, 1, 1))] | None = None
    parameters: Annotated[dict[str, Any], Field(default_factory=dict)]
    note: Text | None = None
    source: Text | None = None
    checked_on: Annotated[date, Field(ge=date(2000, 1, 1))] | None = None


class Price(Shape):
    """USD per million tokens or characters, from `valid_from` until the next row of the same model."""

    provider: ProviderId
    model_id: Annotated[Word, Said]
    valid_from: Moment | None = Field(None, description="Now, unless said.")
    input_usd_per_mtok: Money | None = None
    output_usd_per_mtok: Money | None = None
    cached_input_usd_per_mtok: Money | None = None
    cache_write_usd_per_mtok: Money | None = None
    cache_write_1h_usd_per_mtok: Money | None = None
    audio_usd_per_mchar: Money | None = None
    batch_discount: Fraction | None = None
    threshold_tokens: Count | None = None
    threshold_input_usd_per_mtok: Money | None = None
    threshold_output_usd_per_mtok: Money | None = None
    threshold_cached_input_usd_per_mtok: Money | None = None
    threshold_cache_write_usd_per_mtok: Money | None = None
    threshold_cache_write_1h_usd_per_mtok: Money | None = None
    regional_surcharge: Annotated[dict[str, Factor], Field(default_factory=dict)]
    service_tiers: Annotated[
        dict[str, Factor], Field(default_factory=dict, description="Factor of all rates by the tier that served.")
    ]
    source: Text | None = None


class Voice(Shape):
    """One semantic voice at one provider."""

    provider: ProviderId
    voice: Annotated[str, Field(max_length=100), Said]
    provider_voice_id: Text
    settings: Annotated[dict[str, Any], Field(default_factory=dict)]


class Target(Shape):
    provider: ProviderId
    model_id: Word
    position: Annotated[Rank, Field(description="Lower is tried first under the strategy priority.")] = 100
    weight: Rank = 100
    parameters: Annotated[
        dict[str, Any], Field(default_factory=dict, description="Request fields where the request does not say.")
    ]
    active: bool = True


class AliasDocument(Shape):
    """What an alias means, with all of its targets."""

    strategy: Literal["priority", "cheapest", "fastest", "weighted", "cheapest_within"] = "priority"
    on_content_policy: Literal["fail", "next"] = "fail"
    latency_bound_ms: Count | None = None
    split_by: Annotated[
        str,
        Field(max_length=200),
        AfterValidator(matching(r"project|job|metadata\..+", "project, job or metadata.KEY")),
    ] = "project"
    description: Text | None = None
    targets: Annotated[list[Target], Field(min_length=1, max_length=200)]
    revision: Annotated[
        int | None,
        Field(ge=0, description="The revision this was made from: 409 when it is another by now; 0 for a new alias."),
    ] = None


class KeyOrder(Shape):
    """A key of a project, or with scope admin an operator's, which has none."""

    project: Name | None = None
    scopes: Annotated[list[Literal["jobs", "read", "admin"]], Field(min_length=1, max_length=3)] | None = None
    name: Text | None = None
    expires_at: Moment | None = None


class RotationOrder(Shape):
    """`old_expires_in_s`: from then on only the new key is in force; without it both are, until one is revoked."""

    old_expires_in_s: Annotated[int, Field(ge=0, le=10 * 366 * 86_400)] | None = None
    name: Text | None = None
    expires_at: Moment | None = Field(None, description="As long as the old one was made for, unless said.")


def changes_of(shape: type[S], fixed: tuple[str, ...]) -> type[Shape]:
    """The shape of a PATCH: every field may be left out, those in `fixed` are not known."""
    fields: dict[str, Any] = {}
    for name, info in shape.model_fields.items():
        if name not in fixed:
            optional = copy(info)
            optional.default, optional.default_factory = None, None
            fields[name] = (info.annotation, optional)
    made: type[Shape] = create_model(f"{shape.__name__}Changes", __base__=Shape, **fields)
    return made


def read_name(text: str, field: str) -> str:
    """A name out of a path. Raises RequestRefused."""
    try:
        return TypeAdapter[str](Name).validate_python(text)
    except ValidationError as error:
        raise RequestRefused.of([Problem(error.errors()[0]["msg"], field)]) from None


def read_shape(shape: type[S], body: bytes) -> S:
    """A JSON object into its shape. Raises RequestRefused naming every field that is wrong."""
    try:
        read = shape.model_validate_json(body)
    except ValidationError as error:
        raise RequestRefused.of(problems_of(error, body)) from None
    if b"\\u0000" in body and (field := _nul_in(read.model_dump(mode="json"), "")) is not None:
        raise RequestRefused.of([Problem("the text holds a NUL character", field)])
    return read


def _nul_in(value: Any, path: str) -> str | None:
    if isinstance(value, str):
        return path if "\x00" in value else None
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in pairs:
        place = f"{path}.{name}".lstrip(".")
        if "\x00" in str(name):
            return path or "body"
        if (found := _nul_in(one, place)) is not None:
            return found
    return None
