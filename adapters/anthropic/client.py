"""The Anthropic SDK over the shared pool."""

from typing import TYPE_CHECKING, Any

from adapters.pool import NO_KEY, ProviderPool
from adapters.transport import CONNECT_TIMEOUT_S, call_headers
from core.provider import ProviderCall

if TYPE_CHECKING:
    import httpx2
    from anthropic import AsyncAnthropic

# The last version under which models up to 4.6 take temperature and top_p.
SAMPLING_VERSION = "2023-06-01"


def anthropic_client(pool: ProviderPool, base_url: str) -> "AsyncAnthropic":
    """One SDK object per address. It never retries and never sends a key of its own."""
    return pool.client("anthropic", base_url, _build)


def call_options(call: ProviderCall, *, sampling: bool) -> dict[str, Any]:
    """The arguments that every SDK method takes: headers with this call's key, and its time limit, without which the
    SDK refuses long answers that are not streamed. `sampling`: the version that knows temperature and top_p."""
    import httpx2
    from anthropic import Omit

    headers: dict[str, Any] = call_headers(call)
    headers["Authorization"] = Omit() if call.api_key is None else f"Bearer {call.api_key}"
    headers["X-Api-Key"] = Omit()
    if sampling:
        headers["anthropic-version"] = SAMPLING_VERSION
    timeout = httpx2.Timeout(call.timeout_s, connect=min(CONNECT_TIMEOUT_S, call.timeout_s))
    return {"extra_headers": headers, "timeout": timeout}


def _build(base_url: str, http: "httpx2.AsyncClient") -> "AsyncAnthropic":
    """With a key given, the SDK looks for none in the environment or on disk."""
    from anthropic import AsyncAnthropic

    client = AsyncAnthropic(api_key=NO_KEY, base_url=base_url, max_retries=0, http_client=http, open_telemetry=False)
    client._custom_headers = {}  # what ANTHROPIC_CUSTOM_HEADERS holds is not for every address
    return client
