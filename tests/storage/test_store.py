import hashlib
from pathlib import Path

import pytest

from storage.store import NotStored, Store


async def test_what_is_put_comes_back(tmp_path: Path) -> None:
    store = Store(tmp_path / "audio")
    stored = await store.put("p/j/1.mp3", b"sound", "audio/mpeg")
    assert (stored.bytes, stored.sha256) == (5, hashlib.sha256(b"sound").hexdigest())
    assert await store.get("p/j/1.mp3") == b"sound"
    assert await store.size("p/j/1.mp3") == 5
    assert [path.name for path in (tmp_path / "audio/p/j").iterdir()] == ["1.mp3"]


async def test_a_file_is_put_as_its_bytes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"sound" * 500_000)
    store = Store(tmp_path / "audio")
    stored = await store.put("p/long.wav", source, "audio/wav")
    assert stored == await store.put("p/long.wav", b"sound" * 500_000, "audio/wav")


@pytest.mark.parametrize("key", ["../outside", "/etc/passwd", "p/../../outside"])
async def test_a_key_that_leads_out_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="leads out"):
        await Store(tmp_path / "audio").put(key, b"x", "audio/mpeg")


async def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for look in (store.get, store.size):
        with pytest.raises(NotStored):
            await look("nothing")
    await store.put("there", b"x", "audio/mpeg")
    await store.delete(["there", "nothing"])
    with pytest.raises(NotStored):
        await store.get("there")
