"""Vectors by `:batchEmbedContents`."""

import math
from typing import Any

from adapters.answers import USAGE_ESTIMATED, estimate_tokens, provider_options
from adapters.google.answers import request_id_of
from adapters.google.client import NOT_FOR_CALLERS, call_options, google_client
from adapters.google.errors import explain_error
from adapters.pool import ProviderPool
from adapters.transport import calling, preparing
from core.acceptance import accept_parameters
from core.provider import ErrorKind, ProviderAnswer, ProviderCall, ProviderError
from core.result import Usage

HANDLER = "google.embed_content"
PATH = ":batchEmbedContents"


async def embed_texts(pool: ProviderPool, call: ProviderCall) -> ProviderAnswer:
    """One vector per text, in their order. Each text is a content of its own: a list of bare texts would become
    one vector on gemini-embedding-2."""
    from google.genai import types

    with preparing(call, PATH, ":embedContent"):
        accepted = accept_parameters(call.request, call.model, HANDLER, call.parameters)
        options, warnings = provider_options(call, *NOT_FOR_CALLERS)
        dimensions = accepted.values.get("dimensions")
        said: dict[str, Any] = {"output_dimensionality": dimensions} if dimensions is not None else {}
        config = types.EmbedContentConfig(**{**said, "http_options": call_options(call), **options})
        contents: list[Any] = [types.Content(parts=[types.Part(text=text)]) for text in call.request.texts]
    async with calling(call, explain_error):
        reply = await google_client(pool, call.base_url).models.embed_content(
            model=call.model.model_id, contents=contents, config=config
        )
        answer = _read(reply, call)
    answer.warnings = [*accepted.warnings, *warnings, *answer.warnings]
    return answer


def _read(reply: Any, call: ProviderCall) -> ProviderAnswer:
    texts = call.request.texts
    vectors = [_to_unit(list(one.values or ())) for one in reply.embeddings or ()]
    told = getattr(reply.usage_metadata, "prompt_token_count", None)
    usage = Usage(told if told is not None else estimate_tokens(*texts))
    if len(vectors) != len(texts) or not all(vectors):
        message = f"The answer has {len(vectors)} vectors for {len(texts)} texts"
        raise ProviderError(
            ErrorKind.invalid_response, message, status=200, request_id=request_id_of(reply), usage=usage
        )
    return ProviderAnswer(
        usage=usage,
        model=call.model.model_id,
        embeddings=vectors,
        request_id=request_id_of(reply),
        warnings=[USAGE_ESTIMATED] if told is None else [],
    )


def _to_unit(vector: list[float]) -> list[float]:
    """Of length 1, as everybody else's are: gemini-embedding-001 only cuts a vector to the dimensions asked for."""
    length = math.hypot(*vector)
    return vector if not length or abs(length - 1) < 1e-3 else [one / length for one in vector]
