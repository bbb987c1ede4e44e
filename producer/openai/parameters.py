"""Every parameter that OpenAI documents for the endpoints served here, and what becomes of it.

Adding one is a line here and, if it is mapped, its place in the translation. docs/openai.md has the same tables; a test
holds them together, and holds both against the official SDK.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from producer.openai.errors import Refusal

Handling = Literal["mapped", "ignored", "refused"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """`note` says what it becomes, why it does no harm, or why it is refused. `harmless`: values of a refused parameter
    that ask for nothing, such as its default; null always is one."""

    name: str
    handling: Handling
    note: str
    harmless: tuple[Any, ...] = ()
    required: bool = False


Table = Mapping[str, Parameter]


def _table(*parameters: Parameter) -> Table:
    return {one.name: one for one in parameters}


def _mapped(name: str, note: str = "", *, required: bool = False) -> Parameter:
    return Parameter(name, "mapped", note or f"`{name}`", required=required)


def _ignored(name: str, note: str) -> Parameter:
    return Parameter(name, "ignored", note)


def _refused(name: str, note: str, *harmless: Any) -> Parameter:
    return Parameter(name, "refused", note, harmless)


_EVERYWHERE = (
    _mapped("model", "an alias, a model id, or `provider/model_id`", required=True),
    _ignored("user", "a label for OpenAI's own watch over abuse"),
)
_TEXT = (
    *_EVERYWHERE,
    _ignored("safety_identifier", "a label for OpenAI's own watch over abuse"),
    _ignored("prompt_cache_key", "a hint for OpenAI's prompt cache, which changes no answer"),
    _ignored("prompt_cache_options", "a hint for OpenAI's prompt cache, which changes no answer"),
    _ignored("prompt_cache_retention", "a hint for OpenAI's prompt cache, which changes no answer"),
    _ignored("store", "jobs are durable: they are kept as long as the project keeps its jobs, nothing at the provider"),
    _mapped("metadata"),
    _mapped("service_tier", "`priority`: `priority` and `fast` are interactive, `flex` is batch"),
    _mapped("stream"),
    _mapped("stream_options", "`include_usage`; `include_obfuscation` is ignored: nothing is padded here"),
    _mapped("temperature"),
    _mapped("tool_choice"),
    _mapped("tools", "functions; other tools are refused"),
    _mapped("top_p"),
    _refused("moderation", "no moderation runs here"),
    _refused("parallel_tool_calls", "only some providers can be told", True),
    _refused("top_logprobs", "not every provider gives them", 0),
)
CHAT = _table(
    *_TEXT,
    _mapped("messages", required=True),
    _mapped("max_completion_tokens", "`max_output_tokens`"),
    _mapped("max_tokens", "`max_output_tokens`"),
    _mapped("n", "1; for more answers send more requests"),
    _mapped("reasoning_effort"),
    _mapped("response_format"),
    _mapped("seed"),
    _mapped("stop"),
    _refused("audio", "speech is made at /v1/audio/speech"),
    _refused("frequency_penalty", "only some providers know it", 0),
    _refused("function_call", "use tool_choice", "auto", "none"),
    _refused("functions", "use tools", []),
    _refused("logit_bias", "tokens differ from model to model", {}),
    _refused("logprobs", "not every provider gives them", False),
    _refused("modalities", "speech is made at /v1/audio/speech", ["text"]),
    _refused("prediction", "only OpenAI knows it"),
    _refused("presence_penalty", "only some providers know it", 0),
    _refused("verbosity", "only OpenAI knows it", "medium"),
    _refused("web_search_options", "no tools run here"),
)
RESPONSES = _table(
    *_TEXT,
    _mapped("input", "`messages`: text, pictures, function calls and their outputs", required=True),
    _mapped("background", "the answer comes at once; `GET /v1/responses/{id}` has the rest"),
    _mapped("instructions", "`system`"),
    _mapped("max_output_tokens"),
    _mapped("previous_response_id", "its conversation goes before the input"),
    _mapped("reasoning", "`effort` is `reasoning_effort`; summaries are refused"),
    _mapped("text", "`format` is `response_format`; `verbosity` only as medium"),
    _refused("access_programs", "only OpenAI knows it"),
    _refused("background_options", "only OpenAI knows it"),
    _refused("context_management", "conversations are not shortened here", []),
    _refused("conversation", "use previous_response_id"),
    _refused("image", "pictures are not made here"),
    _refused("include", "nothing more than the answer is kept", []),
    _refused("max_tool_calls", "no tools run here"),
    _refused("prompt", "prompts kept at OpenAI are not known here"),
    _refused("truncation", "conversations are not shortened here", "disabled"),
)
EMBEDDINGS = _table(
    *_EVERYWHERE,
    _mapped("input", "a text or a list of texts; token arrays are refused", required=True),
    _mapped("dimensions"),
    _mapped("encoding_format", "`float` and `base64`"),
)
SPEECH = _table(
    _EVERYWHERE[0],
    _mapped("input", "of any length", required=True),
    _mapped("voice", "a voice of the factory, or one that the model's provider has"),
    _mapped("instructions"),
    _mapped("response_format", "`format`: mp3, opus, aac, flac, wav, pcm"),
    _mapped("speed"),
    _refused("stream_format", "the bytes are sent as they are", "audio"),
)
TABLES: Mapping[str, Table] = {
    "/v1/chat/completions": CHAT,
    "/v1/responses": RESPONSES,
    "/v1/embeddings": EMBEDDINGS,
    "/v1/audio/speech": SPEECH,
}


def check_parameters(body: Mapping[str, Any], table: Table) -> None:
    """Raises Refusal, naming the first parameter that is not known, not supported or not there."""
    for name, value in body.items():
        parameter = table.get(name)
        if parameter is None:
            raise Refusal(f"Unknown parameter: '{name[:100]}'.", name[:100], "unknown_parameter")
        if parameter.handling == "refused" and value is not None and not _is_harmless(value, parameter):
            raise Refusal(
                f"Unsupported parameter: '{name}' is not supported here: {parameter.note}.",
                name,
                "unsupported_parameter",
            )
    for parameter in table.values():
        if parameter.required and body.get(parameter.name) is None:
            raise Refusal(
                f"Missing required parameter: '{parameter.name}'.", parameter.name, "missing_required_parameter"
            )


def _is_harmless(value: Any, parameter: Parameter) -> bool:
    """1 is not true here."""
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in parameter.harmless)
