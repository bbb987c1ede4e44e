"""The synchronous client: the same flows as `aio`, carried out by httpx.Client."""

import os
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, overload

from factory_client import batches
from factory_client import jobs as one
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
from factory_client.sync_transport import SyncTransport
from factory_client.trying import Patience, ask

if TYPE_CHECKING:
    import httpx

Jobs = Iterable[Line] | str | os.PathLike[str] | bytes


class SyncFactoryClient:
    """`FactoryClient` without `await`.

    `url` and `api_key` default to FACTORY_URL and FACTORY_API_KEY; an `httpx.Client` of yours may carry the calls.
    `retry_for_s`: how long a call that may be sent twice is sent again, after a lost connection or 408, 429, 502, 503,
    504. Every submit may: it carries an Idempotency-Key. What goes wrong is a FactoryError: `factory_client.errors`.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        http: "httpx.Client | None" = None,
        retry_for_s: float = 60.0,
    ) -> None:
        self._transport = SyncTransport(url, api_key, http)
        self._patience = Patience(retry_for_s)

    def generate(
        self,
        request: Mapping[str, Any] | None = None,
        /,
        *,
        timeout_s: float | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Result:
        """Submit a Request, as a mapping or as keywords, and wait for its answer. Raises JobFailed, Timeout."""
        return self._transport.run(one.generate(request, fields, idempotency_key, timeout_s, self._patience))

    def submit(
        self, request: Mapping[str, Any] | None = None, /, *, idempotency_key: str | None = None, **fields: Any
    ) -> Job:
        """Submit a Request without waiting for its answer."""
        return self._transport.run(one.submit(request, fields, idempotency_key, self._patience))

    def job(self, job: Job | str) -> Job:
        """As it is now."""
        return self._transport.run(one.fetch(Job, place("jobs", job), self._patience))

    def wait(self, job: Job | str, timeout_s: float | None = None) -> Job:
        """Until it is over, well or not: `answer()` gives the Result. Raises Timeout."""
        return self._transport.run(one.wait(Job, place("jobs", job), timeout_s, self._patience))

    def cancel(self, job: Job | str) -> Job:
        """Stop it: `cancelled`, or `cancelling` while its call is being aborted. ApiError 409 when it is over."""
        return self._transport.run(one.change(Job, place("jobs", job, "/cancel"), self._patience))

    def delete(self, job: Job | str) -> None:
        """Delete what it was asked and answered, for good; its costs stay. ApiError 409 while it is not over."""
        self._transport.run(one.remove(place("jobs", job), self._patience))

    def retry(self, job: Job | str) -> Job:
        """A new job that asks the same as this one, which must be over."""
        return self._transport.run(one.change(Job, place("jobs", job, "/retry"), self._patience))

    def events(self, of: Job | Batch | str, *, after: int = 0) -> Iterator[Event]:
        """What happens to a job (by its id, too) or a batch, until it is over; goes on by itself where it broke."""
        path = place("job-batches" if isinstance(of, Batch) else "jobs", of, "/events")
        return self._transport.iterate(stream(EventReader(path, after), self._patience))

    def batch(
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
            _add(order, lines)
            return self._transport.run(batches.submit_batch(order, idempotency_key, query, self._patience))

    def get_batch(self, batch: Batch | str) -> Batch:
        """As it is now."""
        return self._transport.run(one.fetch(Batch, place("job-batches", batch), self._patience))

    def batch_wait(self, batch: Batch | str, timeout_s: float | None = None) -> Batch:
        """Until every job of it is over. Raises Timeout."""
        return self._transport.run(one.wait(Batch, place("job-batches", batch), timeout_s, self._patience))

    def cancel_batch(self, batch: Batch | str) -> Batch:
        """Stop every job of it that is not over."""
        return self._transport.run(one.change(Batch, place("job-batches", batch, "/cancel"), self._patience))

    def delete_batch(self, batch: Batch | str) -> None:
        """Delete what all its jobs were asked and answered, for good; counts and costs stay. ApiError 409 while it is
        not over."""
        self._transport.run(one.remove(place("job-batches", batch), self._patience))

    def retry_failed(self, batch: Batch | str, *, idempotency_key: str | None = None) -> Batch:
        """A new batch of all jobs that did not complete."""
        path = place("job-batches", batch, "/retry-failed")
        return self._transport.run(one.change(Batch, path, self._patience, key_of(idempotency_key)))

    def results(self, batch: Batch | str, *, status: str | None = None) -> Iterator[BatchResult]:
        """What became of each line, in their order, as it comes."""
        return self._transport.iterate(batches.results(batch, BatchResult, {"status": status}, self._patience))

    def batch_errors(self, batch: Batch | str) -> Iterator[LineErrors]:
        """What was wrong with lines that made no job, in their order; see `on_error`."""
        return self._transport.iterate(batches.errors(batch, self._patience))

    def batch_jobs(self, batch: Batch | str) -> Iterator[Job]:
        """Whole Jobs with their calls, in the order of the lines, as they come."""
        return self._transport.iterate(batches.results(batch, Job, {"jobs": True}, self._patience))

    @overload
    def speak(
        self, text: str, *, out: None = None, timeout_s: float | None = None, idempotency_key: str | None = None,
        **fields: Any,
    ) -> bytes: ...  # fmt: skip
    @overload
    def speak(
        self, text: str, *, out: str | os.PathLike[str], timeout_s: float | None = None,
        idempotency_key: str | None = None, **fields: Any,
    ) -> Path: ...  # fmt: skip
    def speak(
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
            self._transport.run(one.speak(text, fields, idempotency_key, timeout_s, sink, self._patience))
            return sink.getvalue()
        with saving(out) as file:
            self._transport.run(one.speak(text, fields, idempotency_key, timeout_s, file, self._patience))
        return Path(out)

    def download(self, job: Job | str, out: str | os.PathLike[str]) -> Path:
        """The narration of a job that is over, as `speak` writes it."""
        known = job if isinstance(job, Job) else self.job(job)
        with saving(out) as file:
            self._transport.run(one.download(known, file, self._patience))
        return Path(out)

    def usage(self, **query: Any) -> UsageReport:
        """What was spent, `by` any of `alias provider model kind variant day`: `usage(by="model,day", since="…")`."""
        return self._transport.run(one.fetch(UsageReport, "/v1/usage", self._patience, **query))

    def quote(self, jobs: Jobs, *, max_cost_usd: Decimal | float | None = None, lines: bool = False) -> Quote:
        """What `batch` of these would cost; with `lines`, what each of them would."""
        query = {"max_cost_usd": max_cost_usd, "lines": lines}
        with ordering(jobs) as (order, texts):
            _add(order, texts)
            return self._transport.run(batches.quote(order, query, self._patience))

    def voices(self) -> list[Voice]:
        """The voices that requests may name, at every provider."""
        return (self._transport.run(one.fetch(Voices, "/v1/voices", self._patience))).data

    def jobs(self, *, cursor: str | None = None, limit: int = 50, **filters: str | None) -> JobPage:
        """A page, the newest first; filters are `status`, `kind`, `batch_id`."""
        found = one.fetch(JobPage, "/v1/jobs", self._patience, cursor=cursor, limit=limit, **filters)
        return self._transport.run(found)

    def each_job(self, *, most: int | None = None, **filters: str | None) -> Iterator[Job]:
        """Jobs of all pages, the newest first, at most so many."""
        return self._transport.iterate(one.each_job(most, filters, self._patience))

    def request(self, call: Call, *, retry_for_s: float | None = None) -> Answer:
        """Any other call of the API. Raises as all methods do."""
        return self._transport.run(ask(call, self._patience.within(retry_for_s)))

    def lines(self, call: Call) -> Iterator[bytes]:
        """The lines of any answer, as they come."""
        return self._transport.iterate(stream(LineReader(call), self._patience))

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> "SyncFactoryClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"SyncFactoryClient({self._transport.connection.where!r})"


def _add(order: Order, lines: Iterable[Line]) -> None:
    for line in lines:
        order.add(line)
