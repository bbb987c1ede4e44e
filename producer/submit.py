"""The only writer of new jobs: check, remember in Postgres, then hand over to Redis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError

from broker.queue import JobQueue, Ticket, pool_of, score_of
from core import metrics
from core.batcher import Batcher
from core.clock import utc_now
from core.errors import BudgetReached, FactoryError, Forbidden, Problem, RequestRefused
from core.explaining import why_no_route
from core.fingerprint import CacheUse, cache_use, is_asked_at_submit
from core.health import Health
from core.ids import id_of_line, new_id
from core.jsonio import dump_json
from core.logging import get_logger
from core.outbound import Allowed, check_webhook_url
from core.request import JobRequest
from core.tracing import Tracing
from producer.idempotency import Claim, Idempotency, claim_keys, find_earlier, give_back_keys
from producer.limiting import ProjectLimits
from producer.reserving import Reserver
from sql.batches import select_batch_queue
from sql.budgets import Reservation
from sql.cache import forget_entry, select_cached_audio
from sql.following import CatalogFollower
from sql.jobs import InsertedJobs, OpenJob, insert_jobs
from sql.patience import is_about_one
from sql.pool import Database
from sql.statements import Executor
from storage.store import Store

PAGE = 1000


class ContextTooLong(RequestRefused):
    """Longer than every model behind the name can read."""

    code = "context_length"
    status = 413
    title = "The text is longer than every model behind this name can read"


class NoRoute(RequestRefused):
    """Nothing behind the name can do what the request asks."""

    code = "no_route"
    title = "No model behind this name can do what the request asks"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who submits: a project, through a key of its own."""

    project_id: UUID
    project: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job. `is_new`: it was made just now and is in line, so nothing has happened to it yet."""

    id: UUID
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Submission:
    """A row to be made, and the idempotency key that it came with."""

    row: Mapping[str, Any]
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class _Made:
    """Rows that are left to be done, when they were made, and those for which there was no money."""

    rows: Sequence[Mapping[str, Any]]
    at: datetime
    refused: Mapping[UUID, BudgetReached]


class Submitter:
    """From the moment an id is answered, its job is durable in Postgres."""

    def __init__(
        self,
        database: Database,
        queue: JobQueue,
        catalog: CatalogFollower,
        storage: Store,
        limits: ProjectLimits,
        reserver: Reserver,
        *,
        allowed: Allowed,
        emulated: bool,
        tracing: Tracing,
    ) -> None:
        """`allowed`: what `webhook_url` may name beside the open internet. `emulated`: shipped endpoints are served by
        the emulator, so its answers are looked for."""
        self._database = database
        self._queue = queue
        self._catalog = catalog
        self._storage = storage
        self._limits = limits
        self._reserver = reserver
        self._allowed = allowed
        self._emulated = emulated
        self._tracing = tracing
        self._batcher: Batcher[_Submission, Accepted | FactoryError] = Batcher(
            self._submit_group, is_about_one=is_about_one, name="submit"
        )

    async def submit(self, caller: Caller, request: JobRequest, idempotency: Idempotency | None = None) -> UUID:
        """The id of the job that `accept` gives."""
        return (await self.accept(caller, request, idempotency)).id

    async def accept(
        self,
        caller: Caller,
        request: JobRequest,
        idempotency: Idempotency | None = None,
        sent_hash: bytes | None = None,
    ) -> Accepted:
        """One job; the earlier one when the idempotency key was used with the same body. `sent_hash`: by which a
        client's retry that has no such key finds it."""
        now = utc_now()
        if request.after:
            raise RequestRefused.of([Problem("goes with a batch: a single job comes after nothing", "after")])
        self.check(caller, request, now)
        job_id = new_id()
        row = self._row(caller, request, job_id) | {"sent_hash": sent_hash.hex() if sent_hash else None}
        claim = Claim.of(caller.project_id, idempotency, job_id) if idempotency else None
        if claim is not None and self._limits.holds(caller.project_id):  # a repeat takes nothing of them
            earlier = await find_earlier(self._database, claim, now)
            if earlier is not None:
                return Accepted(earlier, is_new=False)
        await self._limits.admit(caller.project_id, {job_id: request})
        accepted = await self._add(_Submission(row, claim))
        if accepted.id != job_id:
            await self._limits.give_back(caller.project_id, [job_id])
        return accepted

    async def _add(self, submission: _Submission) -> Accepted:
        answer = await self._batcher.add(submission)
        if isinstance(answer, FactoryError):
            raise answer
        return answer

    async def _submit_group(self, group: Sequence[_Submission]) -> list[Accepted | FactoryError]:
        """Concurrent submits share the claim of their keys, a look into the cache, an INSERT and a hand-over. Who has
        no money left is refused alone."""
        claims = [one.claim for one in group if one.claim is not None]
        answers: dict[UUID, UUID | FactoryError] = {one.row["id"]: one.row["id"] for one in group}
        if claims or any(one.row["reserved_usd"] is not None for one in group):
            async with self._database.acquire() as connection, connection.transaction():
                if claims:
                    answers |= await claim_keys(connection, claims, utc_now())
                rows = [one.row for one in group if answers[one.row["id"]] == one.row["id"]]
                made = await self._make(connection, rows)
                if gone := [one for one in claims if one.job_id in made.refused]:
                    await give_back_keys(connection, gone)
        else:
            made = await self._make(self._database, [one.row for one in group])
        await self._hand_over(made.rows, made.at)
        refused: Mapping[Any, BudgetReached] = made.refused  # also of those who repeat the key of one that is
        waiting = {row["id"] for row in made.rows}
        said = ((own, refused.get(answer, answer)) for own, answer in answers.items())
        return [
            one if isinstance(one, FactoryError) else Accepted(one, one == own and one in waiting) for own, one in said
        ]

    async def retry(self, caller: Caller, earlier: Mapping[str, Any]) -> UUID:
        """A new job that asks the same as a job that is over (a row of `read_job`); `retry_of` names that one. Answers
        that its prompt refers to are those of the jobs it came after."""
        request = JobRequest.model_validate_json(dump_json(earlier["request"]))
        self.check(caller, request, utc_now())
        row = self._row(caller, request, new_id()) | {"retry_of": earlier["id"], "after": _uuids(earlier["after"])}
        job_id: UUID = row["id"]
        await self._limits.admit(caller.project_id, {job_id: request})
        return (await self._add(_Submission(row))).id

    def prepare(
        self, caller: Caller, request: JobRequest, batch_id: UUID, line: int, after: Sequence[UUID], now: datetime
    ) -> dict[str, Any]:
        """The row of a job of a batch. Raises RequestRefused, Forbidden, or BudgetReached where its price is not known
        and has to be."""
        self.check(caller, request, now)
        return self._row(caller, request, id_of_line(batch_id, line), batch_id=batch_id, line=line, after=after)

    async def make(self, db: Executor, rows: Sequence[Mapping[str, Any]]) -> tuple[frozenset[UUID], Decimal]:
        """Insert prepared rows of one project, some or many, in a transaction that `reserve` ends. Which of them the
        cache answered, and what the others may cost."""
        made = await self._insert(db, rows)
        left = (row for row in rows if row["id"] not in made.answered)
        return made.answered, sum((row["reserved_usd"] or Decimal(0) for row in left), Decimal(0))

    async def reserve(self, db: Executor, caller: Caller, wanted: Decimal) -> None:
        """What all jobs made in this transaction may cost, at once. Raises BudgetReached."""
        await self._reserver.reserve_whole(db, caller.project_id, wanted)

    async def find_unpaid(
        self, db: Executor, caller: Caller, batch_id: UUID, wanted: Decimal
    ) -> list[tuple[Reservation, BudgetReached]]:
        """Which jobs of a batch made in this transaction `reserve` would refuse, were they asked for one by one."""
        return await self._reserver.find_unpaid(db, caller.project_id, batch_id, wanted)

    async def hand_over_batch(self, batch_id: UUID, lines: int) -> None:
        """Every queued job of a batch, page by page."""
        for start in range(0, lines, PAGE):
            jobs = await select_batch_queue(self._database, batch_id, start, start + PAGE)
            if not await self._put_in_line([self._ticket_of(job) for job in jobs]):
                return

    async def _make(self, db: Executor, rows: Sequence[Mapping[str, Any]]) -> "_Made":
        """What the cache answers is completed as it is made, and asks for no money."""
        pays = any(row["reserved_usd"] is not None for row in rows)
        made = await self._insert(db, rows, only_answered=pays)
        left = [row for row in rows if row["id"] not in made.answered]
        if not pays:
            return _Made(left, made.at, {})
        refused: dict[UUID, BudgetReached] = {}
        for project_id in sorted({row["project_id"] for row in left if row["reserved_usd"] is not None}):
            mine = [row for row in left if row["project_id"] == project_id]
            refused |= await self._reserver.reserve(db, project_id, mine)
        if left := [row for row in left if row["id"] not in refused]:
            made = await self._insert(db, left)
        return _Made([row for row in left if row["id"] not in made.answered], made.at, refused)

    async def _insert(
        self, db: Executor, rows: Sequence[Mapping[str, Any]], *, only_answered: bool = False
    ) -> InsertedJobs:
        await self._forget_lost_audio(db, rows)
        made = await insert_jobs(db, rows, only_answered=only_answered)
        metrics.count(metrics.CACHE, "submit", "hit", by=len(made.answered))
        if not only_answered:
            asked = sum(row["fingerprint"] is not None for row in rows)
            metrics.count(metrics.CACHE, "submit", "miss", by=asked - len(made.answered))
        for project_id in {row["project_id"] for row in rows if row["id"] in made.answered}:
            mine = [row["id"] for row in rows if row["project_id"] == project_id and row["id"] in made.answered]
            await self._limits.give_back(project_id, mine)
        return made

    async def _forget_lost_audio(self, db: Executor, rows: Sequence[Mapping[str, Any]]) -> None:
        """A recording that somebody deleted from the store is no answer."""
        spoken: dict[UUID, list[bytes]] = {}
        for row in rows:
            if row["kind"] == "speech" and row["fingerprint"]:
                spoken.setdefault(row["project_id"], []).append(bytes.fromhex(row["fingerprint"]))
        for project_id, fingerprints in spoken.items():
            for fingerprint, key in (await select_cached_audio(db, project_id, fingerprints)).items():
                if not await self._storage.has(key):
                    await forget_entry(db, project_id, fingerprint)

    def check(self, caller: Caller, request: JobRequest, now: datetime) -> None:
        """Everything that can be said before a job is accepted. Raises RequestRefused, Forbidden."""
        if request.project is not None and request.project != caller.project:
            raise Forbidden(f"project: this key belongs to project {caller.project!r}, not {request.project[:100]!r}")
        if request.webhook_url and (fault := check_webhook_url(request.webhook_url, self._allowed)):
            raise RequestRefused.of([Problem(fault, "webhook_url")])
        plan = self._catalog.router.plan(request, caller.project_id, Health(), now)
        if plan.routes:
            return
        code, reasons = why_no_route(plan)
        if code == "context_length":
            raise ContextTooLong(f"the text is too long for every model behind {request.model!r}: {reasons[:2000]}")
        raise NoRoute(f"no model behind {request.model!r} can do this: {reasons[:2000]}")

    def _row(
        self,
        caller: Caller,
        request: JobRequest,
        job_id: UUID,
        *,
        batch_id: UUID | None = None,
        line: int | None = None,
        after: Sequence[UUID] = (),
    ) -> dict[str, Any]:
        return {
            "id": job_id,
            "project_id": caller.project_id,
            "batch_id": batch_id,
            "line": line,
            "key": request.key,
            "after": _uuids(after),
            "blockers": len(after),
            "state": "waiting" if after else "queued",
            "kind": request.kind.value,
            "priority": request.priority,
            "request": request.stored(),
            "run_at": request.run_at,
            "deadline_s": request.deadline_s,
            "retry_of": None,
            "metadata": request.metadata,
            "traceparent": self._tracing.traceparent(),
            "reserved_usd": self._reserver.estimate(caller.project_id, request, utc_now()),
            "fingerprint": self._fingerprint(caller, request, in_batch=batch_id is not None),
        }

    def _fingerprint(self, caller: Caller, request: JobRequest, *, in_batch: bool) -> str | None:
        """In hex; None where the cache is not to be asked now."""
        use = self.cache_use(caller, request, in_batch=in_batch) if is_asked_at_submit(request) else None
        return use.fingerprint.hex() if use else None

    def cache_use(self, caller: Caller, request: JobRequest, *, in_batch: bool) -> CacheUse | None:
        """What the cache is to a job of this caller."""
        catalog = self._catalog.current
        return cache_use(request, catalog, caller.project_id, emulated=self._emulated, in_batch=in_batch)

    async def _hand_over(self, rows: Sequence[Mapping[str, Any]], made_at: datetime) -> None:
        await self._put_in_line([self._ticket(row, made_at) for row in rows])

    async def _put_in_line(self, tickets: Sequence[Ticket]) -> bool:
        """The fast path. When Redis is away the jobs are durable all the same: a duty hands them over later."""
        try:
            await self._queue.hand_over(tickets)
        except (RedisError, OSError) as error:
            get_logger(__name__).warning("hand-over put off", jobs=len(tickets), error=type(error).__name__)
            return False
        return True

    def _ticket(self, row: Mapping[str, Any], made_at: datetime) -> Ticket:
        return Ticket(
            id=row["id"],
            fence=0,
            pool=pool_of(row["kind"]),
            project=row["project_id"],
            weight=self._catalog.current.weight_of(row["project_id"]),
            score=score_of(row["priority"], made_at),
            delay_s=(row["run_at"] - made_at).total_seconds() if row["run_at"] else 0.0,
        )

    def _ticket_of(self, job: OpenJob) -> Ticket:
        return Ticket(
            id=job.id,
            fence=job.fence,
            pool=pool_of(job.kind),
            project=job.project_id,
            weight=self._catalog.current.weight_of(job.project_id),
            score=score_of(job.priority, job.created_at),
            delay_s=job.wait_s,
        )


def _uuids(ids: Sequence[UUID]) -> str:
    """An array as jsonb_to_recordset reads it."""
    return "{" + ",".join(map(str, ids)) + "}"
