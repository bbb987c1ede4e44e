"""A streamed answer put together again."""

from collections.abc import AsyncIterator
from typing import Any

from adapters.google.answers import request_id_of
from core.provider import ErrorKind, ProviderError


async def gather_reply(chunks: AsyncIterator[Any]) -> Any:
    """One GenerateContentResponse with all parts of the first candidate. Gemini marks no end, so a stream without a
    finish has been broken off: ProviderError(connection)."""
    from google.genai import types

    whole, parts, finish = types.GenerateContentResponse(), list[Any](), None
    async for chunk in chunks:
        for name in ("usage_metadata", "prompt_feedback", "model_version", "response_id", "sdk_http_response"):
            if (value := getattr(chunk, name, None)) is not None:
                setattr(whole, name, value)
        for candidate in (chunk.candidates or ())[:1]:
            parts += (candidate.content and candidate.content.parts) or ()
            finish = candidate.finish_reason or finish
    blocked = whole.prompt_feedback and whole.prompt_feedback.block_reason
    if finish is None and not blocked:
        raise ProviderError(
            ErrorKind.connection,
            "The answer's stream stopped in the middle",
            status=200,
            request_id=request_id_of(whole),
        )
    if finish is not None:
        content = types.Content(role="model", parts=parts)
        whole.candidates = [types.Candidate(content=content, finish_reason=finish)]
    return whole
