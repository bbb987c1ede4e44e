"""A chat completions server, as a program: `LATENCY_MS READY_FILE`. It reads a request whole, waits, and answers what
was recorded, on connections that stay open.

The emulator checks what it is sent, which costs more CPU than the callers that are measured here; this costs little.
"""

import asyncio
import os
import resource
import sys
from pathlib import Path
from typing import cast

import httptools
import uvloop

from core.jsonio import dump_json

ANSWER = dump_json(
    {
        "id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG",
        "object": "chat.completion",
        "created": 1741570283,
        "model": "chat",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "A sturdy lamp with a warm light for long evenings. It stands where you need it, and it "
                    "will do so for many years.",
                    "refusal": None,
                    "annotations": [],
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 27,
            "completion_tokens": 28,
            "total_tokens": 55,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": "fp_fc9f1d7035",
    }
)
HEAD = (
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_80b3c1a0b3e94d6a9b7f5a0c\r\n"
    "openai-processing-ms: 42\r\ndate: Sat, 28 Nov 2026 12:00:00 GMT\r\n"
)
RECORDED = f"{HEAD}content-length: {len(ANSWER)}\r\n\r\n".encode() + ANSWER


class Conversation(asyncio.Protocol):
    """One connection."""

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        asyncio.get_running_loop().call_later(self._latency_s, self._answer)

    def _answer(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(RECORDED)


async def serve(latency_s: float, ready: Path) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: Conversation(latency_s), "127.0.0.1", 0, backlog=4096
    )
    unfinished = ready.with_suffix(".new")
    unfinished.write_bytes(
        dump_json({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", "pid": os.getpid()})
    )
    unfinished.rename(ready)
    await server.serve_forever()


def main() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(float(sys.argv[1]) / 1000, Path(sys.argv[2])))


if __name__ == "__main__":
    main()
