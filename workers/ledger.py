"""The ledger's lines, opened and completed many at a time."""

import asyncio
from collections.abc import Sequence

from core.batcher import Batcher
from sql.calls import CompletedCall, OpenedCall, complete_calls, open_calls
from sql.patience import TOGETHER_S, is_about_one, patiently
from sql.pool import Database


class Ledger:
    """A line is on disk before its call's first byte, and completed exactly once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._opening: Batcher[OpenedCall, bool] = Batcher(
            self._open, is_about_one=is_about_one, name="open_calls", patience_s=TOGETHER_S, certain=True
        )
        self._completing: Batcher[CompletedCall, bool] = Batcher(
            self._complete, is_about_one=is_about_one, name="complete_calls", patience_s=TOGETHER_S
        )

    def open(self, call: OpenedCall) -> "asyncio.Future[bool]":
        """False when the job's fence is not mine any more or it is being cancelled: then do not call. A cancellation of
        who waits for it comes after it."""
        return self._opening.put(call)

    async def complete(self, call: CompletedCall) -> bool:
        """Waits for Postgres while it is away."""
        return await self._completing.add(call)

    async def drain(self) -> None:
        """Every line that was given is written."""
        await self._opening.drain()
        await self._completing.drain()

    async def _open(self, group: Sequence[OpenedCall]) -> list[bool]:
        jobs = list({call.job_id for call in group})
        opened = await open_calls(self._database, group, jobs)
        return [call.id in opened for call in group]

    async def _complete(self, group: Sequence[CompletedCall]) -> list[bool]:
        completed = await patiently(complete_calls, self._database, group)
        return [call.id in completed for call in group]
