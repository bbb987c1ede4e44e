"""`POST /v1/embeddings`: a request in, a list of embeddings out."""

import base64
import sys
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from core.presenting import present_result
from producer.openai.asking import Asked, about_job, said
from producer.openai.errors import Refusal

ENCODINGS = ("float", "base64")


def read_embeddings(body: Mapping[str, Any]) -> Asked:
    """Raises Refusal."""
    encoding_of(body)
    given = body["input"]
    if isinstance(given, list) and any(isinstance(one, int | list) for one in given):
        message = (
            "Unsupported value: 'input' is a text or a list of texts here; token arrays mean nothing to other models."
        )
        raise Refusal(message, "input", "unsupported_value")
    return Asked({"kind": "embedding", **said(body, "model", "input", "dimensions")})


def encoding_of(body: Mapping[str, Any]) -> str:
    encoding = body.get("encoding_format") or "float"
    if encoding not in ENCODINGS:
        message = "Unsupported value: 'encoding_format' is float or base64."
        raise Refusal(message, "encoding_format", "unsupported_value")
    return str(encoding)


def present_embeddings(row: Mapping[str, Any], encoding: str) -> dict[str, Any]:
    """A completed job's row (of `read_job`)."""
    result = present_result(row)
    assert result is not None
    usage = result["usage"]
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": place, "embedding": _encode(vector) if encoding == "base64" else vector}
            for place, vector in enumerate(result["embeddings"])
        ],
        "model": result["model"],
        "usage": {"prompt_tokens": usage["prompt_tokens"], "total_tokens": usage["total_tokens"]},
        "factory": about_job(row["id"], result),
    }


def _encode(vector: Sequence[float]) -> str:
    """32-bit floats, the smallest byte first."""
    packed = array("f", vector)
    if sys.byteorder == "big":
        packed.byteswap()
    return base64.b64encode(packed.tobytes()).decode()
