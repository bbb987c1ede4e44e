"""The elevenlabs SDK over the shared pool. It is written for httpx, and takes httpx2 for it."""

from typing import TYPE_CHECKING, Any, cast

from adapters.pool import ProviderPool
from adapters.transport import call_headers
from core.provider import ProviderCall

if TYPE_CHECKING:
    import httpx2
    from elevenlabs.client import AsyncElevenLabs

_CHUNK_BYTES = 65_536


def elevenlabs_client(pool: ProviderPool, base_url: str) -> "AsyncElevenLabs":
    """One SDK object per address, without a key."""
    return pool.client("elevenlabs", base_url, _build)


def call_options(call: ProviderCall) -> dict[str, Any]:
    """`request_options` of one call: its key, its time limit, no retries."""
    headers = call_headers(call)
    if call.api_key is not None:
        headers["xi-api-key"] = call.api_key
    return {
        "additional_headers": headers,
        "timeout_in_seconds": call.timeout_s,
        "max_retries": 0,
        "chunk_size": _CHUNK_BYTES,
    }


def _build(base_url: str, http: "httpx2.AsyncClient") -> "AsyncElevenLabs":
    from elevenlabs.client import AsyncElevenLabs

    return AsyncElevenLabs(api_key=None, base_url=base_url, httpx_client=cast("Any", http))
