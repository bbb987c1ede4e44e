"""A bare Starlette stream, as a program: every GET / listens, every POST / tells all who do what it was sent."""

import asyncio
import sys
from collections.abc import AsyncIterator

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

LISTENING: set["asyncio.Queue[bytes]"] = set()


async def listen(_request: Request) -> Response:
    async def frames() -> AsyncIterator[bytes]:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        LISTENING.add(queue)
        yield b"retry: 1000\n\n"
        while True:
            yield await queue.get()

    return StreamingResponse(frames(), media_type="text/event-stream")


async def tell(request: Request) -> Response:
    frame = b"event: told\nid: 1\ndata: %s\n\n" % await request.body()
    for queue in LISTENING:
        queue.put_nowait(frame)
    return Response(status_code=204)


def main() -> None:
    app = Starlette(routes=[Route("/", listen), Route("/", tell, methods=["POST"])])
    config = uvicorn.Config(
        app, port=int(sys.argv[1]), http="httptools", log_config=None, backlog=4096, access_log=False
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
