"""A caller's JSON Schema in the form that each provider accepts. The caller's own stays the truth."""

from adapters.schemas.convert import Converted, to_anthropic, to_google, to_mistral, to_openai_strict
from adapters.schemas.dialects import refuses_schema, why_not_native

__all__ = [
    "Converted",
    "refuses_schema",
    "to_anthropic",
    "to_google",
    "to_mistral",
    "to_openai_strict",
    "why_not_native",
]
