"""A provider that only answers: any POST gets the same JSON after a while. It costs so little that a bench beside it
measures the caller. `python -m tests.bench.wire_server --answer-ms 50` says its URL on its first line."""

import argparse
import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import uvloop

from core.jsonio import dump_json
from core.settings import python_program

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHAT = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1_790_000_000, "model": "gpt-6-luna",
    "service_tier": "default",
    "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None,
                 "message": {"role": "assistant", "content": "Hello there. " * 8, "refusal": None, "annotations": []}}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 24, "total_tokens": 33,
              "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0, "audio_tokens": 0},
              "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0}},
}  # fmt: skip
_RESPONSE = {
    "id": "resp_1", "object": "response", "created_at": 1_790_000_000, "model": "gpt-6-luna", "status": "completed",
    "error": None, "incomplete_details": None, "service_tier": "default", "parallel_tool_calls": True,
    "tool_choice": "auto", "tools": [],
    "output": [{"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "Hello there. " * 8, "annotations": [], "logprobs": []}]}],
    "usage": {"input_tokens": 9, "output_tokens": 24, "total_tokens": 33,
              "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
              "output_tokens_details": {"reasoning_tokens": 0}},
}  # fmt: skip
_MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-5-5",
    "content": [{"type": "text", "text": "Hello there. " * 8}], "stop_reason": "end_turn", "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 24, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0},
}  # fmt: skip
_ANSWERS = {b"chat/completions": _CHAT, b"responses": _RESPONSE, b"messages": _MESSAGE}
_HEAD = (
    "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 10:00:00 GMT\r\nContent-Type: application/json\r\n"
    "x-request-id: req_0123456789abcdef\r\nopenai-processing-ms: 40\r\nopenai-version: 2020-10-01\r\n"
    "x-ratelimit-limit-requests: 10000\r\nx-ratelimit-limit-tokens: 2000000\r\n"
    "x-ratelimit-remaining-requests: 9999\r\nx-ratelimit-remaining-tokens: 1999000\r\n"
    "x-ratelimit-reset-requests: 6ms\r\nx-ratelimit-reset-tokens: 30ms\r\nContent-Length: {length}\r\n\r\n"
)
_WIRES = {end: _HEAD.format(length=len(dump_json(body))).encode() + dump_json(body) for end, body in _ANSWERS.items()}


class _Conversation(asyncio.Protocol):
    """One connection: a request, a while, its answer."""

    def __init__(self, answer_s: float) -> None:
        self._answer_s = answer_s
        self._came = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._came += data
        head, found, body = self._came.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if found and len(body) >= int(length.group(1) if length else 0):
            self._came = b""
            path = head.split(b" ", 2)[1]
            answer = next(wire for end, wire in _WIRES.items() if path.endswith(end))
            asyncio.get_running_loop().call_later(self._answer_s, self._transport.write, answer)


async def _serve(answer_s: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Conversation(answer_s), "127.0.0.1", 0, backlog=4096)
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await stopped.wait()


@contextmanager
def wire_server(answer_ms: int) -> Iterator[str]:
    """The URL of one in a process of its own."""
    command = python_program("tests.bench.wire_server", "--answer-ms", str(answer_ms))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def main() -> None:
    """Until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--answer-ms", type=int, required=True)
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(given.answer_ms / 1000))


if __name__ == "__main__":
    main()
