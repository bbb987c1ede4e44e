"""The OpenAI SDK over the shared pool."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapters.pool import NO_KEY, ProviderPool
from adapters.transport import CONNECT_TIMEOUT_S, call_headers
from core.jsonio import load_json
from core.provider import ProviderCall

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI


@dataclass(frozen=True, slots=True)
class Reply:
    """A 200; `body` is empty where it is no JSON object."""

    body: Mapping[str, Any]
    request_id: str | None


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


async def post_json(pool: ProviderPool, call: ProviderCall, path: str, body: bytes) -> Reply:
    """One POST by the SDK's own way for what it has no method for: it takes the body as it is and gives the answer as
    it came. Its methods go over every field of the request, and make an object of every part of the answer: 0.5 ms of
    CPU a call. Raises what they raise."""
    import httpx2

    options = call_options(call)
    answer = await openai_client(pool, call.base_url).post(
        f"{call.base_url.rstrip('/')}{path}",
        cast_to=httpx2.Response,
        content=body,
        options={"headers": options["extra_headers"], "timeout": options["timeout"]},
    )
    return Reply(_read_object(answer), answer.headers.get("x-request-id"))


def _read_object(answer: "httpx2.Response") -> Mapping[str, Any]:
    """Raises ValueError for JSON that is cut off; what does not call itself JSON is nothing."""
    try:
        read = load_json(answer.content)
    except ValueError:
        if "json" not in answer.headers.get("content-type", ""):
            return {}
        read = json.loads(answer.content)  # half a surrogate, which models write and orjson does not read
    return read if isinstance(read, dict) else {}


def _build(base_url: str, http: "httpx2.AsyncClient") -> "AsyncOpenAI":
    from openai import AsyncOpenAI

    client = AsyncOpenAI(api_key=NO_KEY, base_url=base_url, max_retries=0, http_client=http)
    client._custom_headers = {}  # what OPENAI_CUSTOM_HEADERS holds is not for every address
    return client
