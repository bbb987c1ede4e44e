"""The OpenAI SDK over the shared pool."""

from typing import TYPE_CHECKING, Any

from adapters.pool import NO_KEY, ProviderPool
from adapters.transport import CONNECT_TIMEOUT_S, call_headers
from core.provider import ProviderCall

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI


def openai_client(pool: ProviderPool, base_url: str) -> "AsyncOpenAI":
    """One SDK object per address. It never retries and never sends a key of its own."""
    return pool.client("openai", base_url, _build)


def call_options(call: ProviderCall) -> dict[str, Any]:
    """The arguments that every SDK method takes: headers with this call's key, and its time limit.

    A header is cheaper than a copy of the SDK object per key (0.45 against 0.78 ms a call). Without a key no
    credential goes out, nor who we are: `OPENAI_ORG_ID` and `OPENAI_PROJECT_ID` are for OpenAI alone.
    """
    import httpx2
    from openai import Omit

    headers: dict[str, Any] = call_headers(call)
    headers["Authorization"] = Omit() if call.api_key is None else f"Bearer {call.api_key}"
    if call.model.provider != "openai":
        headers |= {"OpenAI-Organization": Omit(), "OpenAI-Project": Omit()}
    timeout = httpx2.Timeout(call.timeout_s, connect=min(CONNECT_TIMEOUT_S, call.timeout_s))
    return {"extra_headers": headers, "timeout": timeout}


def _build(base_url: str, http: "httpx2.AsyncClient") -> "AsyncOpenAI":
    from openai import AsyncOpenAI

    client = AsyncOpenAI(api_key=NO_KEY, base_url=base_url, max_retries=0, http_client=http)
    client._custom_headers = {}  # what OPENAI_CUSTOM_HEADERS holds is not for every address
    return client
