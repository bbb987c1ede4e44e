"""`/v1/jobs/{id}/audio`: the narration's bytes, streamed from wherever they are stored."""

import base64
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from core.errors import Conflict, NotFound
from core.request import AUDIO_TYPES
from producer.api.access import AudioCallerOf, ServicesOf
from producer.api.bodies import id_of
from producer.api.ranges import Unsatisfiable, read_range
from producer.composition import Services
from sql.reading import read_job
from storage.store import NotStored

router = APIRouter(tags=["jobs"])


AUDIO_DOCS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The recording", "content": {kind: {} for kind in sorted(set(AUDIO_TYPES.values()))}},
    206: {"description": "The range that was asked for"},
    304: {"description": "As it was"},
    416: {"description": "The range lies outside the bytes there are"},
}


@router.get("/v1/jobs/{job_id}/audio", response_class=StreamingResponse, responses=AUDIO_DOCS)
@router.head("/v1/jobs/{job_id}/audio", include_in_schema=False)
async def job_audio(request: Request, services: ServicesOf, caller: AudioCallerOf, job_id: str) -> Response:
    """The narration, with ranges; a signed link stands in for a key."""
    return await serve_audio(request, services, await read_job(services.database, id_of(job_id), caller.project_id))


async def serve_audio(request: Request, services: Services, row: Mapping[str, Any] | None) -> Response:
    """What a job said. Raises NotFound, or Conflict while it has not."""
    if row is None or row["kind"] != "speech":
        raise NotFound
    if row["state"] != "completed":
        raise Conflict(f"the job is {row['state']}: there is no audio")
    if row["content_deleted_at"] is not None:
        raise NotFound("the audio of this job was deleted")
    audio = row["result"]["audio"]
    try:
        if row["audio_expired_at"] is not None:
            raise NotStored(audio["storage_key"])
        size = await services.storage.size(audio["storage_key"])
    except NotStored:
        raise NotFound("the audio of this job is no longer stored") from None
    return _answer(request, services, audio, size, f"{row['key'] or row['id']}.{audio['format']}")


def _answer(request: Request, services: Services, audio: Mapping[str, Any], size: int, name: str) -> Response:
    tag = f'"{audio["sha256"]}"'
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=86400",
        "Content-Disposition": f'inline; filename="{name}"',
        "ETag": tag,
        "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(audio['sha256'])).decode()}:",
    }
    known = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    if known & {tag, "*"}:
        return Response(status_code=304, headers=headers)
    wanted = None
    if request.headers.get("if-range", tag) == tag:
        wanted = read_range(request.headers.get("range"), size)
    if isinstance(wanted, Unsatisfiable):
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{size}"})
    start, end = wanted or (0, size)
    headers["Content-Length"] = str(end - start)
    if wanted is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    status, media_type = 206 if wanted else 200, AUDIO_TYPES[audio["format"]]
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media_type)
    body = services.storage.read(audio["storage_key"], start, end)
    return StreamingResponse(body, status, headers, media_type)
