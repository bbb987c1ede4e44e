"""What a caller may ask for. One shape for the API, batch lines, the clients and the command line."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

AUDIO_FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
AUDIO_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/L16;rate=24000",
}
JOINABLE_FORMATS = frozenset({"mp3", "opus", "flac", "wav", "pcm"})
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
KEY = r"^[A-Za-z0-9_-]{1,100}$"


class Kind(StrEnum):
    text = "text"
    speech = "speech"
    embedding = "embedding"


class Shape(BaseModel):
    """Strict types, snake_case or camelCase names, nothing unknown."""

    model_config = ConfigDict(
        extra="forbid", strict=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )


class ImageUrl(Shape):
    url: Annotated[str, Field(min_length=1, max_length=40_000_000)]
    detail: Literal["auto", "low", "high", "original"] = "auto"


class TextPart(Shape):
    type: Literal["text"]
    text: str


class ImagePart(Shape):
    type: Literal["image_url"]
    image_url: ImageUrl


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class Message(Shape):
    """A turn of a conversation, in the field's usual form. `tool_calls` and tool definitions stay as sent."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None
    name: str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Message":
        if self.content is None and not self.tool_calls:
            raise PydanticCustomError("empty_message", "a message needs content")
        if self.role == "tool" and not self.tool_call_id:
            raise PydanticCustomError("no_tool_call_id", "a tool message needs tool_call_id")
        if self.tool_calls and self.role != "assistant":
            raise PydanticCustomError("tool_calls_role", "only an assistant message has tool_calls")
        return self


class JsonSchema(Shape):
    """`schema` is any JSON Schema (draft 2020-12); providers get the form that each of them accepts."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "answer"
    description: str | None = None
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    strict: bool | None = None


class ResponseFormat(Shape):
    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: Annotated[
        JsonSchema | None, Field(validation_alias="json_schema", serialization_alias="json_schema")
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _either_spelling(cls, value: Any) -> Any:
        if isinstance(value, dict) and "jsonSchema" in value and "json_schema" not in value:
            value = {("json_schema" if name == "jsonSchema" else name): one for name, one in value.items()}
        return value

    @model_validator(mode="after")
    def _schema_when_named(self) -> "ResponseFormat":
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise PydanticCustomError("json_schema", "json_schema goes with type json_schema, and only with it")
        return self


class Requirements(Shape):
    capabilities: list[str] = Field(default_factory=list)
    region: Literal["eu", "us"] | None = None
    max_cost_usd: Annotated[Decimal, Field(ge=0, strict=False)] | None = None
    max_latency_ms: Annotated[int, Field(gt=0)] | None = None
    prefer: Literal["cost", "speed"] | None = None


class JobRequest(Shape):
    """One generation job. Which fields belong to which kind is checked in `core.request_checks`."""

    project: str | None = None
    kind: Kind = Kind.text
    model: Annotated[str, Field(min_length=1, max_length=200)]
    prompt: Annotated[str, Field(min_length=1)] | None = None
    messages: Annotated[list[Message], Field(min_length=1)] | None = None
    system: str | None = None
    tools: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=128)] | None = None
    tool_choice: Literal["auto", "none", "required"] | dict[str, Any] | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    input: Annotated[str, Field(min_length=1)] | Annotated[list[str], Field(min_length=1)] | None = None
    voice: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    voice_settings: dict[str, Any] | None = None
    instructions: str | None = None
    timestamps: bool = False
    format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | None = None
    speed: Annotated[float, Field(ge=0.25, le=4)] | None = None
    language: Annotated[str, Field(min_length=2, max_length=20)] | None = None
    dimensions: Annotated[int, Field(gt=0, le=10_000)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_output_tokens: Annotated[int, Field(gt=0)] | None = None
    stop: Annotated[list[str], Field(min_length=1, max_length=4)] | str | None = None
    seed: int | None = None
    strict: bool = False
    fallbacks: Annotated[list[str], Field(max_length=20)] = Field(default_factory=list)
    voice_policy: Literal["keep", "any"] = "keep"
    response_format: ResponseFormat | None = None
    requirements: Requirements | None = None
    provider_options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    priority: Literal["interactive", "standard", "batch"] = "standard"
    deadline_s: Annotated[float, Field(gt=0, le=30 * 86_400)] | None = None
    run_at: Annotated[datetime, Field(strict=False)] | None = None
    cache: Literal["use", "refresh", "off"] = "use"
    key: Annotated[str, Field(pattern=KEY)] | None = None
    after: Annotated[list[str], Field(max_length=1000)] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)
    webhook_url: Annotated[str, Field(min_length=1, max_length=2000)] | None = None

    def stored(self) -> dict[str, Any]:
        """The canonical form: snake_case, only what the caller said."""
        return self.model_dump(mode="json", by_alias=False, exclude_unset=True) | (
            {"response_format": self._format_stored()} if self.response_format else {}
        )

    def _format_stored(self) -> dict[str, Any]:
        shape = self.response_format
        assert shape is not None
        stored: dict[str, Any] = {"type": shape.type}
        if shape.json_schema:
            stored["json_schema"] = shape.json_schema.model_dump(
                mode="json", by_alias=True, exclude_unset=True, exclude={"schema_"}
            ) | {"schema": shape.json_schema.schema_}
        return stored

    @property
    def output_schema(self) -> dict[str, Any] | None:
        """The JSON schema that the answer must satisfy, if the caller gave one."""
        shape = self.response_format
        return shape.json_schema.schema_ if shape and shape.json_schema else None

    @property
    def wants_json(self) -> bool:
        return self.response_format is not None and self.response_format.type != "text"

    @property
    def turns(self) -> list[Message]:
        """The conversation, however it was written: `prompt` is one user turn."""
        if self.messages is not None:
            return self.messages
        return [Message(role="user", content=self.prompt or "")]

    @property
    def texts(self) -> list[str]:
        """What is to be spoken or embedded, always as a list."""
        if isinstance(self.input, list):
            return self.input
        return [self.input if self.input is not None else self.prompt or ""]

    def image_urls(self) -> Iterator[tuple[str, str]]:
        """Each picture with the path of its field."""
        for number, message in enumerate(self.messages or ()):
            for place, part in enumerate(message.content if isinstance(message.content, list) else ()):
                if isinstance(part, ImagePart):
                    yield f"messages.{number}.content.{place}.image_url.url", part.image_url.url
