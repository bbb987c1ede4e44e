"""`/metrics` and `/healthz` of a worker, which speaks no other HTTP; off unless FACTORY_METRICS_PORT is set."""

import asyncio
import contextlib
import errno

from core import metrics
from core.exposition import CONTENT_TYPE, write_metrics
from core.logging import get_logger
from core.neighbours import is_neighbour
from core.settings import Settings
from sql.access import hash_key
from sql.fleet import is_operator_key
from sql.patience import GONE
from sql.pool import Database
from workers.running import RunningJobs

PORTS = 20
_HEAD_BYTES = 16_384
_PATIENCE_S = 5.0
_TEXT = "text/plain; charset=utf-8"

log = get_logger(__name__)


class MetricsServer:
    """Workers of one machine take the first free port from the given one on; one that finds none goes on without."""

    def __init__(self, settings: Settings, database: Database, running: RunningJobs) -> None:
        self._settings = settings
        self._database = database
        self._running = running
        self._server: asyncio.Server | None = None
        self.port: int | None = None

    async def start(self) -> None:
        wanted, host = self._settings.metrics_port, self._settings.host
        if wanted is None:
            return
        for port in range(wanted, min(wanted + PORTS, 65_536)) if wanted else (0,):
            try:
                self._server = await asyncio.start_server(self._serve, host, port, limit=_HEAD_BYTES)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    log.warning("no metrics from this worker", host=host, port=port, error=str(error))
                    return
            else:
                self.port = self._server.sockets[0].getsockname()[1]
                log.info("metrics", url=f"http://{host}:{self.port}/metrics")
                return
        log.warning("no metrics from this worker: no port is free", first=wanted, ports=PORTS)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of a connection, and its end."""
        with contextlib.suppress(TimeoutError, OSError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_PATIENCE_S):
                try:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                except asyncio.LimitOverrunError:
                    status, body = "431 Request Header Fields Too Large", b"the headers are too large\n"
                else:
                    peer = writer.get_extra_info("peername")
                    status, body = await self._answer(head, peer[0] if peer else None)
                kind = CONTENT_TYPE if status == "200 OK" else _TEXT
                said = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                writer.write(f"{said}Connection: close\r\n\r\n".encode() + body)
                await writer.drain()
        writer.close()

    async def _answer(self, head: str, host: str | None) -> tuple[str, bytes]:
        request, *lines = head.split("\r\n")
        method, _, rest = request.partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if path not in ("/metrics", "/healthz"):
            return "404 Not Found", b"here are /metrics and /healthz\n"
        if method != "GET":
            return "405 Method Not Allowed", b"only GET\n"
        if path == "/healthz":
            return "200 OK", b"ok\n"
        if not is_neighbour(host, headers) and (refused := await self._refuse(headers)) is not None:
            return refused
        metrics.SLOTS.set(self._settings.worker_slots)
        metrics.RUNNING.set(len(self._running.ids()))
        return "200 OK", write_metrics(metrics.REGISTRY)

    async def _refuse(self, headers: dict[str, str]) -> tuple[str, bytes] | None:
        """Who asks from elsewhere needs an operator's key."""
        bearer = headers.get("authorization", "")
        key = headers.get("x-api-key") or (bearer[7:].strip() if bearer[:7].lower() == "bearer " else "")
        try:
            if key and await is_operator_key(self._database, hash_key(key)):
                return None
        except GONE:
            return "503 Service Unavailable", b"Postgres is away, so keys cannot be looked up\n"
        return "401 Unauthorized", b"an operator's key is needed: x-api-key, or Authorization: Bearer\n"
