"""Reads the lines of batches that are `validating`, after their caller was answered.

They are read in one transaction, under a lock that goes with it: when the process dies, nothing was made, and another
process finds the batch and begins anew.
"""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from broker.wakeups import Wakeups
from core.clock import utc_now
from core.errors import FactoryError, Problem, RateLimited
from core.logging import get_logger
from producer.intake.accepting import Acceptance
from producer.intake.line_readers import reader_of
from producer.intake.lines import FileLines, LineSource, StoredLines
from producer.intake.making import BatchGone
from producer.intake.retrying import Retrial
from producer.intake.waiting import WaitingRoom
from producer.limiting import Asked, LargerThanLimit, ProjectLimits
from producer.submit import Caller, Submitter
from sql.batches import (
    ValidatingBatch,
    count_try,
    drop_lines,
    insert_batch_errors,
    lock_validating,
    refuse_batch,
)
from sql.patience import GONE
from sql.pool import Database
from storage.store import StorageUnavailable, Store

MOST_TRIES = 5
TOLD_IN_BATCH = 20


class Validation:
    """One batch at a time."""

    def __init__(
        self,
        database: Database,
        submitter: Submitter,
        limits: ProjectLimits,
        wakeups: Wakeups,
        storage: Store,
        line_mb: int,
    ) -> None:
        self._database = database
        self._submitter = submitter
        self._limits = limits
        self._wakeups = wakeups
        self._storage = storage
        self._line_mb = line_mb
        self._waiting = WaitingRoom(database, limits)
        self._reading = asyncio.Lock()

    async def run(self, batch: ValidatingBatch) -> None:
        """Until it has jobs, is refused, or waits for room. When a server is away, or somebody else reads it, it is
        left alone."""
        made: Acceptance | Retrial | None = None
        async with self._reading:
            try:
                async with self._database.acquire() as connection, connection.transaction():
                    on_error = await lock_validating(connection, batch.id)
                    if on_error is None or (admitted := await self._waiting.go_on(batch)) is None:
                        return
                    made = self._begin(batch, on_error, admitted)
                    if await count_try(self._database, batch.id) > MOST_TRIES:
                        raise FactoryError(
                            f"{MOST_TRIES} processes began to read these lines, and none came to the end"
                        )
                    if isinstance(made, Retrial):
                        await made.run(connection)
                    else:
                        await made.run(connection, self._source_of(batch))
                    await drop_lines(connection, batch.id)
            except (*GONE, BatchGone, StorageUnavailable) as error:
                get_logger(__name__).warning("a batch was not read", batch_id=str(batch.id), error=type(error).__name__)
                return
            except (RateLimited, LargerThanLimit):
                if made is not None:
                    await self._waiting.put(batch, made.asked)
                return
            except FactoryError as error:
                await self._refuse(batch.id, made, error)
            except Exception:  # noqa: BLE001  whatever it is, the caller learns of it
                get_logger(__name__).exception("a fault of ours", batch_id=str(batch.id))
                await self._refuse(batch.id, made, FactoryError("the factory failed at these lines"))
            else:
                await self._submitter.hand_over_batch(batch.id, made.last_line)
        await self._wakeups.publish(batch.id)

    def _begin(self, batch: ValidatingBatch, on_error: str, admitted: Asked) -> Acceptance | Retrial:
        caller = Caller(batch.project_id, batch.project, frozenset({"jobs"}))
        if batch.retry_of is not None:
            return Retrial(self._submitter, self._limits, caller, batch.id, batch.retry_of, admitted)
        reader, keyed = reader_of(batch, utc_now()), batch.endpoint is not None
        return Acceptance(
            self._submitter, self._limits, caller, batch.id, on_error, reader, keyed=keyed, admitted=admitted
        )

    def _source_of(self, batch: ValidatingBatch) -> LineSource:
        if batch.endpoint is None:
            return StoredLines(self._database, batch.id)
        return FileLines(self._storage, batch.storage_key, self._line_mb)

    async def _refuse(self, batch_id: UUID, made: Acceptance | Retrial | None, error: FactoryError) -> None:
        reason = {
            "kind": error.code,
            "message": error.message,
            "problems": [one.as_dict() for one in error.problems[:TOLD_IN_BATCH]],
        }
        async with self._database.acquire() as connection, connection.transaction():
            await refuse_batch(connection, batch_id, made.refused if made else 0, reason)
            await insert_batch_errors(connection, batch_id, _by_line(error.problems))
            await drop_lines(connection, batch_id)


def _by_line(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    lines: dict[int, list[dict[str, Any]]] = {}
    for one in problems:
        if one.line is not None:
            lines.setdefault(one.line, []).append(one.as_dict())
    return [{"line": line, "problems": found} for line, found in lines.items()]
