"""A caller's JSON Schema in the form that each provider accepts. The caller's own stays the truth."""

from adapters.schemas.convert import Converted, to_anthropic, to_google, to_mistral, to_openai_strict

__all__ = ["Converted", "to_anthropic", "to_google", "to_mistral", "to_openai_strict"]
