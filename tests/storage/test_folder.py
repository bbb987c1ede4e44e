import hashlib
from pathlib import Path

import pytest

from storage.folder import Folder


async def test_what_is_put_comes_back(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "audio")
    stored = await folder.put("p/j/1.mp3", b"sound")
    assert (stored.bytes, stored.sha256) == (5, hashlib.sha256(b"sound").hexdigest())
    assert await folder.get("p/j/1.mp3") == b"sound"
    assert [path.name for path in (tmp_path / "audio/p/j").iterdir()] == ["1.mp3"]


@pytest.mark.parametrize("key", ["../outside", "/etc/passwd", "p/../../outside"])
async def test_a_key_that_leads_out_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="leads out"):
        await Folder(tmp_path / "audio").put(key, b"x")


async def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await Folder(tmp_path).get("nothing")
