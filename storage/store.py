"""Bytes under keys such as `PROJECT/JOB/audio.mp3`: in a folder, or in S3, GCS or Azure, by URL."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import urlsplit

from core.errors import ConfigurationError, ServiceUnavailable

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_REMOTE = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss")
_CHUNK = 1 << 20
_HASHED_AT_ONCE = 1 << 22


class NotStored(LookupError):
    """There are no bytes under this key."""


class StorageUnavailable(ServiceUnavailable):
    """The store did not answer, or refused; worth trying again."""

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
    try:
        if "://" not in text or parts.scheme == "file":
            folder = Path(text if "://" not in text else parts.path).resolve()
            return Store(LocalStore(folder, mkdir=True), folder)
        if parts.scheme == "memory":
            return Store(MemoryStore())
        if parts.scheme in _REMOTE:
            return Store(from_url(text))
    except (BaseError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0][:200]
        raise ConfigurationError(f"FACTORY_STORAGE_URL {_shown(text)!r} cannot be used: {reason}") from error
    raise ConfigurationError(
        f"FACTORY_STORAGE_URL {_shown(text)!r}: a directory, or a URL that begins with s3:// gs:// or az://, is needed"
    )


class Store:
    """Objects appear whole or not at all; in a folder they are on disk before `put` returns."""

    def __init__(self, store: "ObjectStore", folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder

    async def put(self, key: str, data: bytes | Path, content_type: str) -> Stored:
        """Write, replacing what was there. A file goes piece by piece and is never held whole."""
        import obstore
        from obstore.exceptions import BaseError

        name = _checked(key)
        digest, size = await asyncio.to_thread(_measure, data)
        attributes = cast("Any", {"Content-Type": content_type}) if self._folder is None else None
        try:
            await obstore.put_async(self._store, name, data, attributes=attributes)
            if self._folder is not None:
                await asyncio.to_thread(_sync, self._folder / name)
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error
        return Stored(key, size, digest)

    async def get(self, key: str) -> bytes:
        """All of it. Raises NotStored."""
        return b"".join([chunk async for chunk in self.read(key)])

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """A range, in pieces of about a megabyte. Raises NotStored."""
        import obstore
        from obstore.exceptions import BaseError

        if end is not None and end <= start:
            return
        options: Any = {"range": (start, end) if end is not None else {"offset": start}} if start or end else None
        try:
            found = await obstore.get_async(self._store, _checked(key), options=options)
            async for chunk in found.stream(min_chunk_size=_CHUNK):
                yield bytes(chunk)
        except FileNotFoundError as error:
            raise NotStored(key) from error
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error

    async def size(self, key: str) -> int:
        """Raises NotStored."""
        import obstore
        from obstore.exceptions import BaseError

        try:
            return (await obstore.head_async(self._store, _checked(key)))["size"]
        except FileNotFoundError as error:
            raise NotStored(key) from error
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error

    async def delete(self, keys: Sequence[str]) -> None:
        """What is not there is fine."""
        import obstore
        from obstore.exceptions import BaseError

        for key in keys:
            try:
                await obstore.delete_async(self._store, _checked(key))
            except FileNotFoundError:
                continue
            except (BaseError, OSError) as error:
                raise _unavailable(error) from error

    async def sign(self, key: str, expires_in: timedelta, method: Literal["GET", "HEAD"] = "GET") -> str | None:
        """A link to the object store itself that needs no key; None where there is no such thing."""
        import obstore
        from obstore.exceptions import BaseError
        from obstore.store import AzureStore, GCSStore, S3Store

        if not isinstance(self._store, S3Store | GCSStore | AzureStore):
            return None
        try:
            return await obstore.sign_async(self._store, method, _checked(key), expires_in)
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error


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


def _sync(path: Path) -> None:
    for one in (path, path.parent):
        handle = os.open(one, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _unavailable(error: Exception) -> StorageUnavailable:
    """Without the URL, which may carry a signature."""
    return StorageUnavailable(f"The audio storage failed ({type(error).__name__}); try again shortly")


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return url if "@" not in parts.netloc else url.replace(parts.netloc, parts.netloc.rpartition("@")[2])
