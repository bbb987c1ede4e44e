"""The google-genai SDK over the shared pool."""

import logging
import re
from typing import TYPE_CHECKING, Any

from adapters.pool import NO_KEY, ProviderPool
from adapters.transport import call_headers
from core.provider import ProviderCall

if TYPE_CHECKING:
    import httpx2
    from google.genai.client import AsyncClient

# Where a call goes and how often is not for its options to say: left to itself, the SDK makes one call into many.
NOT_FOR_CALLERS = (
    "http_options",
    "automatic_continuation",
    "automatic_function_calling",
    "candidate_count",
    "should_return_http_response",
)
# A seed is a 32-bit integer there.
SEEDS = 2**31
_DEFAULT_VERSION = "v1"


def google_client(pool: ProviderPool, base_url: str) -> "AsyncClient":
    """One SDK object per address, for the Developer API whatever the environment says. It never retries."""
    return pool.client("google", base_url, _build)


def call_options(call: ProviderCall) -> dict[str, Any]:
    """`http_options` of one call: its key, its time limit in milliseconds, the version that the endpoint names."""
    headers = call_headers(call)
    if call.api_key is not None:
        headers["x-goog-api-key"] = call.api_key
    named = re.match(r"/(v\d\w*)/", call.endpoint.endpoint_pattern or "")
    return {
        "headers": headers,
        "timeout": max(1, round(call.timeout_s * 1000)),
        "api_version": named.group(1) if named else _DEFAULT_VERSION,
    }


def _build(base_url: str, http: "httpx2.AsyncClient") -> "AsyncClient":
    from google import genai
    from google.genai import types

    logging.getLogger("google_genai").setLevel(logging.ERROR)  # it remarks on every answer with a function call
    options = types.HttpOptions(
        base_url=base_url,
        api_version=_DEFAULT_VERSION,
        httpx_async_client=http,
        retry_options=types.HttpRetryOptions(attempts=1),
    )
    return genai.Client(enterprise=False, api_key=NO_KEY, http_options=options).aio
