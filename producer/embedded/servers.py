"""Servers that the programs of one folder share. The first starts them, the last to leave stops them.

Two locks of the kernel, which it takes back from a killed program: `start.lock`, held while somebody decides, and
`users.lock`, shared by everybody who uses the servers.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from core.logging import get_logger
from producer.embedded.emulator import EmbeddedEmulator
from producer.embedded.permissions import write_private
from producer.embedded.postgres import EmbeddedPostgres
from producer.embedded.valkey import EmbeddedValkey


@dataclass(frozen=True, slots=True)
class Running:
    """Where the servers are. A URL is empty for a server that was not asked for."""

    database_url: str
    redis_url: str
    emulator_url: str | None


def read_running(root: Path) -> Running | None:
    """What runs under a folder by its own word; starts nothing."""
    try:
        return Running(**json.loads((root / "run.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


class EmbeddedServers:
    """`with EmbeddedServers(Path(".factory")) as running: …`"""

    def __init__(
        self,
        root: Path,
        *,
        postgres: bool = True,
        valkey: bool = True,
        emulator: bool = False,
        emulator_latency_ms: int = 300,
        log: Callable[[str], None] = lambda text: get_logger(__name__).info(text),
    ) -> None:
        self._root = root.absolute()
        self._wanted = {"postgres": postgres, "valkey": valkey, "emulator": emulator}
        self._latency_ms = emulator_latency_ms
        self._log = log
        self._users: int | None = None

    def start(self) -> Running:
        """Use the servers, starting those that do not run. Raises EmbeddedError."""
        self._root.mkdir(parents=True, exist_ok=True)
        self._root.chmod(0o711)
        with self._deciding():
            earlier = read_running(self._root)
            with ThreadPoolExecutor(3) as pool:
                started = {
                    name: pool.submit(server.start) for name, server in self._servers().items() if self._wanted[name]
                }
                urls = {name: future.result() for name, future in started.items()}
            running = Running(
                urls.get("postgres") or (earlier.database_url if earlier else ""),
                urls.get("valkey") or (earlier.redis_url if earlier else ""),
                urls.get("emulator") or EmbeddedEmulator(self._root, self._latency_ms).running(),
            )
            write_private(self._root / "run.json", json.dumps(asdict(running)))
            self._users = _open_lock(self._root / "users.lock")
            fcntl.flock(self._users, fcntl.LOCK_SH)
            return running

    def stop(self) -> None:
        """Leave; the last one stops the servers."""
        if self._users is None:
            return
        with self._deciding():
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            else:
                (self._root / "run.json").unlink(missing_ok=True)
                with ThreadPoolExecutor(3) as pool:
                    list(pool.map(lambda server: server.stop(), self._servers().values()))
            finally:
                os.close(self._users)
                self._users = None

    def __enter__(self) -> Running:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _servers(self) -> "dict[str, EmbeddedPostgres | EmbeddedValkey | EmbeddedEmulator]":
        return {
            "postgres": EmbeddedPostgres(self._root, self._log),
            "valkey": EmbeddedValkey(self._root),
            "emulator": EmbeddedEmulator(self._root, self._latency_ms),
        }

    @contextmanager
    def _deciding(self) -> Iterator[None]:
        lock = _open_lock(self._root / "start.lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _open_lock(path: Path) -> int:
    """Not inherited by the servers we start: they would hold our locks for us."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
