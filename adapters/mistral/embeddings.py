"""Vectors by `POST /v1/embeddings`."""

import math
from typing import Any

from adapters.answers import USAGE_ESTIMATED, estimate_tokens, provider_options
from adapters.mistral.errors import explain_error
from adapters.mistral.wire import ANY_PATH, Reply, post
from adapters.pool import ProviderPool
from adapters.transport import calling, preparing
from core.acceptance import accept_parameters
from core.provider import ErrorKind, ProviderAnswer, ProviderCall, ProviderError
from core.result import Usage

HANDLER = "mistral.embeddings"
PATH = "/v1/embeddings"
# Vectors are read as lists of numbers.
_NOT_FOR_CALLERS = ("encoding_format", "output_dtype")


async def embed_texts(pool: ProviderPool, call: ProviderCall) -> ProviderAnswer:
    """One vector per text, in their order."""
    with preparing(call, ANY_PATH):
        accepted = accept_parameters(call.request, call.model, HANDLER, call.parameters)
        options, warnings = provider_options(call, *_NOT_FOR_CALLERS)
        body: dict[str, Any] = {"model": call.model.model_id, "input": call.request.texts, **options}
        if "dimensions" in accepted.values:
            body["output_dimension"] = accepted.values["dimensions"]
    async with calling(call, explain_error):
        answer = _read(await post(pool, call, PATH, body), call)
    answer.warnings = [*accepted.warnings, *warnings, *answer.warnings]
    return answer


def _read(reply: Reply, call: ProviderCall) -> ProviderAnswer:
    rows = sorted(reply.body.get("data") or (), key=lambda row: row["index"])
    vectors = [_to_unit([float(number) for number in row.get("embedding") or ()]) for row in rows]
    told, texts = reply.body.get("usage"), call.request.texts
    usage = Usage(told.get("prompt_tokens") or 0) if told else Usage(estimate_tokens(*texts))
    if len(vectors) != len(texts) or not all(vectors):
        message = f"The answer has {len(vectors)} vectors for {len(texts)} texts"
        raise ProviderError(
            ErrorKind.invalid_response,
            message,
            status=200,
            request_id=reply.request_id,
            usage=usage if told else None,
        )
    return ProviderAnswer(
        usage=usage,
        model=reply.body.get("model") or call.model.model_id,
        embeddings=vectors,
        request_id=reply.request_id,
        warnings=[] if told else [USAGE_ESTIMATED],
    )


def _to_unit(vector: list[float]) -> list[float]:
    """Of length 1, as everybody else's are. Of a vector that `output_dimension` cut short nobody says that it is."""
    length = math.hypot(*vector)
    return vector if not length or abs(length - 1) < 1e-3 else [one / length for one in vector]
