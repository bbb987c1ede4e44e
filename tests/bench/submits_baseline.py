"""A bare FastAPI application, as a program: reads the same body with the same model and answers a Job made of it.

Nothing is asked, stored or handed on. uvicorn, uvloop and httptools as the factory's API has them.
"""

import asyncio
import sys
from datetime import UTC, datetime

import uvicorn
import uvloop
from fastapi import FastAPI, Response

from core.ids import new_id
from core.jsonio import dump_json
from core.request import JobRequest

app = FastAPI()
LATER = ("result", "error", "batch_id", "key", "eta_s", "started_at", "finished_at", "expires_at", "content_deleted_at")


@app.get("/readyz")
async def readyz() -> Response:
    return Response()


@app.post("/v1/jobs")
async def accept(request: JobRequest) -> Response:
    job_id = new_id()
    place = f"/v1/jobs/{job_id}"
    job = {
        "id": job_id,
        "object": "job",
        "status": "queued",
        "kind": request.kind,
        "model": request.model,
        "project": "bench",
        "priority": request.priority,
        "position": 1,
        "attempts": 0,
        "calls": [],
        "cost": 0,
        "uncertain_cost": 0,
        "created_at": datetime.now(UTC),
        "metadata": request.metadata,
        "urls": {"self": place, "events": f"{place}/events", "cancel": f"{place}/cancel"},
        **dict.fromkeys(LATER),
    }
    return Response(dump_json(job), 202, {"Location": place}, media_type="application/json")


def main() -> None:
    config = uvicorn.Config(
        app, port=int(sys.argv[1]), http="httptools", log_config=None, backlog=4096, access_log=False
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
