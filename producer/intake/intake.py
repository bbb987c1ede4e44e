"""The door for batches: few lines are accepted or refused at once, many are stored first and read afterwards.

Stored lines are read in one transaction, under a lock that goes with it: when the process dies, nothing was made, and
another process finds the batch `validating` and begins anew.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from broker.wakeups import Wakeups
from core.clock import utc_now
from core.errors import FactoryError, IdempotencyConflict, Problem, RequestRefused
from core.ids import first_id_at, new_id
from core.logging import get_logger
from producer.idempotency import KEY_LIFE
from producer.intake.accepting import Acceptance
from producer.intake.line_readers import LineReader, read_own, reader_of
from producer.intake.lines import MOST_LINES, FileLines, HeldLines, Line, LineCutter, LineSource, StoredLines
from producer.intake.making import BatchGone
from producer.intake.order import BatchHeader
from producer.intake.retrying import Retrial
from producer.limiting import ProjectLimits
from producer.openai.batches import WINDOW_S, BatchAsked
from producer.submit import Caller, Submitter
from sql.batches import (
    ValidatingBatch,
    copy_lines,
    count_try,
    drop_lines,
    drop_lost_lines,
    insert_batch,
    insert_batch_errors,
    lock_validating,
    refuse_batch,
    select_validating,
)
from sql.files import describe_openai_batch
from sql.jobs import claim_idempotency_key
from sql.patience import GONE
from sql.pool import Database
from sql.statements import Executor
from storage.store import StorageUnavailable, Store

EVERY_S = 5.0
AT_ONCE_LINES = 1000
AT_ONCE_BYTES = 4_000_000
COPIED_LINES = 2000
MOST_TRIES = 5
LOST_AFTER = timedelta(days=1)
TOLD_IN_BATCH = 20


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
        self._wakeups = wakeups
        self._storage = storage
        self._line_mb = line_mb
        self._reading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def create(
        self, caller: Caller, header: BatchHeader, lines: Mapping[int, bytes], key: str | None, digest: bytes
    ) -> UUID:
        """A batch of few lines, accepted when this returns; with an idempotency key, the earlier one of the same
        `digest`. Raises what `Acceptance.run` does."""
        header.check()
        batch_id = new_id()
        async with self._database.acquire() as connection, connection.transaction():
            if (earlier := await _claim(connection, caller, batch_id, key, digest)) is not None:
                return earlier
            await _insert(connection, caller, batch_id, header, len(lines))
            acceptance = self._acceptance(caller, batch_id, header.on_error)
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
        lines: AsyncIterator[Line],
        cutter: LineCutter,
        key: str | None,
    ) -> UUID:
        batch_id, whole = new_id(), False
        try:
            await copy_lines(self._database, batch_id, list(held.items()))
            async for page in _pages(lines):
                await copy_lines(self._database, batch_id, page)
            whole = True
            async with self._database.acquire() as connection, connection.transaction():
                earlier = await _claim(connection, caller, batch_id, key, cutter.digest)
                if earlier is None:
                    await _insert(connection, caller, batch_id, header, cutter.count)
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
        header = BatchHeader(metadata=asked.metadata)
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
        """A new batch of what did not complete of an earlier one, which is over (a row of `read_batch`)."""
        batch_id = new_id()
        header = BatchHeader(earlier["name"], earlier["metadata"], earlier["max_cost_usd"])
        digest = hashlib.sha256(b"retry-failed " + earlier["id"].bytes).digest()
        async with self._database.acquire() as connection, connection.transaction():
            if (known := await _claim(connection, caller, batch_id, key, digest)) is not None:
                return known
            await _insert(connection, caller, batch_id, header, 0, earlier["id"])
            retrial = Retrial(self._submitter, self._limits, caller, batch_id)
            await retrial.run(connection, earlier["id"])
        await self._submitter.hand_over_batch(batch_id, retrial.last_line)
        return batch_id

    async def step(self) -> None:
        """Read what nobody reads; forget lines of uploads that broke off."""
        for batch in await select_validating(self._database):
            await self._validate(batch)
        await drop_lost_lines(self._database, first_id_at(utc_now() - LOST_AFTER))

    async def stop(self) -> None:
        """What is being read is left to others."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, batch: ValidatingBatch) -> None:
        task = asyncio.create_task(self._validate(batch), name=f"batch {batch.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _validate(self, batch: ValidatingBatch) -> None:
        """Until it has jobs or is refused. When a server is away, or somebody else reads it, it is left alone."""
        caller = Caller(batch.project_id, batch.project, frozenset({"jobs"}))
        acceptance: Acceptance | None = None
        async with self._reading:
            try:
                async with self._database.acquire() as connection, connection.transaction():
                    on_error = await lock_validating(connection, batch.id)
                    if on_error is None:
                        return
                    acceptance = self._acceptance(caller, batch.id, on_error, reader_of(batch, utc_now()))
                    if await count_try(self._database, batch.id) > MOST_TRIES:
                        raise FactoryError(
                            f"{MOST_TRIES} processes began to read these lines, and none came to the end"
                        )
                    await acceptance.run(connection, self._source_of(batch))
                    await drop_lines(connection, batch.id)
            except (*GONE, BatchGone, StorageUnavailable) as error:
                get_logger(__name__).warning("a batch was not read", batch_id=str(batch.id), error=type(error).__name__)
                return
            except FactoryError as error:
                await self._refuse(batch.id, acceptance, error)
            except Exception:  # noqa: BLE001  whatever it is, the caller learns of it
                get_logger(__name__).exception("a fault of ours", batch_id=str(batch.id))
                await self._refuse(batch.id, acceptance, FactoryError("the factory failed at these lines"))
            else:
                await self._submitter.hand_over_batch(batch.id, acceptance.last_line)
        await self._wakeups.publish(batch.id)

    async def _refuse(self, batch_id: UUID, acceptance: Acceptance | None, error: FactoryError) -> None:
        reason = {
            "kind": error.code,
            "message": error.message,
            "problems": [one.as_dict() for one in error.problems[:TOLD_IN_BATCH]],
        }
        async with self._database.acquire() as connection, connection.transaction():
            await refuse_batch(connection, batch_id, acceptance.refused if acceptance else 0, reason)
            await insert_batch_errors(connection, batch_id, _by_line(error.problems))
            await drop_lines(connection, batch_id)

    def _acceptance(self, caller: Caller, batch_id: UUID, on_error: str, read: LineReader = read_own) -> Acceptance:
        return Acceptance(self._submitter, self._limits, caller, batch_id, on_error, read)

    def _source_of(self, batch: ValidatingBatch) -> LineSource:
        if batch.endpoint is None:
            return StoredLines(self._database, batch.id)
        return FileLines(self._storage, batch.storage_key, self._line_mb)


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


def _by_line(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    lines: dict[int, list[dict[str, Any]]] = {}
    for one in problems:
        if one.line is not None:
            lines.setdefault(one.line, []).append(one.as_dict())
    return [{"line": line, "problems": found} for line, found in lines.items()]


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
