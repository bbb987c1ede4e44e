"""A streamed message put together again."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from adapters.anthropic.errors import describe_refusal
from core.jsonio import load_json
from core.provider import ErrorKind, ProviderCall, ProviderError

_DELTAS = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}


async def gather_message(events: AsyncIterator[Any], headers: Mapping[str, str], call: ProviderCall) -> dict[str, Any]:
    """The body that the call would have brought in one piece, out of events with `event` and `data`.

    The SDK's own gathering builds typed events and snapshots that nobody here reads. Raises ProviderError for an
    `error` event, and for a stream that stops before its message does.
    """
    gathered = _Gathered()
    async for event in events:
        if event.event == "error":
            raise _said_error(event.data, headers, call)
        if event.event and event.data and gathered.add(load_json(event.data)):
            return gathered.message
    raise ProviderError(
        ErrorKind.connection,
        "The answer's stream stopped in the middle",
        status=200,
        request_id=headers.get("request-id"),
    )


class _Gathered:
    def __init__(self) -> None:
        self.message: dict[str, Any] = {}
        self._inputs: dict[int, str] = {}

    def add(self, event: Any) -> bool:
        """Whether the message is whole now."""
        match event["type"]:
            case "message_start":
                self.message = {**event["message"], "content": []}
            case "content_block_start":
                self.message["content"].append(dict(event["content_block"]))
            case "content_block_delta":
                self._add_to_block(event)
            case "message_delta":
                self._end(event)
            case "message_stop":
                for place, text in self._inputs.items():
                    self.message["content"][place]["input"] = self._input(text)
                return True
        return False

    def _add_to_block(self, event: Any) -> None:
        block, delta = self.message["content"][event["index"]], event["delta"]
        if delta["type"] == "input_json_delta":
            self._inputs[event["index"]] = self._inputs.get(event["index"], "") + delta["partial_json"]
        elif field := _DELTAS.get(delta["type"]):
            block[field] = (block.get(field) or "") + delta[field]

    def _end(self, event: Any) -> None:
        """What usage is told here is in total, and not all of it is told."""
        told = {name: value for name, value in (event.get("usage") or {}).items() if value is not None}
        self.message |= {**event["delta"], "usage": {**(self.message.get("usage") or {}), **told}}

    def _input(self, text: str) -> Any:
        """Arguments that the token limit cut off are no JSON; what came of them is worth nothing."""
        if self.message.get("stop_reason") == "max_tokens":
            try:
                return load_json(text)
            except ValueError:
                return {}
        return load_json(text or "{}")


def _said_error(data: str, headers: Mapping[str, str], call: ProviderCall) -> ProviderError:
    try:
        body = load_json(data)
    except ValueError:
        body = {}
    return describe_refusal(200, body if isinstance(body, dict) else {}, headers, call)
