"""Bytes in a local folder. A key is a relative path such as `PROJECT/JOB/audio.mp3`."""

import asyncio
import hashlib
import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class NotStored(LookupError):
    """There are no bytes under this key."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What was written."""

    key: str
    bytes: int
    sha256: str


class Store:
    """Files appear whole or not at all."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    async def put(self, key: str, data: bytes | Path, content_type: str) -> Stored:  # noqa: ARG002  for stores that keep it
        """Write, replacing what was there; a file is copied piece by piece."""
        return await asyncio.to_thread(self._write, key, data)

    async def get(self, key: str) -> bytes:
        """Raises NotStored."""
        try:
            return await asyncio.to_thread(self.path(key).read_bytes)
        except FileNotFoundError:
            raise NotStored(key) from None

    async def size(self, key: str) -> int:
        """Raises NotStored."""
        try:
            return (await asyncio.to_thread(self.path(key).stat)).st_size
        except FileNotFoundError:
            raise NotStored(key) from None

    async def delete(self, keys: Sequence[str]) -> None:
        """What is not there is fine."""
        for key in keys:
            await asyncio.to_thread(self.path(key).unlink, missing_ok=True)

    def path(self, key: str) -> Path:
        """Where a key's bytes are. Raises ValueError for a key that leads out of the folder."""
        path = (self._root / key).resolve()
        if not path.is_relative_to(self._root):
            raise ValueError(f"the storage key {key!r} leads out of the storage folder")
        return path

    def _write(self, key: str, data: bytes | Path) -> Stored:
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with unfinished.open("wb") as file:
            if isinstance(data, Path):
                with data.open("rb") as source:
                    shutil.copyfileobj(source, file, 1 << 20)
            else:
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with unfinished.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = unfinished.stat().st_size
        unfinished.replace(path)
        return Stored(key, size, digest)
