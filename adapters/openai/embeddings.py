"""Vectors by `POST /embeddings`."""

from typing import Any, cast

from adapters.answers import USAGE_ESTIMATED, estimate_tokens, provider_options
from adapters.openai.client import call_options, openai_client
from adapters.openai.errors import error_inside, explain_error
from adapters.pool import ProviderPool
from adapters.transport import calling, preparing
from core.acceptance import accept_parameters
from core.jsonio import load_json
from core.provider import ErrorKind, ProviderAnswer, ProviderCall, ProviderError
from core.result import Usage

HANDLER = "openai.embeddings"
PATH = "/embeddings"


async def embed_texts(pool: ProviderPool, call: ProviderCall) -> ProviderAnswer:
    """One vector per text, in their order."""
    with preparing(call, PATH):
        accepted = accept_parameters(call.request, call.model, HANDLER, call.parameters)
        options, warnings = provider_options(call)
    client = cast("Any", openai_client(pool, call.base_url))
    async with calling(call, explain_error):
        raw = await client.embeddings.with_raw_response.create(
            model=call.model.model_id,
            input=call.request.texts,
            **accepted.values,
            **call_options(call),
            extra_body=options or None,
        )
        answer = _read(_parse(raw, call), call)
    answer.warnings = [*accepted.warnings, *warnings, *answer.warnings]
    return answer


def _parse(raw: Any, call: ProviderCall) -> Any:
    """With its vectors as numbers. The SDK has words of its own for an answer without any, and none for an error that
    stands in their place."""
    try:
        return raw.parse()
    except ValueError as error:
        if "No embedding data" not in str(error):
            raise
    request_id = raw.headers.get("x-request-id")
    said = load_json(raw.content)
    told = said.get("usage") if isinstance(said, dict) else None
    usage = Usage(told.get("prompt_tokens") or 0) if isinstance(told, dict) else None
    raise error_inside(said, call, request_id) or ProviderError(
        ErrorKind.invalid_response, "The answer has no vectors", status=200, request_id=request_id, usage=usage
    )


def _read(reply: Any, call: ProviderCall) -> ProviderAnswer:
    request_id: str | None = getattr(reply, "_request_id", None)
    data = sorted(getattr(reply, "data", None) or (), key=lambda one: one.index)
    vectors = [list(one.embedding or ()) for one in data]
    told = getattr(reply, "usage", None)
    texts = call.request.texts
    usage = Usage(told.prompt_tokens or 0) if told else Usage(estimate_tokens(*texts))
    if len(vectors) != len(texts) or not all(vectors):
        message = f"The answer has {len(vectors)} vectors for {len(texts)} texts"
        raise ProviderError(
            ErrorKind.invalid_response, message, status=200, request_id=request_id, usage=usage if told else None
        )
    return ProviderAnswer(
        usage=usage,
        model=reply.model or call.model.model_id,
        embeddings=vectors,
        request_id=request_id,
        warnings=[] if told else [USAGE_ESTIMATED],
    )
