"""Bytes in a local folder. A key is a relative path such as `PROJECT/JOB/audio.mp3`."""

import asyncio
import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stored:
    """What was written."""

    key: str
    bytes: int
    sha256: str


class Folder:
    """Files appear whole or not at all."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    async def put(self, key: str, data: bytes) -> Stored:
        """Write, replacing what was there."""
        await asyncio.to_thread(self._write, self.path(key), data)
        return Stored(key, len(data), hashlib.sha256(data).hexdigest())

    async def get(self, key: str) -> bytes:
        """Raises FileNotFoundError."""
        return await asyncio.to_thread(self.path(key).read_bytes)

    def path(self, key: str) -> Path:
        """Where a key's bytes are. Raises ValueError for a key that leads out of the folder."""
        path = (self._root / key).resolve()
        if not path.is_relative_to(self._root):
            raise ValueError(f"the storage key {key!r} leads out of the storage folder")
        return path

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
