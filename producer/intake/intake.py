"""The door for batches: few lines are accepted or refused at once, many are stored first and read afterwards."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from broker.wakeups import Wakeups
from core.clock import utc_now
from core.errors import FactoryError, IdempotencyConflict, Problem, RequestRefused
from core.ids import first_id_at, new_id
from producer.idempotency import KEY_LIFE
from producer.intake.accepting import Acceptance
from producer.intake.lines import MOST_LINES, HeldLines, Line, LineCutter, WholeBody
from producer.intake.order import BatchHeader
from producer.intake.retrying import Retrial
from producer.intake.validating import Validation
from producer.limiting import LargerThanLimit, ProjectLimits
from producer.openai.batches import WINDOW_S, BatchAsked
from producer.submit import Caller, Submitter
from sql.batches import (
    ValidatingBatch,
    copy_lines,
    drop_lines,
    drop_lost_lines,
    insert_batch,
    select_validating,
)
from sql.files import describe_openai_batch
from sql.jobs import claim_idempotency_key
from sql.patience import GONE
from sql.pool import Database
from sql.statements import Executor
from storage.store import Store

EVERY_S = 5.0
AT_ONCE_LINES = 1000
AT_ONCE_BYTES = 4_000_000
COPIED_LINES = 2000
LOST_AFTER = timedelta(days=1)


class Intake:
    """A step of its duty looks for batches whose reader died."""

    def __init__(
        self,
        database: Database,
        submitter: Submitter,
        limits: ProjectLimits,
        wakeups: Wakeups,
        storage: Store,
        line_mb: int,
    ) -> None:
        """`line_mb` bounds a line of a file in `storage`; a streamed body brings its own cutter."""
        self._database = database
        self._submitter = submitter
        self._limits = limits
        self._validation = Validation(database, submitter, limits, wakeups, storage, line_mb)
        self._tasks: set[asyncio.Task[None]] = set()

    async def create(
        self, caller: Caller, header: BatchHeader, lines: Mapping[int, bytes], key: str | None, digest: bytes
    ) -> UUID:
        """A batch of few lines, accepted when this returns, or `validating` where they are more than the limits of the
        project admit in a minute; with an idempotency key, the earlier one of the same `digest`. Raises what
        `Acceptance.run` does."""
        header.check()
        try:
            return await self._create(caller, header, lines, key, digest)
        except LargerThanLimit:
            return await self._store(caller, header, lines, None, WholeBody(len(lines), digest), key)

    async def _create(
        self, caller: Caller, header: BatchHeader, lines: Mapping[int, bytes], key: str | None, digest: bytes
    ) -> UUID:
        batch_id = new_id()
        async with self._database.acquire() as connection, connection.transaction():
            if (earlier := await _claim(connection, caller, batch_id, key, digest)) is not None:
                return earlier
            await _insert(connection, caller, batch_id, header, len(lines))
            acceptance = Acceptance(self._submitter, self._limits, caller, batch_id, header.on_error)
            await acceptance.run(connection, HeldLines(lines))
        await self._submitter.hand_over_batch(batch_id, acceptance.last_line)
        return batch_id

    async def receive(
        self, caller: Caller, header: BatchHeader, stream: AsyncIterator[bytes], cutter: LineCutter, key: str | None
    ) -> UUID:
        """A batch of lines as they come. More than some hundred are stored, and accepted or refused later."""
        header.check()
        held: dict[int, bytes] = {}
        async with contextlib.aclosing(cutter.cut(stream)) as lines:
            async for line, body in lines:
                held[line] = body
                if len(held) > AT_ONCE_LINES or cutter.size > AT_ONCE_BYTES:
                    return await self._store(caller, header, held, lines, cutter, key)
        if not held:
            raise RequestRefused.of([Problem(f"a batch has 1 to {MOST_LINES} jobs, this one has 0", "jobs")])
        return await self.create(caller, header, held, key, cutter.digest)

    async def _store(
        self,
        caller: Caller,
        header: BatchHeader,
        held: Mapping[int, bytes],
        lines: AsyncIterator[Line] | None,
        whole_of: LineCutter | WholeBody,
        key: str | None,
    ) -> UUID:
        """What is held, and what is still to come; `whole_of` counts them all."""
        batch_id, whole = new_id(), False
        try:
            await copy_lines(self._database, batch_id, list(held.items()))
            if lines is not None:
                async for page in _pages(lines):
                    await copy_lines(self._database, batch_id, page)
            whole = True
            async with self._database.acquire() as connection, connection.transaction():
                earlier = await _claim(connection, caller, batch_id, key, whole_of.digest)
                if earlier is None:
                    await _insert(connection, caller, batch_id, header, whole_of.count)
        except BaseException as error:
            if not whole or isinstance(error, FactoryError):  # else nobody knows whether the batch is there
                with contextlib.suppress(*GONE):
                    await asyncio.shield(drop_lines(self._database, batch_id))
            raise
        if earlier is not None:
            await drop_lines(self._database, batch_id)
            return earlier
        self._begin(ValidatingBatch(batch_id, caller.project_id, caller.project))
        return batch_id

    async def read_file(
        self, caller: Caller, file: Mapping[str, Any], asked: BatchAsked, cache: str, key: str | None
    ) -> UUID:
        """A batch of the lines of a file, which are read after this returns; `file` is a row of
        `sql.files.read_file`. Raises IdempotencyConflict."""
        header = BatchHeader(metadata=asked.metadata, on_error="skip")
        header.check()
        batch_id, until = new_id(), utc_now() + timedelta(seconds=WINDOW_S)
        digest = hashlib.sha256(repr((b"openai batch", *asked)).encode()).digest()
        async with self._database.acquire() as connection, connection.transaction():
            if (earlier := await _claim(connection, caller, batch_id, key, digest)) is not None:
                return earlier
            await _insert(connection, caller, batch_id, header, 0)
            await describe_openai_batch(
                connection, batch_id, caller.project_id, asked.endpoint, file["id"], cache, until, asked.output_life_s
            )
        project_id, project = caller.project_id, caller.project
        self._begin(ValidatingBatch(batch_id, project_id, project, asked.endpoint, cache, until, file["storage_key"]))
        return batch_id

    async def retry(self, caller: Caller, earlier: Mapping[str, Any], key: str | None) -> UUID:
        """A new batch of what did not complete of an earlier one, which is over (a row of `read_batch`); `validating`
        where that is more than the limits of the project admit in a minute."""
        header = BatchHeader(earlier["name"], earlier["metadata"], earlier["max_cost_usd"])
        digest = hashlib.sha256(b"retry-failed " + earlier["id"].bytes).digest()
        try:
            return await self._retry(caller, header, earlier["id"], key, digest)
        except LargerThanLimit:
            batch_id = new_id()
        lines = earlier["failed"] + earlier["cancelled"] + earlier["expired"]
        async with self._database.acquire() as connection, connection.transaction():
            if (known := await _claim(connection, caller, batch_id, key, digest)) is not None:
                return known
            await _insert(connection, caller, batch_id, header, lines, earlier["id"])
        self._begin(ValidatingBatch(batch_id, caller.project_id, caller.project, retry_of=earlier["id"]))
        return batch_id

    async def _retry(
        self, caller: Caller, header: BatchHeader, earlier_id: UUID, key: str | None, digest: bytes
    ) -> UUID:
        batch_id = new_id()
        async with self._database.acquire() as connection, connection.transaction():
            if (known := await _claim(connection, caller, batch_id, key, digest)) is not None:
                return known
            await _insert(connection, caller, batch_id, header, 0, earlier_id)
            retrial = Retrial(self._submitter, self._limits, caller, batch_id, earlier_id)
            await retrial.run(connection)
        await self._submitter.hand_over_batch(batch_id, retrial.last_line)
        return batch_id

    async def step(self) -> None:
        """Read what nobody reads; forget lines of uploads that broke off."""
        for batch in await select_validating(self._database):
            await self._validation.run(batch)
        await drop_lost_lines(self._database, first_id_at(utc_now() - LOST_AFTER))

    async def stop(self) -> None:
        """What is being read is left to others."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, batch: ValidatingBatch) -> None:
        task = asyncio.create_task(self._validation.run(batch), name=f"batch {batch.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _insert(
    db: Executor, caller: Caller, batch_id: UUID, header: BatchHeader, lines: int, retry_of: UUID | None = None
) -> None:
    project_id, metadata = caller.project_id, dict(header.metadata or {})
    await insert_batch(
        db, batch_id, project_id, header.name, lines, header.max_cost_usd, metadata, header.on_error, retry_of
    )


async def _claim(db: Executor, caller: Caller, batch_id: UUID, key: str | None, digest: bytes) -> UUID | None:
    """The batch that has this idempotency key already. Raises IdempotencyConflict."""
    if key is None:
        return None
    now, key_hash = utc_now(), hashlib.sha256(key.encode()).digest()
    answer = await claim_idempotency_key(db, caller.project_id, key_hash, digest, None, batch_id, now + KEY_LIFE, now)
    if answer.request_hash != digest:
        raise IdempotencyConflict
    return answer.batch_id if answer.batch_id != batch_id else None


async def _pages(lines: AsyncIterator[Line]) -> AsyncIterator[list[Line]]:
    page: list[Line] = []
    size = 0
    async for line in lines:
        page.append(line)
        size += len(line[1])
        if len(page) == COPIED_LINES or size > AT_ONCE_BYTES:
            yield page
            page, size = [], 0
    if page:
        yield page
