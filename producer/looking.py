"""Reads that many requests make at the same time: one statement for all who ask while another is under way."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from core.batcher import Batcher
from sql.access import FoundKey, find_api_keys
from sql.pool import Database
from sql.reading import read_job
from sql.streams import select_followed_jobs


class Looks:
    """Nobody is given what was read before they asked."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: Batcher[bytes, FoundKey | None] = Batcher(self._find_keys, is_about_one=lambda _error: False)
        self._jobs: Batcher[tuple[UUID, UUID], dict[str, Any] | None] = Batcher(
            self._read_jobs, is_about_one=lambda _error: False
        )

    async def find_key(self, key_hash: bytes) -> FoundKey | None:
        """The key in force with this hash."""
        return await self._keys.add(key_hash)

    async def read_job(self, job_id: UUID, project_id: UUID) -> dict[str, Any] | None:
        """The row of `sql.reading.read_job`, a copy of one's own; None for a job of another project."""
        return await self._jobs.add((job_id, project_id))

    async def _find_keys(self, hashes: Sequence[bytes]) -> list[FoundKey | None]:
        found = {one.key_hash: one for one in await find_api_keys(self._database, list(set(hashes)), None)}
        return [found.get(one) for one in hashes]

    async def _read_jobs(self, asked: Sequence[tuple[UUID, UUID]]) -> list[dict[str, Any] | None]:
        if len(asked) == 1:  # whose plan Postgres keeps, which it does not for a list of one
            return [await read_job(self._database, *asked[0])]
        found = {row["id"]: row for row in await select_followed_jobs(self._database, list({job for job, _ in asked}))}
        rows = (found.get(job) for job, _ in asked)
        return [
            dict(row) if row is not None and row["project_id"] == project else None
            for row, (_, project) in zip(rows, asked, strict=True)
        ]
