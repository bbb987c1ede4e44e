"""Pictures in messages: fetched from the open internet by the worker, or carried along as data: URLs."""

import asyncio
import base64
import binascii
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from adapters.outbound import Outbound, OutboundRefused
from core.provider import ErrorKind, ProviderError
from core.request import JobRequest

MAX_IMAGE_BYTES = 20_000_000
FETCH_TIMEOUT_S = 20.0


async def fetch_images(request: JobRequest, outbound: Outbound) -> dict[str, tuple[str, bytes]]:
    """Every picture that a message names by http(s) address, as `ProviderCall.images` wants them.

    Raises ProviderError(invalid_request) naming the field, for an address that may not be reached, does not answer,
    or holds no PNG, JPEG, GIF or WebP.
    """
    fields = {url: field for field, url in request.image_urls() if not url.startswith("data:")}
    if not fields:
        return {}

    async def fetch(url: str, field: str) -> tuple[str, bytes]:
        try:
            fetched = await outbound.fetch(url, max_bytes=MAX_IMAGE_BYTES, timeout_s=FETCH_TIMEOUT_S)
        except OutboundRefused as refused:
            raise _refuse(f"{field}: the picture {refused}") from None
        if fetched.status != 200:
            raise _refuse(f"{field}: the picture's server answered {fetched.status}")
        media_type = sniff_media_type(fetched.body)
        if media_type is None:
            raise _refuse(f"{field}: this is not a PNG, JPEG, GIF or WebP picture")
        return media_type, fetched.body

    try:
        async with asyncio.TaskGroup() as group:
            tasks = {url: group.create_task(fetch(url, field)) for url, field in fields.items()}
    except ExceptionGroup as refusals:
        raise refusals.exceptions[0] from None
    return {url: task.result() for url, task in tasks.items()}


def read_image(url: str, images: Mapping[str, tuple[str, bytes]]) -> tuple[str, bytes]:
    """Media type and bytes of a picture, whether fetched before or inside its own URL."""
    if url in images:
        return images[url]
    if not url.startswith("data:"):
        raise _refuse("messages: a picture was not fetched before the call")
    return decode_data_url(url)


def decode_data_url(url: str) -> tuple[str, bytes]:
    """The media type is what the bytes say. Raises ProviderError(invalid_request)."""
    head, comma, payload = url.partition(",")
    if not comma:
        raise _refuse("messages: a data: URL of a picture has no data in it")
    try:
        encoded = head.lower().endswith(";base64")
        data = base64.b64decode(unquote_to_bytes(payload), validate=True) if encoded else unquote_to_bytes(payload)
    except binascii.Error:
        raise _refuse("messages: a data: URL of a picture is not valid base64") from None
    media_type = sniff_media_type(data)
    if media_type is None:
        raise _refuse("messages: a data: URL holds no PNG, JPEG, GIF or WebP picture")
    return media_type, data


def to_data_url(media_type: str, data: bytes) -> str:
    """The picture as a URL that carries it."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def sniff_media_type(data: bytes) -> str | None:
    """What the first bytes say: image/png, image/jpeg, image/gif, image/webp or None."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def _refuse(message: str) -> ProviderError:
    return ProviderError(ErrorKind.invalid_request, message)
