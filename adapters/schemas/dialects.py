"""Whether a model is bound to a schema by its provider's own means, known before it is called."""

from collections.abc import Callable, Mapping
from typing import Any

from adapters.schemas.convert import Converted, to_anthropic, to_google, to_mistral, to_openai_strict
from core.catalog import Model
from core.provider import ErrorKind, ProviderCall

_CONVERSIONS: Mapping[str, Callable[[dict[str, Any]], Converted]] = {
    "openai.chat_completions": to_openai_strict,
    "openai.responses": to_openai_strict,
    "google.generate_content": to_google,
    "anthropic.messages": to_anthropic,
    "mistral.chat": to_mistral,
}
_SCHEMA_WORDS = ("schema", "grammar", "response_format", "text.format", "output_config.format")
_OTHER_SCHEMAS = ("for function", "tools.", "tools[", "input_schema", "function_declarations", "functiondeclarations")


def why_not_native(handler: str, model: Model, schema: dict[str, Any]) -> str | None:
    """Why the schema has to be asked for in the prompt, as a warning for the caller, or None. A model that names no
    capabilities, such as a self-hosted one, is taken at its word: it may refuse. So is a handler of somebody else's."""
    if model.capabilities and "json_schema" not in model.capabilities:
        return f"response_format: {model.model_id} takes no schema; it is given in the prompt"
    convert = _CONVERSIONS.get(handler)
    if convert is None:
        return None
    converted = convert(schema)
    return converted.warnings[0] if converted.schema is None else None


def refuses_schema(call: ProviderCall, status: int, kind: ErrorKind, message: str) -> bool:
    """Whether a provider said no to the schema of the call rather than to the call."""
    if call.request.output_schema is None or status not in (400, 422):
        return False
    if kind not in (ErrorKind.invalid_request, ErrorKind.not_available):
        return False
    words = message.lower()
    return any(one in words for one in _SCHEMA_WORDS) and not any(one in words for one in _OTHER_SCHEMAS)
