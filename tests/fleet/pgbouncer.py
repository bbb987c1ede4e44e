"""PgBouncer in transaction mode before a PostgreSQL, set so that everything that needs a session fails in it."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from producer.embedded.permissions import open_the_way, own_tree, server_user
from producer.embedded.postgres import programs
from producer.embedded.processes import free_port, spawn

SERVER_SESSIONS = 3
START_WITHIN_S = 10.0
ATTEMPTS = 3
HOW_TO_INSTALL = "PgBouncer is not on this machine: `apt-get install pgbouncer`, then it runs (its service may be off)."
INI = """
[databases]
* = host={host} port={port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
admin_users = {user}
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 300
server_idle_timeout = 5
ignore_startup_parameters =
"""
PREPARED_SINCE = (1, 21)


def find_pgbouncer() -> str | None:
    """The program; Debian puts it where only root's PATH leads."""
    return shutil.which("pgbouncer", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin")))


@dataclass(frozen=True)
class PgBouncer:
    """`server_url` is the PostgreSQL behind it, `port` where it listens."""

    server_url: str
    port: int

    def url_for(self, database_url: str) -> str:
        """The way through the pooler to a database of that PostgreSQL."""
        parts = urlsplit(database_url)
        login = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{self.port}"))

    def show(self, what: str) -> list[dict[str, str]]:
        """The rows of `SHOW WHAT` on its console, which speaks the simple protocol alone."""
        parts = urlsplit(self.server_url)
        found = subprocess.run(
            [
                str(programs() / "psql"), "-X", "-A", "-F", "\t", "-P", "footer=off", "-h", "127.0.0.1",
                "-p", str(self.port), "-U", parts.username or "", "-d", "pgbouncer", "-c", f"SHOW {what}",
            ],
            capture_output=True, text=True, check=True, timeout=10, cwd="/",
            env={"PGPASSWORD": unquote(parts.password or ""), "PGCONNECT_TIMEOUT": "5"},
        )  # fmt: skip
        names, *rows = (line.split("\t") for line in found.stdout.splitlines())
        return [dict(zip(names, row, strict=True)) for row in rows]

    def answers(self) -> bool:
        """Is it up?"""
        try:
            return bool(self.show("VERSION"))
        except (subprocess.SubprocessError, ValueError):
            return False


@contextmanager
def running_pgbouncer(server_url: str) -> Iterator[PgBouncer]:
    """Before the PostgreSQL of `server_url`: transaction mode, three server sessions for a database and user, no
    prepared statements of its own. As root it runs as the user that the embedded server runs as."""
    program, user = find_pgbouncer(), server_user()
    if program is None:
        raise FileNotFoundError(HOW_TO_INSTALL)
    with tempfile.TemporaryDirectory(prefix="factory-pgbouncer-") as place:
        folder, log = Path(place) / "config", Path(place) / "pgbouncer.log"
        open_the_way(folder, lambda text: None)
        found, process = _start(program, user, server_url, folder, log)
        try:
            yield found
        finally:
            process.kill()
            process.wait()


def _start(
    program: str, user: int | None, server_url: str, folder: Path, log: Path
) -> "tuple[PgBouncer, subprocess.Popen[bytes]]":
    """Another port when somebody else took the free one. It keeps nothing, so it may be killed at any time."""
    for _ in range(ATTEMPTS):
        found = PgBouncer(server_url, free_port())
        _write_config(folder, found, prepared=_version(program) >= PREPARED_SINCE)
        own_tree(folder, user)
        process = spawn([program, str(folder / "pgbouncer.ini")], log, user=user)
        until = time.monotonic() + START_WITHIN_S
        while process.poll() is None and time.monotonic() < until:
            if found.answers():
                return found, process
            time.sleep(0.02)
        process.kill()
        process.wait()
    raise RuntimeError(f"PgBouncer did not start:\n{log.read_text(encoding='utf-8')}")


def _write_config(folder: Path, found: PgBouncer, *, prepared: bool) -> None:
    parts = urlsplit(found.server_url)
    folder.mkdir(exist_ok=True)
    users = folder / "users.txt"
    users.write_text(f'"{parts.username}" "{unquote(parts.password or "")}"\n', encoding="utf-8")
    text = INI.format(
        host=parts.hostname, port=parts.port, listen_port=found.port, users=users, user=parts.username,
        sessions=SERVER_SESSIONS,
    )  # fmt: skip
    if prepared:
        text += "max_prepared_statements = 0\n"
    (folder / "pgbouncer.ini").write_text(text, encoding="utf-8")


def _version(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()
    return tuple(int(part) for part in said[1].split(".")[:2])
