"""`/v1/files`: uploads for batches, and what batches made."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from core.errors import NotFound
from core.ids import new_id
from core.jsonio import dump_json
from core.request_checks import find_unstorable
from producer.api.access import CallerOf, ServicesOf
from producer.api.bodies import stream_body
from producer.api.jobs import json_response
from producer.api.multipart import Form, read_form
from producer.composition import Services
from producer.openai.batches import present_file, present_line, present_refused_line, read_life
from producer.openai.errors import Refusal
from producer.openai.ids import file_id_text, file_of
from producer.submit import Caller
from sql.batches import select_batch_errors
from sql.files import insert_file, read_file, remove_files, select_files, select_part_lines
from storage.store import NotStored

MOST_MB = 512
PAGE = 200
JSONL = "application/jsonl"
FIELDS = ("purpose", "expires_after[anchor]", "expires_after[seconds]")
UPLOAD_DOCS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["purpose", "file"],
                    "properties": {
                        "purpose": {"const": "batch"},
                        "file": {"type": "string", "format": "binary"},
                        "expires_after[anchor]": {"const": "created_at"},
                        "expires_after[seconds]": {"type": "integer"},
                    },
                }
            }
        },
    }
}
CONTENT_DOCS: dict[int | str, dict[str, Any]] = {200: {"description": "The bytes", "content": {JSONL: {}}}}
router = APIRouter(tags=["openai"])


@router.post("/v1/files", openapi_extra=UPLOAD_DOCS)
async def upload_file(request: Request, services: ServicesOf, caller: CallerOf) -> Response:
    """A file with `purpose: batch`, stored as it comes. `expires_after` removes it some time later."""
    with tempfile.TemporaryDirectory(prefix="factory-file-") as folder:
        path = Path(folder) / "upload"
        with path.open("wb") as held:

            async def write(piece: bytes) -> None:
                await asyncio.to_thread(held.write, piece)

            form = await read_form(stream_body(request), request.headers.get("content-type", ""), write, MOST_MB)
        life_s = _check(form)
        file_id = new_id()
        key = f"files/{caller.project_id}/{file_id}.jsonl"
        stored = await services.storage.put(key, path, JSONL)
    await insert_file(
        services.database, file_id, caller.project_id, form.fields["purpose"], form.filename, stored.bytes, key, life_s
    )
    return json_response(await _present(services, await _read(services, caller, file_id)))


@router.get("/v1/files")
async def list_files(
    services: ServicesOf,
    caller: CallerOf,
    purpose: Annotated[str | None, Query(max_length=100)] = None,
    after: Annotated[str | None, Query(description="the last id of the page before")] = None,
    limit: int = Query(100, ge=1, le=1000),
    order: Literal["asc", "desc"] = "desc",
) -> Response:
    """A page of files, the newest first unless `order=asc`. `bytes` of what batches made is null here: it is counted
    when one is retrieved alone."""
    before = file_of(after) if after is not None else None
    rows = await select_files(services.database, caller.project_id, before, purpose, order == "asc", None, limit + 1)
    return json_response(page_of([present_file(row, row["bytes"]) for row in rows], limit))


@router.get("/v1/files/{file_id}")
async def get_file(services: ServicesOf, caller: CallerOf, file_id: str) -> Response:
    """What is known of a file."""
    return json_response(await _present(services, await _read(services, caller, file_of(file_id))))


@router.get("/v1/files/{file_id}/content", response_class=StreamingResponse, responses=CONTENT_DOCS)
async def get_content(services: ServicesOf, caller: CallerOf, file_id: str) -> Response:
    """The bytes as they were uploaded, or a line for every request of a batch."""
    row = await _read(services, caller, file_of(file_id))
    if row["storage_key"] is None:
        return StreamingResponse(_lines(services, row), media_type=JSONL)
    try:
        size = await services.storage.size(row["storage_key"])
    except NotStored:
        raise NotFound("the bytes of this file are no longer stored") from None
    body = services.storage.read(row["storage_key"], 0, size)
    return StreamingResponse(body, headers={"Content-Length": str(size)}, media_type=JSONL)


@router.delete("/v1/files/{file_id}")
async def delete_file(services: ServicesOf, caller: CallerOf, file_id: str) -> Response:
    """Bytes first, so that a crash in between leaves something that can be deleted again. Of a batch's file the jobs
    stay."""
    row = await _read(services, caller, file_of(file_id))
    if row["storage_key"] is not None:
        await services.storage.delete([row["storage_key"]])
    await remove_files(services.database, [row["id"]])
    return json_response({"id": file_id_text(row["id"]), "object": "file", "deleted": True})


def page_of(shown: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    """A page in OpenAI's shape, out of one item more than fits where there is one."""
    page = shown[:limit]
    first, last = (page[0]["id"], page[-1]["id"]) if page else (None, None)
    return {"object": "list", "data": page, "first_id": first, "last_id": last, "has_more": len(shown) > limit}


def _check(form: Form) -> int | None:
    """For how long the file is to be kept, in seconds. Raises Refusal."""
    for name in form.fields:
        if name not in FIELDS:
            raise Refusal(f"Unknown parameter: '{name[:100]}'.", name[:100], "unknown_parameter")
    if form.size is None:
        raise Refusal("Missing required parameter: 'file'.", "file", "missing_required_parameter")
    if any(find_unstorable(form.filename)) or not 1 <= len(form.filename) <= 255:
        raise Refusal("the name of the file has 1 to 255 characters.", "file")
    if form.fields.get("purpose") != "batch":
        raise Refusal("'purpose' is batch here.", "purpose", "unsupported_value")
    life = {name[14:-1]: value for name, value in form.fields.items() if name != "purpose"}
    if (seconds := life.get("seconds", "")).isdecimal() and len(seconds) < 10:
        return read_life(life | {"seconds": int(seconds)}, "expires_after")
    return read_life(life or None, "expires_after")


async def _read(services: Services, caller: Caller, file_id: UUID) -> dict[str, Any]:
    row = await read_file(services.database, file_id, caller.project_id, None)
    if row is None:
        raise NotFound(f"No file found with id '{file_id_text(file_id)}'.")
    return row


async def _present(services: Services, row: dict[str, Any]) -> dict[str, Any]:
    size = row["bytes"]
    if size is None:
        size = 0
        async for piece in _lines(services, row):
            size += len(piece)
    return present_file(row, size)


async def _lines(services: Services, row: dict[str, Any]) -> AsyncIterator[bytes]:
    """The file of a batch, which is over: nothing of it is held but a page."""
    completed = row["part"] == "output"
    for start in range(0, row["last_line"], PAGE):
        jobs = await select_part_lines(services.database, row["batch_id"], start, start + PAGE, completed)
        lines = {job["line"]: present_line(job, row["endpoint"]) for job in jobs}
        if not completed:
            wrong = await select_batch_errors(services.database, row["batch_id"], start, PAGE)
            lines |= {
                one["line"]: present_refused_line(row["batch_id"], one) for one in wrong if one["line"] <= start + PAGE
            }
        if lines:
            yield b"".join(dump_json(lines[line]) + b"\n" for line in sorted(lines))
