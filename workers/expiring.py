"""Audio, content and files that have outlived their project's policy."""

from datetime import datetime

from core.logging import get_logger
from sql.deleting import delete_content, forget_answers, select_outlived
from sql.expiry import expire_audio, select_expired_audio, select_storage_keys
from sql.files import remove_files, select_expired_files
from sql.pool import Database
from storage.store import Store

EVERY_S = 60.0
DEFAULT_RETENTION_DAYS = 30.0
_AT_ONCE = 200


class AudioExpiry:
    """Bytes first, then the note that they are gone: a crash in between deletes once more. What another job
    still names stays until that one's time has come."""

    def __init__(self, database: Database, storage: Store) -> None:
        self._database = database
        self._storage = storage

    async def step(self, now: datetime | None = None) -> int:
        """How many jobs lost their audio."""
        jobs = await select_expired_audio(self._database, now, DEFAULT_RETENTION_DAYS, _AT_ONCE)
        if not jobs:
            return 0
        await self._storage.delete(await select_storage_keys(self._database, jobs))
        await expire_audio(self._database, jobs, now)
        get_logger(__name__).info("audio expired", jobs=len(jobs))
        return len(jobs)


class FileExpiry:
    """Files whose time is over, also bytes first."""

    def __init__(self, database: Database, storage: Store) -> None:
        self._database = database
        self._storage = storage

    async def step(self, now: datetime | None = None) -> int:
        """How many files are gone."""
        files = await select_expired_files(self._database, now, _AT_ONCE)
        if not files:
            return 0
        await self._storage.delete([one.storage_key for one in files if one.storage_key is not None])
        await remove_files(self._database, [one.id for one in files])
        get_logger(__name__).info("files expired", files=len(files))
        return len(files)


class ContentExpiry:
    """Requests, answers and metadata, where a project says for how long they are kept (`content_retention_days`). As
    with audio, bytes go first."""

    def __init__(self, database: Database, storage: Store) -> None:
        self._database = database
        self._storage = storage

    async def step(self, now: datetime | None = None) -> int:
        """How many jobs lost their content."""
        jobs = await select_outlived(self._database, now, _AT_ONCE)
        if not jobs:
            return 0
        await forget_answers(self._database, jobs)
        await self._storage.delete(await select_storage_keys(self._database, jobs))
        await delete_content(self._database, jobs, now)
        get_logger(__name__).info("content expired", jobs=len(jobs))
        return len(jobs)
