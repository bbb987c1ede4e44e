"""The asynchronous client."""

import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, overload

from factory_client import batches
from factory_client import jobs as one
from factory_client.async_transport import AsyncTransport
from factory_client.batches import Line, Order, ordering
from factory_client.calls import Answer, Call, key_of, place
from factory_client.saving import saving
from factory_client.shapes import (
    Batch,
    BatchResult,
    Event,
    Job,
    JobPage,
    LineErrors,
    Quote,
    Result,
    UsageReport,
    Voice,
    Voices,
)
from factory_client.streams import EventReader, LineReader, stream
from factory_client.trying import Patience, ask

if TYPE_CHECKING:
    import httpx

Jobs = Iterable[Line] | AsyncIterable[Line] | str | os.PathLike[str] | bytes


class FactoryClient:
    """Jobs, batches, events and narrations of a factory.

    `url` and `api_key` default to FACTORY_URL and FACTORY_API_KEY; an `httpx.AsyncClient` of yours may carry the calls.
    `retry_for_s`: how long a call that may be sent twice is sent again, after a lost connection or 408, 429, 502, 503,
    504. Every submit may: it carries an Idempotency-Key. What goes wrong is a FactoryError: `factory_client.errors`.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        http: "httpx.AsyncClient | None" = None,
        retry_for_s: float = 60.0,
    ) -> None:
        self._transport = AsyncTransport(url, api_key, http)
        self._patience = Patience(retry_for_s)

    async def generate(
        self,
        request: Mapping[str, Any] | None = None,
        /,
        *,
        timeout_s: float | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Result:
        """Submit a Request, as a mapping or as keywords, and wait for its answer. Raises JobFailed, Timeout."""
        return await self._transport.run(one.generate(request, fields, idempotency_key, timeout_s, self._patience))

    async def submit(
        self, request: Mapping[str, Any] | None = None, /, *, idempotency_key: str | None = None, **fields: Any
    ) -> Job:
        """Submit a Request without waiting for its answer."""
        return await self._transport.run(one.submit(request, fields, idempotency_key, self._patience))

    async def job(self, job: Job | str) -> Job:
        """As it is now."""
        return await self._transport.run(one.fetch(Job, place("jobs", job), self._patience))

    async def wait(self, job: Job | str, timeout_s: float | None = None) -> Job:
        """Until it is over, well or not: `answer()` gives the Result. Raises Timeout."""
        return await self._transport.run(one.wait(Job, place("jobs", job), timeout_s, self._patience))

    async def cancel(self, job: Job | str) -> Job:
        """Stop it: `cancelled`, or `cancelling` while its call is being aborted. ApiError 409 when it is over."""
        return await self._transport.run(one.change(Job, place("jobs", job, "/cancel"), self._patience))

    async def delete(self, job: Job | str) -> None:
        """Delete what it was asked and answered, for good; its costs stay. ApiError 409 while it is not over."""
        await self._transport.run(one.remove(place("jobs", job), self._patience))

    async def retry(self, job: Job | str) -> Job:
        """A new job that asks the same as this one, which must be over."""
        return await self._transport.run(one.change(Job, place("jobs", job, "/retry"), self._patience))

    def events(self, of: Job | Batch | str, *, after: int = 0) -> AsyncIterator[Event]:
        """What happens to a job (by its id, too) or a batch, until it is over; goes on by itself where it broke."""
        path = place("job-batches" if isinstance(of, Batch) else "jobs", of, "/events")
        return self._transport.iterate(stream(EventReader(path, after), self._patience))

    async def batch(
        self,
        jobs: Jobs,
        *,
        name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        max_cost_usd: Decimal | float | None = None,
        on_error: Literal["reject", "skip"] | None = None,
        idempotency_key: str | None = None,
    ) -> Batch:
        """Submit many jobs: Requests or lines of JSON from any iterable, the path of a JSONL file, or its bytes. They
        are never all in memory. `max_cost_usd` is a ceiling for all of them together."""
        query = {"name": name, "max_cost_usd": max_cost_usd, "on_error": on_error}
        with ordering(jobs, metadata) as (order, lines):
            await _add(order, lines)
            return await self._transport.run(batches.submit_batch(order, idempotency_key, query, self._patience))

    async def get_batch(self, batch: Batch | str) -> Batch:
        """As it is now."""
        return await self._transport.run(one.fetch(Batch, place("job-batches", batch), self._patience))

    async def batch_wait(self, batch: Batch | str, timeout_s: float | None = None) -> Batch:
        """Until every job of it is over. Raises Timeout."""
        return await self._transport.run(one.wait(Batch, place("job-batches", batch), timeout_s, self._patience))

    async def cancel_batch(self, batch: Batch | str) -> Batch:
        """Stop every job of it that is not over."""
        return await self._transport.run(one.change(Batch, place("job-batches", batch, "/cancel"), self._patience))

    async def delete_batch(self, batch: Batch | str) -> None:
        """Delete what all its jobs were asked and answered, for good; counts and costs stay. ApiError 409 while it is
        not over."""
        await self._transport.run(one.remove(place("job-batches", batch), self._patience))

    async def retry_failed(self, batch: Batch | str, *, idempotency_key: str | None = None) -> Batch:
        """A new batch of all jobs that did not complete."""
        path = place("job-batches", batch, "/retry-failed")
        return await self._transport.run(one.change(Batch, path, self._patience, key_of(idempotency_key)))

    def results(self, batch: Batch | str, *, status: str | None = None) -> AsyncIterator[BatchResult]:
        """What became of each line, in their order, as it comes."""
        return self._transport.iterate(batches.results(batch, BatchResult, {"status": status}, self._patience))

    def batch_errors(self, batch: Batch | str) -> AsyncIterator[LineErrors]:
        """What was wrong with lines that made no job, in their order; see `on_error`."""
        return self._transport.iterate(batches.errors(batch, self._patience))

    def batch_jobs(self, batch: Batch | str) -> AsyncIterator[Job]:
        """Whole Jobs with their calls, in the order of the lines, as they come."""
        return self._transport.iterate(batches.results(batch, Job, {"jobs": True}, self._patience))

    @overload
    async def speak(
        self, text: str, *, out: None = None, timeout_s: float | None = None, idempotency_key: str | None = None,
        **fields: Any,
    ) -> bytes: ...  # fmt: skip
    @overload
    async def speak(
        self, text: str, *, out: str | os.PathLike[str], timeout_s: float | None = None,
        idempotency_key: str | None = None, **fields: Any,
    ) -> Path: ...  # fmt: skip
    async def speak(
        self,
        text: str,
        *,
        out: str | os.PathLike[str] | None = None,
        timeout_s: float | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> bytes | Path:
        """The narration of a text, with `model="narrator", voice="grandmother", format="mp3"`: its bytes, or the file
        `out`, which appears whole or not at all. A broken download goes on where it broke."""
        if out is None:
            sink = BytesIO()
            await self._transport.run(one.speak(text, fields, idempotency_key, timeout_s, sink, self._patience))
            return sink.getvalue()
        with saving(out) as file:
            await self._transport.run(one.speak(text, fields, idempotency_key, timeout_s, file, self._patience))
        return Path(out)

    async def download(self, job: Job | str, out: str | os.PathLike[str]) -> Path:
        """The narration of a job that is over, as `speak` writes it."""
        known = job if isinstance(job, Job) else await self.job(job)
        with saving(out) as file:
            await self._transport.run(one.download(known, file, self._patience))
        return Path(out)

    async def usage(self, **query: Any) -> UsageReport:
        """What was spent, `by` any of `alias provider model kind variant day`: `usage(by="model,day", since="…")`."""
        return await self._transport.run(one.fetch(UsageReport, "/v1/usage", self._patience, **query))

    async def quote(self, jobs: Jobs, *, max_cost_usd: Decimal | float | None = None, lines: bool = False) -> Quote:
        """What `batch` of these would cost; with `lines`, what each of them would."""
        query = {"max_cost_usd": max_cost_usd, "lines": lines}
        with ordering(jobs) as (order, texts):
            await _add(order, texts)
            return await self._transport.run(batches.quote(order, query, self._patience))

    async def voices(self) -> list[Voice]:
        """The voices that requests may name, at every provider."""
        return (await self._transport.run(one.fetch(Voices, "/v1/voices", self._patience))).data

    async def jobs(self, *, cursor: str | None = None, limit: int = 50, **filters: str | None) -> JobPage:
        """A page, the newest first; filters are `status`, `kind`, `batch_id`."""
        found = one.fetch(JobPage, "/v1/jobs", self._patience, cursor=cursor, limit=limit, **filters)
        return await self._transport.run(found)

    def each_job(self, *, most: int | None = None, **filters: str | None) -> AsyncIterator[Job]:
        """Jobs of all pages, the newest first, at most so many."""
        return self._transport.iterate(one.each_job(most, filters, self._patience))

    async def request(self, call: Call, *, retry_for_s: float | None = None) -> Answer:
        """Any other call of the API. Raises as all methods do."""
        return await self._transport.run(ask(call, self._patience.within(retry_for_s)))

    def lines(self, call: Call) -> AsyncIterator[bytes]:
        """The lines of any answer, as they come."""
        return self._transport.iterate(stream(LineReader(call), self._patience))

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def __aenter__(self) -> "FactoryClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"FactoryClient({self._transport.connection.where!r})"


async def _add(order: Order, lines: Iterable[Line] | AsyncIterable[Line]) -> None:
    if isinstance(lines, AsyncIterable):
        async for line in lines:
            order.add(line)
        return
    for line in lines:
        order.add(line)
