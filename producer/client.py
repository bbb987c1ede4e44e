"""The factory's HTTP API as the commands use it: over the network, or inside this process (docs/adr/0005)."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import factory_client
import httpx
from factory_client.batches import UPLOAD_PATIENCE_S
from factory_client.calls import Body, Call, get, key_of, place, post, said
from factory_client.saving import saving

from core.errors import (
    BodyTooLarge,
    ConfigurationError,
    Conflict,
    FactoryError,
    Forbidden,
    IdempotencyConflict,
    NotFound,
    Problem,
    RequestRefused,
    ServiceUnavailable,
    Unauthenticated,
    UnknownModel,
)
from core.jsonio import dump_json, load_json_exact
from core.settings import Settings

JSON_TYPE = "application/json"
LINES_TYPE = "application/jsonl"
PATIENCE_S = 30.0
POLL_S = 5.0
BREATH_S = 0.5
KINDS: Sequence[type[FactoryError]] = (
    UnknownModel,
    RequestRefused,
    Unauthenticated,
    Forbidden,
    NotFound,
    IdempotencyConflict,
    Conflict,
    BodyTooLarge,
    ServiceUnavailable,
)


class FactoryClient:
    """Jobs, batches and usage as plain dicts in the API's shapes, money as Decimal, over `clients/python`.

    Every method raises the FactoryError that the API's problem document stands for. What may be sent twice (reads and
    submits) is sent again for half a minute when a server that was there goes away.
    """

    def __init__(self, http: httpx.AsyncClient, where: str) -> None:
        self._client = factory_client.FactoryClient(http=http, retry_for_s=PATIENCE_S)
        self._where = where
        self._reached = False

    async def submit_job(self, body: Mapping[str, Any], idempotency_key: str | None = None) -> dict[str, Any]:
        """A Request in, the Job out."""
        return await self._ask(post("/v1/jobs", dump_json(body), key=key_of(idempotency_key)))

    async def get_job(self, job_id: str, wait_s: float = 0) -> dict[str, Any]:
        """The Job with its calls; with `wait_s`, once it is over or the time has run out."""
        return await self._get(place("jobs", job_id), {}, wait_s)

    async def list_jobs(
        self,
        *,
        status: str | None = None,
        kind: str | None = None,
        batch_id: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> dict[str, Any]:
        """One page, the newest first, without calls and answers: `{"data", "next_cursor"}`."""
        filters = {"status": status, "kind": kind, "batch_id": batch_id, "cursor": cursor, "limit": limit}
        return await self._get("/v1/jobs", filters)

    async def iterate_jobs(self, *, most: int | None = None, **filters: str | None) -> AsyncIterator[dict[str, Any]]:
        """Jobs of all pages, the newest first, at most so many."""
        cursor, left = None, most
        while left is None or left > 0:
            size = 500 if left is None else min(left, 500)
            page = await self.list_jobs(cursor=cursor, limit=size, **filters)
            for job in page["data"]:
                yield job
            left = None if left is None else left - len(page["data"])
            cursor = page["next_cursor"]
            if cursor is None:
                return

    async def cancel_job(self, job_id: str) -> dict[str, Any]:
        """The Job, `cancelled` or `cancelling`. Raises Conflict when it is over."""
        return await self._ask(post(place("jobs", job_id, "/cancel")))

    async def submit_batch(
        self,
        jobs: Sequence[Mapping[str, Any]],
        *,
        name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        max_cost_usd: Any = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Requests, all or none."""
        more = {"name": name, "metadata": metadata, "max_cost_usd": max_cost_usd}
        body = {"jobs": list(jobs)} | {field: value for field, value in more.items() if value is not None}
        return await self._ask(post("/v1/job-batches", dump_json(body), key=key_of(idempotency_key)))

    async def send_batch(
        self, file: BinaryIO, *, on_error: str = "reject", idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """JSONL, whose line numbers the errors then name; what cannot be read twice is kept in a file until it is sent.
        A long one is `validating` first."""
        with tempfile.TemporaryFile() as kept:
            if not file.seekable():
                await asyncio.to_thread(shutil.copyfileobj, file, kept)
            body = Body(file if file.seekable() else kept)
            call = post("/v1/job-batches", body, LINES_TYPE, key=key_of(idempotency_key), on_error=on_error)
            return await self._ask(replace(call, patience_s=UPLOAD_PATIENCE_S))

    async def batch_errors(self, batch_id: str, most: int) -> list[dict[str, Any]]:
        """The first lines that made no job, each with its problems."""
        answer = await self._get(place("job-batches", batch_id, "/errors"), {"limit": most})
        found: list[dict[str, Any]] = answer["data"]
        return found

    async def quote(
        self, jobs: Sequence[Mapping[str, Any]] | bytes, *, max_cost_usd: Any = None, lines: bool = False
    ) -> dict[str, Any]:
        """What `submit_batch` of these would cost; of one job that is no file, what `submit_job` would."""
        one = not isinstance(jobs, bytes) and len(jobs) == 1
        query = {"max_cost_usd": max_cost_usd, "lines": lines, "single": one}
        body, kind = (jobs, LINES_TYPE) if isinstance(jobs, bytes) else (dump_json({"jobs": list(jobs)}), JSON_TYPE)
        return await self._ask(post("/v1/job-batches/quote", body, kind, **query))

    async def get_batch(self, batch_id: str, wait_s: float = 0, seen: int | None = None) -> dict[str, Any]:
        """The Batch; with `wait_s`, once it is over or, given the `sequence` last seen, once it has changed."""
        return await self._get(place("job-batches", batch_id), {"seen": seen}, wait_s)

    async def follow_batch(self, batch_id: str) -> AsyncIterator[dict[str, Any]]:
        """The Batch now, at its changes (twice a second at most), and every few seconds without one, until its end."""
        batch = await self.get_batch(batch_id)
        yield batch
        while batch["finished_at"] is None:
            await asyncio.sleep(BREATH_S)
            batch = await self.get_batch(batch_id, POLL_S, batch["sequence"])
            yield batch

    async def cancel_batch(self, batch_id: str) -> dict[str, Any]:
        """Stops every job of it that is not over."""
        return await self._ask(post(place("job-batches", batch_id, "/cancel")))

    async def batch_results(self, batch_id: str) -> list[dict[str, Any]]:
        """The Jobs of a batch in the order of its lines, with calls and answers."""
        with told_as_ours():
            return [load_json_exact(line) async for line in self._client.lines(_results(batch_id))]

    async def stream_results(self, batch_id: str, status: str | None = None) -> AsyncIterator[bytes]:
        """A line of JSON for every job that is over."""
        with told_as_ours():
            async for line in self._client.lines(get(place("job-batches", batch_id, "/results"), status=status)):
                yield line + b"\n"

    async def save_results(self, batch_id: str, path: Path) -> None:
        """`batch_results` as JSONL in a file, which appears whole or not at all."""
        with told_as_ours(), _writing(path), saving(path) as file:
            async for line in self._client.lines(_results(batch_id)):
                file.write(line + b"\n")

    async def list_voices(self) -> list[dict[str, Any]]:
        """Every voice at every provider, with the models that speak it."""
        found: list[dict[str, Any]] = (await self._get("/v1/voices", {}))["data"]
        return found

    async def download_audio(self, job_id: str, path: Path) -> None:
        """A narration as a file, which appears whole or not at all."""
        with told_as_ours(), _writing(path):
            await self._client.download(job_id, path)

    async def usage(self, *, all_projects: bool = False, **asked: str | None) -> dict[str, Any]:
        """`{"project", "by", "totals", "total_cost", "data"}`. `asked` is the query of `/v1/usage`: by, filters, times
        as RFC 3339. All projects' is for operators."""
        if all_projects:
            return await self.administer("GET", "/usage", query=asked)
        return await self._get("/v1/usage", asked)

    async def cache(self, since: str | None = None) -> dict[str, Any]:
        """What the project's cache holds and has saved."""
        return await self._get("/v1/cache", {"since": since})

    async def clear_cache(self) -> int:
        """Forget every answer. How many there were."""
        forgotten: int = (await self._ask(Call("DELETE", "/v1/cache", repeatable=True)))["forgotten"]
        return forgotten

    async def experiment(self, alias: str, *, since: str | None = None, until: str | None = None) -> dict[str, Any]:
        """The variants of a weighted alias beside each other; times are RFC 3339."""
        return await self._get(place("experiments", alias), {"since": since, "until": until})

    async def webhooks(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """What `/v1/webhook…` answers; `path` is what follows: `-endpoints`, `-deliveries`, `-secret` and so on."""
        content = dump_json(body) if body is not None else b""
        call = Call(
            method, f"/v1/webhook{path}", said(query or {}), {"content-type": JSON_TYPE}, content, patience_s=60
        )
        return await self._ask(replace(call, repeatable=method == "GET"))

    async def administer(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """What `/v1/admin` answers; an operator's key is needed. `path` is what follows."""
        content = body if isinstance(body, bytes) else dump_json(body) if body is not None else b""
        call = Call(method, f"/v1/admin{path}", said(query or {}), {"content-type": JSON_TYPE}, content, patience_s=60)
        return await self._ask(replace(call, repeatable=method == "GET"))

    async def _get(self, path: str, query: Mapping[str, Any], wait_s: float = 0) -> dict[str, Any]:
        return await self._ask(get(path, wait_s, **query))

    async def _ask(self, call: Call) -> dict[str, Any]:
        """A server that was there is waited for."""
        with told_as_ours():
            answer = await self._client.request(call, retry_for_s=PATIENCE_S if self._reached else 0)
        try:
            parsed: dict[str, Any] = load_json_exact(answer.body or b"{}")
        except ValueError as error:
            raise FactoryError(f"{self._where} answers, but not as a factory does") from error
        self._reached = True
        return parsed


def _results(batch_id: str) -> Call:
    return get(place("job-batches", batch_id, "/results"), jobs=True)


@contextmanager
def told_as_ours() -> Iterator[None]:
    """The client's errors as those that the API made them from."""
    try:
        yield
    except factory_client.ApiError as error:
        raise error_of(error) from error
    except factory_client.FactoryError as error:
        raise ServiceUnavailable(error.message) from error


def error_of(error: factory_client.ApiError) -> FactoryError:
    """By its code; one of its family by status where the code is unknown here."""
    problems = [Problem(one.message, one.field, one.line) for one in error.problems]
    by_code = [kind for kind in KINDS if kind.code == error.code]
    by_status = [kind for kind in KINDS if kind.status == error.status and kind is not UnknownModel]
    refused = [RequestRefused] if 400 <= error.status < 500 else []
    away = [ServiceUnavailable] if error.status in (502, 504) else []
    kind: type[FactoryError] = next(iter([*by_code, *by_status, *refused, *away]), FactoryError)
    return kind(error.message, problems=problems)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}") from error


@asynccontextmanager
async def open_client(settings: Settings, project: str = "default") -> AsyncIterator[FactoryClient]:
    """Over HTTP when `settings.url` is set; otherwise the same application in this process, as `project`, on the
    servers of this machine. Raises ConfigurationError that says what to set."""
    if settings.url is not None:
        headers = {"x-api-key": _checked_key(settings)}
        async with httpx.AsyncClient(base_url=_checked_url(settings.url), headers=headers) as http:
            yield FactoryClient(http, settings.url)
        return
    import asyncpg

    from producer.api.app import create_app
    from producer.api.problems import AWAY
    from producer.composition import open_services

    async with AsyncExitStack() as stack:
        local = await stack.enter_async_context(_servers(settings))
        try:
            services = await stack.enter_async_context(open_services(local))
        except asyncpg.UndefinedTableError as error:
            raise ConfigurationError("the database has no schema of this factory: run `factory migrate`") from error
        except (*AWAY, asyncpg.PostgresError) as error:
            raise ServiceUnavailable(f"Postgres or Redis cannot be reached: {error or type(error).__name__}") from error
        transport = httpx.ASGITransport(create_app(services, project), raise_app_exceptions=False)
        http = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://factory"))
        yield FactoryClient(http, "the factory on this machine")


def _checked_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"FACTORY_URL: {url!r} is not the address of an API, such as http://127.0.0.1:8400")
    return url


def _checked_key(settings: Settings) -> str:
    key = settings.api_key
    if not key or not key.isascii() or not key.isprintable():
        raise ConfigurationError(
            f"FACTORY_URL is {settings.url}, which wants a key of a project: set FACTORY_API_KEY "
            "(`factory project create NAME` prints one)"
        )
    return key


@asynccontextmanager
async def _servers(settings: Settings) -> AsyncIterator[Settings]:
    """The operator's servers where URLs are set; embedded ones, shared with whatever else runs, where not."""
    from producer.cli.programs import bring_up_to_date
    from producer.embedded import EmbeddedServers, read_running

    earlier = read_running(settings.home)
    ours = (earlier.database_url, earlier.redis_url) if earlier else ()
    wanted = {
        "postgres": settings.database_url is None or settings.database_url in ours,
        "valkey": settings.redis_url is None or settings.redis_url in ours,
    }
    if not any(wanted.values()):
        yield settings
        return
    servers = EmbeddedServers(settings.home, **wanted, log=lambda _: None)
    running = await asyncio.to_thread(servers.start)
    try:
        urls = {"database_url": running.database_url, "redis_url": running.redis_url}
        names = {"database_url": "postgres", "redis_url": "valkey"}
        local = settings.model_copy(update={name: url for name, url in urls.items() if wanted[names[name]]})
        if earlier is None:
            await bring_up_to_date(local)
        yield local
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(asyncio.to_thread(servers.stop))
