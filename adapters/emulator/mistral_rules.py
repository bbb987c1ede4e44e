"""The form of Mistral's bodies: fields, types and ranges. What is wrong is told as its server tells it, in a 422."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Content = Annotated[str, Field(min_length=1)]


class Strict(BaseModel):
    """Takes no other field, and no number in a text."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TextChunk(Strict):
    type: Literal["text"]
    text: str


class ImageUrl(Strict):
    url: str
    detail: Literal["low", "auto", "high"] | None = None


class ImageChunk(Strict):
    type: Literal["image_url"]
    image_url: str | ImageUrl


class ThinkChunk(Strict):
    type: Literal["thinking"]
    thinking: list[TextChunk]
    closed: bool | None = None


class FunctionCall(Strict):
    name: str
    arguments: str | dict[str, Any]


class ToolCall(Strict):
    id: str
    type: Literal["function"] = "function"
    function: FunctionCall
    index: int | None = None


class System(Strict):
    role: Literal["system"]
    content: str | list[TextChunk]


class User(Strict):
    role: Literal["user"]
    content: str | list[Annotated[TextChunk | ImageChunk, Field(discriminator="type")]]


class Assistant(Strict):
    role: Literal["assistant"]
    content: str | list[Annotated[TextChunk | ThinkChunk, Field(discriminator="type")]] | None = None
    tool_calls: list[ToolCall] | None = None
    prefix: bool = False


class ToolResult(Strict):
    role: Literal["tool"]
    content: str | list[TextChunk] | None
    tool_call_id: str | None = None
    name: str | None = None


class Function(Strict):
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    parameters: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class Tool(Strict):
    type: Literal["function"] = "function"
    function: Function


class NamedFunction(Strict):
    name: str


class NamedTool(Strict):
    type: Literal["function"] = "function"
    function: NamedFunction


class JsonSchema(Strict):
    name: Content
    schema_definition: Annotated[dict[str, Any], Field(alias="schema")]
    description: str | None = None
    strict: bool | None = None


class ResponseFormat(Strict):
    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: JsonSchema | None = None


class Prediction(Strict):
    type: Literal["content"] = "content"
    content: str


class ChatBody(Strict):
    """`POST /v1/chat/completions`."""

    model: str
    messages: Annotated[
        list[Annotated[System | User | Assistant | ToolResult, Field(discriminator="role")]], Field(min_length=1)
    ]
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    stream: bool = False
    stop: str | list[str] | None = None
    random_seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    metadata: dict[str, Any] | None = None
    response_format: ResponseFormat | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["auto", "none", "any", "required"] | NamedTool | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    prediction: Prediction | None = None
    parallel_tool_calls: bool | None = None
    prompt_mode: Literal["reasoning"] | None = None
    reasoning_effort: str | None = None
    safe_prompt: bool | None = None
    guardrails: list[dict[str, Any]] | None = None
    prompt_cache_key: str | None = None
    service_tier: Literal["auto", "standard_only"] | None = None


class EmbeddingBody(Strict):
    """`POST /v1/embeddings`."""

    model: str
    input: Content | Annotated[list[Content], Field(min_length=1)]
    output_dimension: Annotated[int, Field(ge=1, le=3072)] | None = None
    output_dtype: Literal["float", "int8", "uint8", "binary", "ubinary"] | None = None
    encoding_format: Literal["float", "base64"] | None = None
    metadata: dict[str, Any] | None = None


class SpeechBody(Strict):
    """`POST /v1/audio/speech`."""

    model: str
    input: Annotated[str, Field(min_length=1, max_length=4096)]
    voice_id: str | None = None
    ref_audio: str | None = None
    response_format: Literal["pcm", "wav", "mp3", "flac", "opus"] = "mp3"
    stream: bool = False
    metadata: dict[str, Any] | None = None
