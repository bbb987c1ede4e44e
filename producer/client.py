"""The factory's HTTP API as the commands use it: over the network, or inside this process (docs/adr/0005)."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx

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
    """Jobs, batches and usage as plain dicts in the API's shapes, money as Decimal.

    Every method raises the FactoryError that the API's problem document stands for. What may be sent twice (reads,
    and submits with an idempotency key) is sent again for half a minute when a server that was there goes away.
    """

    def __init__(self, http: httpx.AsyncClient, where: str) -> None:
        self._http = http
        self._where = where
        self._reached = False

    async def submit_job(self, body: Mapping[str, Any], idempotency_key: str | None = None) -> dict[str, Any]:
        """A Request in, the Job out."""
        return await self._post("/v1/jobs", dump_json(body), "application/json", idempotency_key)

    async def get_job(self, job_id: str, wait_s: float = 0) -> dict[str, Any]:
        """The Job with its calls; with `wait_s`, once it is over or the time has run out."""
        return await self._get(_place("jobs", job_id), {"wait": wait_s}, wait_s)

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
        return await self._post(_place("jobs", job_id, "/cancel"))

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
        return await self._post("/v1/job-batches", dump_json(body), "application/json", idempotency_key)

    async def send_batch(
        self, lines: AsyncIterable[bytes], *, on_error: str = "reject", idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """A JSONL file as it comes, whose line numbers the errors then name. A long one is `validating` first."""
        headers = {"Content-Type": LINES_TYPE}
        headers |= {"Idempotency-Key": idempotency_key} if idempotency_key is not None else {}
        return await self._ask(
            "POST", "/v1/job-batches", repeatable=False, content=lines, headers=headers,
            params={"on_error": on_error}, timeout=300,
        )  # fmt: skip

    async def batch_errors(self, batch_id: str, most: int) -> list[dict[str, Any]]:
        """The first lines that made no job, each with its problems."""
        found: list[dict[str, Any]] = (await self._get(_place("job-batches", batch_id, "/errors"), {"limit": most}))[
            "data"
        ]
        return found

    async def quote(
        self, jobs: Sequence[Mapping[str, Any]] | bytes, *, max_cost_usd: Any = None, lines: bool = False
    ) -> dict[str, Any]:
        """What `submit_batch` of these would cost; of one job that is no file, what `submit_job` would."""
        query = {"max_cost_usd": max_cost_usd, "lines": lines, "single": not isinstance(jobs, bytes) and len(jobs) == 1}
        place = f"/v1/job-batches/quote?{urlencode({name: one for name, one in query.items() if one is not None})}"
        if isinstance(jobs, bytes):
            return await self._post(place, jobs, LINES_TYPE)
        return await self._post(place, dump_json({"jobs": list(jobs)}), "application/json")

    async def get_batch(self, batch_id: str, wait_s: float = 0, seen: int | None = None) -> dict[str, Any]:
        """The Batch; with `wait_s`, once it is over or, given the `sequence` last seen, once it has changed."""
        return await self._get(_place("job-batches", batch_id), {"wait": wait_s, "seen": seen}, wait_s)

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
        return await self._post(_place("job-batches", batch_id, "/cancel"))

    async def batch_results(self, batch_id: str) -> list[dict[str, Any]]:
        """The Jobs of a batch in the order of its lines, with calls and answers."""
        async with aclosing(self._pieces(_place("job-batches", batch_id, "/results?jobs=true"))) as pieces:
            body = b"".join([piece async for piece in pieces])
        return [load_json_exact(line) for line in body.split(b"\n") if line]

    async def stream_results(self, batch_id: str, status: str | None = None) -> AsyncIterator[bytes]:
        """JSONL of a line for every job that is over, in pieces."""
        query = f"?status={status}" if status else ""
        async with aclosing(self._pieces(_place("job-batches", batch_id, f"/results{query}"))) as pieces:
            async for piece in pieces:
                yield piece

    async def save_results(self, batch_id: str, path: Path) -> None:
        """`batch_results` as JSONL in a file, which appears whole or not at all."""
        await self._save(_place("job-batches", batch_id, "/results?jobs=true"), path)

    async def list_voices(self) -> list[dict[str, Any]]:
        """Every voice at every provider, with the models that speak it."""
        found: list[dict[str, Any]] = (await self._get("/v1/voices", {}))["data"]
        return found

    async def download_audio(self, job_id: str, path: Path) -> None:
        """A narration as a file, which appears whole or not at all."""
        await self._save(_place("jobs", job_id, "/audio"), path)

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
        forgotten: int = (await self._ask("DELETE", "/v1/cache", repeatable=True))["forgotten"]
        return forgotten

    async def experiment(self, alias: str, *, since: str | None = None, until: str | None = None) -> dict[str, Any]:
        """The variants of a weighted alias beside each other; times are RFC 3339."""
        return await self._get(_place("experiments", alias), {"since": since, "until": until})

    async def webhooks(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """What `/v1/webhook…` answers; `path` is what follows: `-endpoints`, `-deliveries`, `-secret` and so on."""
        params = {name: value for name, value in (query or {}).items() if value is not None}
        return await self._ask(
            method, f"/v1/webhook{path}", repeatable=method == "GET", params=params, timeout=60,
            content=dump_json(body) if body is not None else b"",
        )  # fmt: skip

    async def administer(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """What `/v1/admin` answers; an operator's key is needed. `path` is what follows."""
        content = body if isinstance(body, bytes) else dump_json(body) if body is not None else b""
        params = {name: value for name, value in (query or {}).items() if value is not None}
        return await self._ask(
            method, f"/v1/admin{path}", repeatable=method == "GET", content=content, params=params, timeout=60,
            headers={"Content-Type": "application/json"},
        )  # fmt: skip

    async def _save(self, place: str, path: Path) -> None:
        unfinished = path.with_name(f".{path.name}.part")
        try:
            with unfinished.open("wb") as file:
                async with aclosing(self._pieces(place)) as pieces:
                    async for piece in pieces:
                        file.write(piece)
            unfinished.replace(path)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}") from error
        finally:
            with contextlib.suppress(OSError):
                unfinished.unlink()

    async def _pieces(self, path: str) -> AsyncGenerator[bytes, None]:
        """A body that may be large, as it comes."""
        try:
            async with self._http.stream("GET", path, timeout=60) as answer:
                await _refuse_errors(answer)
                async for piece in answer.aiter_bytes():
                    yield piece
        except httpx.TransportError as error:
            raise self._away(error) from error

    async def _get(self, path: str, query: Mapping[str, Any], wait_s: float = 0) -> dict[str, Any]:
        params = {name: value for name, value in query.items() if value is not None}
        return await self._ask("GET", path, repeatable=True, params=params, timeout=30 + wait_s)

    async def _post(
        self, path: str, body: bytes = b"", content_type: str | None = None, key: str | None = None
    ) -> dict[str, Any]:
        headers = {"Content-Type": content_type} if content_type else {}
        headers |= {"Idempotency-Key": key} if key is not None else {}
        return await self._ask("POST", path, repeatable=key is not None, content=body, headers=headers, timeout=60)

    async def _ask(self, method: str, path: str, *, repeatable: bool, **how: Any) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE_S
        pause_s = 0.2
        while True:
            try:
                answer = await self._http.request(method, path, **how)
                await _refuse_errors(answer)
                parsed: dict[str, Any] = load_json_exact(answer.content or b"{}")
            except httpx.TransportError as error:
                fault: FactoryError = self._away(error)
            except ServiceUnavailable as error:
                fault = error
            except ValueError as error:
                raise FactoryError(f"{self._where} answers, but not as a factory does") from error
            else:
                self._reached = True
                return parsed
            if not (repeatable and self._reached) or time.monotonic() > until:
                raise fault
            await asyncio.sleep(pause_s)
            pause_s = min(2.0, pause_s * 2)

    def _away(self, error: httpx.TransportError) -> ServiceUnavailable:
        reason = str(error) or type(error).__name__
        return ServiceUnavailable(f"{self._where} cannot be reached ({reason}); is `factory up` running there?")


def _place(kind: str, named: str, part: str = "") -> str:
    """The path of something whose id a person may have typed."""
    return f"/v1/{kind}/{quote(named, safe='')}{part}"


async def _refuse_errors(answer: httpx.Response) -> None:
    """Raises the FactoryError of a problem document."""
    if not answer.is_error:
        return
    await answer.aread()
    try:
        body = load_json_exact(answer.content)
    except ValueError:
        body = None
    raise error_of(answer.status_code, body if isinstance(body, dict) else {})


def error_of(status: int, body: Mapping[str, Any]) -> FactoryError:
    """A problem document as the error it was made from; one of its family by status where the code is unknown here."""
    problems = [Problem(one["message"], one.get("field"), one.get("line")) for one in body.get("problems", ())]
    message = body.get("detail") or f"the answer was HTTP status {status}, without a reason"
    by_code = [kind for kind in KINDS if kind.code == body.get("code")]
    by_status = [kind for kind in KINDS if kind.status == status and kind is not UnknownModel]
    refused = [RequestRefused] if 400 <= status < 500 else [ServiceUnavailable] if status in (502, 504) else []
    kind = next(iter([*by_code, *by_status, *refused]), FactoryError)
    return kind(message, problems=problems)


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
