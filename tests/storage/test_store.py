"""Every kind of store keeps the same promises."""

import hashlib
import os
import random
import tracemalloc
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from core.errors import ConfigurationError
from storage.store import NotStored, StorageUnavailable, Store, open_store


async def test_what_is_put_comes_back(store: Store) -> None:
    stored = await store.put("p/j/1.mp3", b"sound", "audio/mpeg")
    assert (stored.key, stored.bytes, stored.sha256) == ("p/j/1.mp3", 5, hashlib.sha256(b"sound").hexdigest())
    assert await store.get("p/j/1.mp3") == b"sound"
    assert await store.size("p/j/1.mp3") == 5
    await store.put("p/j/1.mp3", b"other", "audio/mpeg")
    assert await store.get("p/j/1.mp3") == b"other"


async def test_any_range_is_the_slice(store: Store) -> None:
    whole = random.Random(1).randbytes(3_000_000)
    await store.put("p/long.wav", whole, "audio/wav")
    draw = random.Random(2)
    ranges = [(0, len(whole)), (0, 1), (len(whole) - 1, len(whole)), (5, 5), (7, None)]
    ranges += [tuple(sorted(draw.sample(range(len(whole)), 2))) for _ in range(10)]  # type: ignore[misc]
    for start, end in ranges:
        assert b"".join([one async for one in store.read("p/long.wav", start, end)]) == whole[start:end], (start, end)


async def test_a_long_file_goes_in_and_out_without_being_held_whole(
    store: Store, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = "folder" in request.node.name
    source = tmp_path / "source"
    source.write_bytes(os.urandom(1 << 20) * 24)
    tracemalloc.start()
    stored = await store.put("p/long.wav", source, "audio/wav")
    largest = 0
    digest = hashlib.sha256()
    async for piece in store.read("p/long.wav"):
        largest = max(largest, len(piece))
        digest.update(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (stored.bytes, stored.sha256) == (24 << 20, digest.hexdigest())
    if folder:  # the other servers live in this process, and their memory is counted too
        assert largest <= 8 << 20
        assert peak < 14 << 20


async def test_what_is_not_there_is_said(store: Store) -> None:
    for look in (store.get, store.size):
        with pytest.raises(NotStored):
            await look("p/nothing")
    await store.put("p/there", b"x", "audio/mpeg")
    await store.delete(["p/there", "p/nothing"])
    with pytest.raises(NotStored):
        await store.get("p/there")


@pytest.mark.parametrize("key", ["../outside", "/etc/passwd", "p/../../outside", "p//x", ""])
async def test_a_key_that_leads_out_is_refused(store: Store, key: str) -> None:
    with pytest.raises(ValueError, match="leads out"):
        await store.put(key, b"x", "audio/mpeg")


async def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    store = open_store(tmp_path / "audio")
    in_the_way = tmp_path / "audio" / "p"
    in_the_way.write_bytes(b"a file where a folder must be")
    with pytest.raises(StorageUnavailable):
        await store.put("p/1.mp3", b"x", "audio/mpeg")
    assert list((tmp_path / "audio").rglob("*")) == [in_the_way]


async def test_an_object_store_gives_links_of_its_own(s3_url: str, tmp_path: Path) -> None:
    store = open_store(s3_url)
    await store.put("p/1.mp3", b"sound", "audio/mpeg")
    link = await store.sign("p/1.mp3", timedelta(minutes=1))
    assert link is not None
    async with httpx.AsyncClient() as client:
        answer = await client.get(link)
    assert (answer.content, answer.headers["content-type"]) == (b"sound", "audio/mpeg")
    assert await open_store(tmp_path).sign("p/1.mp3", timedelta(minutes=1)) is None


@pytest.mark.parametrize("url", ["ftp://host/x", "s3://", "http://host/bucket"])
def test_a_url_that_cannot_be_used_says_so(url: str) -> None:
    with pytest.raises(ConfigurationError, match="FACTORY_STORAGE_URL"):
        open_store(url)


def test_a_password_in_a_url_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_store("ftp://user:secret@host/x")
    assert "secret" not in caught.value.message


async def test_a_store_that_refuses_is_worth_another_try(s3_url: str) -> None:
    bucket = s3_url.split("/")[2]
    with pytest.raises((StorageUnavailable, NotStored)) as caught:
        await open_store(s3_url.replace(bucket, "nobodys-bucket")).put("p/1.mp3", b"x", "audio/mpeg")
    assert "not-a-secret" not in str(caught.value)
