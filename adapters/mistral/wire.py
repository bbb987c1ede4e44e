"""One POST to Mistral over the shared pool, and its answer as JSON."""

from dataclasses import dataclass
from typing import Any

from adapters.mistral.errors import describe_refusal, read_words
from adapters.pool import ProviderPool
from adapters.transport import CONNECT_TIMEOUT_S, call_headers
from core.jsonio import dump_json, load_json
from core.provider import ErrorKind, ProviderCall, ProviderError

# For `preparing`: every path ends with it. There is no SDK here that would go elsewhere than the endpoint says.
ANY_PATH = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A 200 whose body is a JSON object."""

    body: dict[str, Any]
    request_id: str | None


async def post(pool: ProviderPool, call: ProviderCall, path: str, body: dict[str, Any]) -> Reply:
    """To the endpoint's own path, else to `path`. Raises ProviderError for whatever is not a JSON object with a 200,
    and for an error inside one.

    The path is joined with one slash: without any, the key would go to another host."""
    import httpx2

    headers = call_headers(call) | {"Content-Type": "application/json", "Accept": "application/json"}
    if call.api_key is not None:
        headers["Authorization"] = f"Bearer {call.api_key}"
    timeout = httpx2.Timeout(call.timeout_s, connect=min(CONNECT_TIMEOUT_S, call.timeout_s))
    url = f"{call.base_url.rstrip('/')}/{(call.endpoint.endpoint_pattern or path).lstrip('/')}"
    answer = await pool.http.post(url, content=dump_json(body), headers=headers, timeout=timeout)
    request_id = answer.headers.get("x-request-id") or answer.headers.get("mistral-correlation-id")
    parsed = _parse(answer.content)
    if answer.status_code != 200:
        raise describe_refusal(answer.status_code, parsed, answer.headers, call, request_id)
    if parsed.get("object") == "error" or parsed.get("error"):
        raise describe_refusal(read_words(parsed).status, parsed, answer.headers, call, request_id)
    if not parsed:
        message = "The answer is not a JSON object"
        raise ProviderError(ErrorKind.invalid_response, message, status=200, request_id=request_id)
    return Reply(parsed, request_id)


def _parse(content: bytes) -> dict[str, Any]:
    try:
        parsed = load_json(content)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
