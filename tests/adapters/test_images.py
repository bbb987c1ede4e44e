"""Pictures: fetched before the call, judged by their bytes."""

import base64

import pytest

from adapters.images import decode_data_url, fetch_images, read_image, sniff_media_type, to_data_url
from adapters.outbound import Outbound
from core.provider import ErrorKind, ProviderError
from core.request import JobRequest
from tests.adapters.server import Asked, Reply, serving

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def looking_at(*urls: str) -> JobRequest:
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return JobRequest.model_validate({"model": "x", "messages": [{"role": "user", "content": parts}]})


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0JFIF", "image/jpeg"),
        (b"GIF89a..", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (b"<svg xmlns=", None),
        (b"", None),
    ],
)
def test_the_bytes_say_what_a_picture_is(head: bytes, media_type: str | None) -> None:
    assert sniff_media_type(head) == media_type


def test_a_data_url_is_read_and_its_bytes_are_believed() -> None:
    assert decode_data_url(to_data_url("image/jpeg", PNG)) == ("image/png", PNG)
    assert read_image(to_data_url("image/png", PNG), {}) == ("image/png", PNG)
    assert read_image("https://a.example.org/x", {"https://a.example.org/x": ("image/gif", b"g")})[1] == b"g"


@pytest.mark.parametrize(
    "url",
    ["data:image/png;base64", "data:image/png;base64,@@@", "data:text/plain,hello", "https://not-fetched.example.org/"],
)
def test_what_is_no_picture_is_the_callers_error(url: str) -> None:
    with pytest.raises(ProviderError) as caught:
        read_image(url, {})
    assert caught.value.kind is ErrorKind.invalid_request


async def test_pictures_are_fetched_once_each() -> None:
    asked: list[str] = []

    def answer(request: Asked) -> Reply:
        asked.append(request.path)
        return Reply(PNG if request.path != "/text" else b"<html>")

    async with serving(answer) as base, Outbound(private_allowed=True) as outbound:
        request = looking_at(f"{base}/a", f"{base}/a", f"{base}/b", to_data_url("image/png", PNG))
        assert await fetch_images(request, outbound) == {
            f"{base}/a": ("image/png", PNG),
            f"{base}/b": ("image/png", PNG),
        }
        assert sorted(asked) == ["/a", "/b"]
        with pytest.raises(ProviderError, match=r"messages\.0\.content\.1\.image_url\.url: this is not a PNG"):
            await fetch_images(looking_at(f"{base}/a", f"{base}/text"), outbound)


async def test_a_picture_inside_the_network_is_not_fetched() -> None:
    async with Outbound() as outbound:
        with pytest.raises(ProviderError, match="private or reserved") as caught:
            await fetch_images(looking_at("http://169.254.169.254/latest"), outbound)
    assert caught.value.kind is ErrorKind.invalid_request
