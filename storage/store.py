"""Bytes under keys such as `PROJECT/JOB/audio.mp3`: in a folder, or in S3, GCS or Azure, by URL."""

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import urlsplit

from core.errors import ConfigurationError, ServiceUnavailable
from core.logging import get_logger

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_REMOTE = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss")
_PIECE = 1 << 21
_HASHED_AT_ONCE = 1 << 22
_DELETED_AT_ONCE = 10
_RETRIED_FOR = timedelta(seconds=20)


class NotStored(LookupError):
    """There are no bytes under this key."""


class StorageUnavailable(ServiceUnavailable):
    """The store did not answer, or refused; worth trying again. The log says why."""

    code = "storage_unavailable"
    title = "The audio storage cannot be reached; try again shortly"


@dataclass(frozen=True, slots=True)
class Stored:
    """What was written."""

    key: str
    bytes: int
    sha256: str


def open_store(url: str | Path) -> "Store":
    """A directory, `file://`, `s3://BUCKET/PREFIX`, `gs://`, `az://`, or `memory://` for tests. Keys and addresses come
    from the variables that the clouds' own tools read (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, …).

    Raises ConfigurationError that says what is wrong with the URL.
    """
    from obstore.exceptions import BaseError
    from obstore.store import LocalStore, MemoryStore, from_url

    text = str(url)
    parts = urlsplit(text)
    shown = _shown(text)
    try:
        if "://" not in text or parts.scheme == "file":
            folder = Path(text if "://" not in text else parts.path).resolve()
            return Store(LocalStore(folder, mkdir=True, automatic_cleanup=True), shown, folder)
        if parts.scheme == "memory":
            return Store(MemoryStore(), shown)
        if parts.scheme in _REMOTE and (parts.password or parts.query):
            raise ConfigurationError(
                f"FACTORY_STORAGE_URL {shown!r}: nothing may follow a `?` and no password belongs in it; the variables "
                "of the cloud's own tools hold the keys, such as AWS_SECRET_ACCESS_KEY"
            )
        if parts.scheme in _REMOTE:
            return Store(from_url(text, retry_config={"retry_timeout": _RETRIED_FOR}), shown)
    except (BaseError, ValueError, OSError) as error:
        raise ConfigurationError(f"FACTORY_STORAGE_URL {shown!r} cannot be used: {_reason(error)}") from error
    raise ConfigurationError(
        f"FACTORY_STORAGE_URL {shown!r}: a directory, or a URL that begins with s3:// gs:// or az://, is needed"
    )


class Store:
    """Objects appear whole or not at all, whatever becomes of the process that writes.

    A folder is written through obstore as well: a file of another name, then a rename. obstore does not wait for the
    disk, so `put` does, for the file and for the folders above it. A power cut before `put` returns may leave a
    damaged file; nobody has heard of its key then.
    """

    def __init__(self, store: "ObjectStore", place: str, folder: Path | None = None) -> None:
        self._store = store
        self._place = place
        self._folder = folder

    async def put(self, key: str, data: bytes | Path, content_type: str) -> Stored:
        """Write, replacing what was there. A file goes piece by piece and is never held whole."""
        import obstore

        name = _checked(key)
        digest, size = await asyncio.to_thread(_measure, data)
        attributes = cast("Any", {"Content-Type": content_type}) if self._folder is None else None
        with self._told_errors():
            await obstore.put_async(self._store, name, data, attributes=attributes)
            if self._folder is not None:
                await asyncio.to_thread(_sync, self._folder / name, self._folder)
        return Stored(key, size, digest)

    async def get(self, key: str) -> bytes:
        """All of it. Raises NotStored."""
        import obstore

        with self._told_errors(key):
            found = await obstore.get_async(self._store, _checked(key))
            return bytes(await found.bytes_async())

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """A range, in pieces of two megabytes, all of one version. Each piece is a request of its own: a listener may
        pause for as long as he likes, and no connection to the store waits for him. Raises NotStored."""
        import obstore

        name, version = _checked(key), None
        while end is None or start < end:
            wanted = (start, start + _PIECE if end is None else min(start + _PIECE, end))
            with self._told_errors(key):
                try:
                    options: Any = {"range": wanted} | ({"if_match": version} if version else {})
                    found = await obstore.get_async(self._store, name, options=options)
                    piece = bytes(await found.bytes_async())
                except Exception:
                    if start >= await self.size(key):
                        return
                    raise
            yield piece
            size, version = found.meta["size"], found.meta["e_tag"]
            start, end = start + len(piece), size if end is None else min(end, size)

    async def size(self, key: str) -> int:
        """Raises NotStored."""
        import obstore

        with self._told_errors(key):
            return (await obstore.head_async(self._store, _checked(key)))["size"]

    async def has(self, key: str) -> bool:
        try:
            await self.size(key)
        except NotStored:
            return False
        return True

    async def delete(self, keys: Sequence[str]) -> None:
        """What is not there is fine. A folder that is empty then goes, too."""
        for first in range(0, len(keys), _DELETED_AT_ONCE):
            await asyncio.gather(*(self._delete(key) for key in keys[first : first + _DELETED_AT_ONCE]))

    async def _delete(self, key: str) -> None:
        import obstore

        try:
            with self._told_errors(key):
                await obstore.delete_async(self._store, _checked(key))
        except NotStored:
            return

    async def sign(self, key: str, expires_in: timedelta, method: Literal["GET", "HEAD"] = "GET") -> str | None:
        """A link to the object store itself that needs no key; None where there is no such thing."""
        import obstore
        from obstore.store import AzureStore, GCSStore, S3Store

        if not isinstance(self._store, S3Store | GCSStore | AzureStore):
            return None
        with self._told_errors():
            return await obstore.sign_async(self._store, method, _checked(key), expires_in)

    @contextmanager
    def _told_errors(self, key: str | None = None) -> Iterator[None]:
        """obstore's errors as ours; with `key`, that there is nothing under it. The reason goes into the log only."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            if key is not None and isinstance(error, FileNotFoundError):
                raise NotStored(key) from error
            get_logger(__name__).warning("the audio storage failed", storage=self._place, reason=_reason(error))
            raise StorageUnavailable(f"The audio storage {self._place} failed; try again shortly") from error


def _checked(key: str) -> str:
    """Raises ValueError for a key that leads out of the store."""
    if key.startswith("/") or any(part in ("", ".", "..") for part in key.split("/")):
        raise ValueError(f"the storage key {key!r} leads out of the store")
    return key


def _measure(data: bytes | Path) -> tuple[str, int]:
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest(), len(data)
    digest, size = hashlib.sha256(), 0
    with data.open("rb") as file:
        while piece := file.read(_HASHED_AT_ONCE):
            digest.update(piece)
            size += len(piece)
    return digest.hexdigest(), size


def _sync(path: Path, root: Path) -> None:
    """The file, and each folder up to the root: any of them may be new."""
    for one in (path, *path.parents):
        handle = os.open(one, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        if one == root:
            return


def _reason(error: Exception) -> str:
    """The first line, without what follows a `?`: it may be a signature."""
    return re.sub(r"\?\S+", "?…", (str(error) or type(error).__name__).splitlines()[0])[:300]


def _shown(url: str) -> str:
    """Without a password and without parameters."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{f'{user}@' if user and ':' not in user else ''}{host}{parts.path}"
