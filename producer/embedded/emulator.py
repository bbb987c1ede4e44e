"""The provider emulator as a third embedded server."""

import json
import urllib.error
import urllib.request
from pathlib import Path

from core.settings import child_environment, python_program
from producer.embedded.errors import EmbeddedError
from producer.embedded.processes import end, is_alive, spawn, wait_until

START_WITHIN_S = 20.0


class EmbeddedEmulator:
    """Runs until the last program leaves. Called under the start lock alone."""

    def __init__(self, root: Path, latency_ms: int) -> None:
        self._ready = root / "emulator.json"
        self._logfile = root / "emulator.log"
        self._arguments = ("--latency-ms", str(latency_ms), "--ready-file", str(self._ready))

    def start(self) -> str:
        """Adopt the one that runs, or start one. Raises EmbeddedError."""
        if (url := self.running()) is not None:
            return url
        self._ready.unlink(missing_ok=True)
        command = python_program("adapters.emulator", "--host", "127.0.0.1", "--port", "0", *self._arguments)
        process = spawn(command, self._logfile, environment=child_environment())
        if not wait_until(lambda: self.running() is not None, process, START_WITHIN_S):
            raise EmbeddedError.about("emulator", "a provider's API key", self._logfile)
        return self.running() or ""

    def running(self) -> str | None:
        """Its URL, if it answers."""
        try:
            found = json.loads(self._ready.read_text(encoding="utf-8"))
            if not is_alive(int(found["pid"])):
                return None
            url = str(found["url"])
            with urllib.request.urlopen(f"{url}/_emulator/health", timeout=2) as answer:  # noqa: S310  our own address
                return url if answer.status == 200 else None
        except (OSError, ValueError, KeyError, urllib.error.URLError):
            return None

    def stop(self) -> None:
        if self.running() is not None:
            end(int(json.loads(self._ready.read_text(encoding="utf-8"))["pid"]))
        self._ready.unlink(missing_ok=True)
